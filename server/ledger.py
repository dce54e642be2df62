"""The ledger's key: from the settings or, in development, from DATA_DIR."""

import secrets

from server.keys import kept_text
from server.settings import PREFIX, Settings
from store.chains import LedgerKey

NEEDED = (
    f"{PREFIX}LEDGER_KEY is needed where tokens come from an issuer: the consent ledger is sealed "
    "with it, and cannot be checked without it"
)


def ledger_key_of(settings: Settings) -> LedgerKey:
    """What names subjects and seals entries. Raises: OSError, ValueError when there is none."""
    if settings.ledger_key is not None:
        return LedgerKey(settings.ledger_key.get_secret_value().encode())
    if settings.has_issuer:
        raise ValueError(NEEDED)
    path = settings.data_dir / "development-ledger-key.txt"
    return LedgerKey(kept_text(path, lambda: secrets.token_urlsafe(32)).encode())
