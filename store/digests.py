"""Digests: keyed, so that what they are of cannot be found out by trying; keys may be changed.

Source: RFC 2104 (HMAC), with SHA-256.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping


class DigestKeys:
    """Keys by name; the last one is the newest, and digests of the others are still known.

    `purpose` keeps digests of one thing from being taken for those of another.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name: keys[name] for name in reversed(list(keys))}

    @property
    def newest(self) -> str:
        """The name of the key that digests now."""
        return next(iter(self._keys))

    def digest(self, purpose: str, *parts: str) -> str:
        """The digest of the parts with the newest key, and which key that was."""
        return self._digest(self.newest, purpose, parts)

    def digests(self, purpose: str, *parts: str) -> tuple[str, ...]:
        """The digests of the parts with every key, the newest first."""
        return tuple(self._digest(name, purpose, parts) for name in self._keys)

    def is_digest(self, digest: str, purpose: str, *parts: str) -> bool:
        """Whether it is of these parts, with whichever key; found out in constant time."""
        name = digest.partition(":")[0]
        return name in self._keys and hmac.compare_digest(
            self._digest(name, purpose, parts), digest
        )

    def _digest(self, name: str, purpose: str, parts: tuple[str, ...]) -> str:
        text = "\x00".join((purpose, *parts)).encode()
        digest = hmac.new(self._keys[name], text, hashlib.sha256).digest()
        return f"{name}:{urlsafe_b64encode(digest).decode().rstrip('=')}"
