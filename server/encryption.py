"""Encryption: the key-encryption keys, from the settings or, in development, from DATA_DIR."""

from server.keys import kept_key_text
from server.settings import PREFIX, Settings
from store.sealing import HeldKeys, parse_key_texts

NEEDED = (
    f"{PREFIX}KEY_ENCRYPTION_KEYS is needed where tokens come from an issuer: personal data is "
    "sealed with it, and unreadable without it; `usergraph keys new` prints one"
)


def key_encryption_of(settings: Settings) -> HeldKeys:
    """What wraps the users' data keys. Raises: OSError, ValueError when there is nothing usable."""
    texts = tuple(secret.get_secret_value() for secret in settings.key_encryption_keys)
    if not texts and settings.has_issuer:
        raise ValueError(NEEDED)
    if not texts:
        texts = (kept_key_text(settings.data_dir / "development-key-encryption-key.txt"),)
    return HeldKeys(parse_key_texts(texts))
