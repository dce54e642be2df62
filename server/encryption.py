"""Encryption: the key-encryption keys, from the settings or, in development, from DATA_DIR."""

from pathlib import Path

from server.keys import write_private
from server.settings import PREFIX, Settings
from store.ids import new_id
from store.sealing import HeldKeys, new_key_text, parse_key_texts

NEEDED = (
    f"{PREFIX}KEY_ENCRYPTION_KEYS is needed where tokens come from an issuer: personal data is "
    "sealed with it, and unreadable without it; `usergraph keys new` prints one"
)


def key_encryption_of(settings: Settings) -> HeldKeys:
    """What wraps the users' data keys. Raises: OSError, ValueError when there is nothing usable."""
    texts = tuple(secret.get_secret_value() for secret in settings.key_encryption_keys)
    if not texts and settings.has_issuer:
        raise ValueError(NEEDED)
    return HeldKeys(parse_key_texts(texts or (_development_key(settings.data_dir),)))


def _development_key(directory: Path) -> str:
    """The key of this data directory, made when there is none."""
    path = directory / "development-key-encryption-key.txt"
    if not path.exists():
        write_private(path, new_key_text(f"d{new_id()[:8]}"))
    return path.read_text()
