"""Identifiers: 128 random bits in base62, 22 characters, no personal data and no sign-up time."""

import re
import secrets

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 22
PATTERN = re.compile(rf"[0-9A-Za-z]{{{LENGTH}}}")


def new_id() -> str:
    """A fresh identifier."""
    return encode(secrets.randbits(128))


def encode(number: int) -> str:
    """The identifier of a 128-bit number, always 22 characters long."""
    digits = []
    for _ in range(LENGTH):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
