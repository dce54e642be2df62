"""Sealing: the values of a user's attributes that are stored as ciphertext."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from resolvers.fields import is_sealed
from store.records import User
from store.sealing import DataKey


def opened(user: User, names: Iterable[str], key: DataKey | None) -> dict[str, Any]:
    """The values of these attributes, None where there is none; as they are, where none is sealed.

    Without the user's key nothing is left of what it sealed. Raises: SealBroken.
    """
    return {name: opened_value(name, getattr(user, name), key) for name in names}


def opened_value(name: str, stored: Any, key: DataKey | None) -> Any:
    """The value of an attribute as it is stored. Raises: SealBroken."""
    if stored is None or not is_sealed(name):
        return stored
    return json.loads(key.open(name, stored)) if key else None


def sealed(values: Mapping[str, Any], key: DataKey) -> dict[str, Any]:
    """The values as they are stored; those of sealed attributes have to be JSON's."""
    return {
        name: key.seal(name, json.dumps(value).encode()) if value and is_sealed(name) else value
        for name, value in values.items()
    }
