"""Sealing: personal data encrypted with the user's own data key, which is wrapped in turn.

Without the data key nothing that was sealed with it can be read, wherever a copy lies: to destroy a
key erases what it sealed. Data keys are stored wrapped by a key-encryption key, which is not in the
database and may be changed.

Source: NIST SP 800-38D (AES-GCM); SP 800-57 part 1, section 5.3 (keys that wrap keys).
"""

import binascii
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.errors import KeyUnavailable, SealBroken

KEY_BYTES = 32
NONCE_BYTES = 12
HEAD_BYTES = 1 + NONCE_BYTES
NAME = re.compile(r"[A-Za-z0-9]{1,32}")
VERSION = b"\x01"
"""The first byte of everything sealed: how it was sealed."""


class DataKey:
    """The key of one user: seals values of fields, each of which opens as that field alone."""

    __slots__ = ("_cipher", "_user_id")

    def __init__(self, user_id: str, key: bytes) -> None:
        self._user_id = user_id
        self._cipher = AESGCM(key)

    def seal(self, field: str, plain: bytes) -> bytes:
        """The value as it may be stored: the version, a nonce, and what was encrypted."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plain, self._belongs(field, VERSION))
        return VERSION + nonce + sealed

    def open(self, field: str, sealed: bytes) -> bytes:
        """The value again. Raises: SealBroken for a value of another field, user or key."""
        version, nonce, encrypted = sealed[:1], sealed[1:HEAD_BYTES], sealed[HEAD_BYTES:]
        try:
            return self._cipher.decrypt(nonce, encrypted, self._belongs(field, version))
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"{field} of {self._user_id} was not sealed with this key") from error

    def _belongs(self, field: str, version: bytes) -> bytes:
        return f"{self._user_id}\x00{field}\x00".encode() + version


class WrappedKey(NamedTuple):
    """A data key that only the key-encryption key of this name unwraps."""

    wrapped: bytes
    wrapped_by: str


class KeyEncryption(Protocol):
    """The port to whoever holds the key-encryption keys: this process, or a key service."""

    @property
    def newest(self) -> str:
        """The name of the key that wraps now; the others only unwrap."""
        ...

    async def wrap(self, user_id: str, key: bytes) -> WrappedKey:
        """The data key of a user, wrapped. Raises: KeyUnavailable."""
        ...

    async def unwrap(self, user_id: str, wrapped: WrappedKey) -> bytes:
        """The data key again. Raises: KeyUnavailable, SealBroken for another user's."""
        ...


class HeldKeys:
    """Key-encryption keys of this process, by name; the last one wraps."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._newest = list(keys)[-1] if keys else ""

    @property
    def newest(self) -> str:
        """The name of the key that wraps now."""
        return self._newest

    async def wrap(self, user_id: str, key: bytes) -> WrappedKey:
        """The data key of a user, wrapped. Raises: KeyUnavailable when there is none to wrap it."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = self._cipher(self._newest)
        return WrappedKey(nonce + cipher.encrypt(nonce, key, user_id.encode()), self._newest)

    async def unwrap(self, user_id: str, wrapped: WrappedKey) -> bytes:
        """The data key again. Raises: KeyUnavailable, SealBroken."""
        cipher, text = self._cipher(wrapped.wrapped_by), wrapped.wrapped
        try:
            return cipher.decrypt(text[:NONCE_BYTES], text[NONCE_BYTES:], user_id.encode())
        except (InvalidTag, ValueError) as error:
            name = wrapped.wrapped_by
            raise SealBroken(f"{name!r} did not wrap this data key of {user_id}") from error

    def _cipher(self, name: str) -> AESGCM:
        if name not in self._ciphers:
            raise KeyUnavailable(f"there is no key-encryption key {name!r}")
        return self._ciphers[name]


def new_data_key() -> bytes:
    """A fresh data key."""
    return secrets.token_bytes(KEY_BYTES)


def new_key_text(name: str) -> str:
    """A fresh key-encryption key, as `parse_key_texts` reads it."""
    return f"{name}:{b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def parse_key_texts(texts: tuple[str, ...]) -> Mapping[str, bytes]:
    """Keys by name from texts like `2027:<32 bytes in base64>`, in that order. Raises: ValueError.

    The message repeats nothing of a key.
    """
    keys: dict[str, bytes] = {}
    for number, text in enumerate(texts, start=1):
        name, _, encoded = text.partition(":")
        try:
            key = b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not NAME.fullmatch(name):
            raise ValueError(f"key {number}: expected a name of letters and digits and a colon")
        if len(key) != KEY_BYTES:
            raise ValueError(f"key {number}: expected {KEY_BYTES} bytes in base64 behind the colon")
        if name in keys or key in keys.values():
            raise ValueError(f"key {number}: expected a name and a key of its own")
        keys[name] = key
    return keys
