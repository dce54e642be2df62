"""Values of records as clients see them in JSON, and where a record's field is found."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from strawberry.utils.str_converters import to_camel_case

from resolvers.fields import PRIVATE
from resolvers.mutations import FieldChange
from store.records import Age


def field_path(field: str) -> str:
    """Where a record's field is found on User."""
    return ("private." if field in PRIVATE else "") + to_camel_case(field)


def told(changes: Iterable[FieldChange]) -> Iterator[dict[str, Any]]:
    """Each change as a client is told it: its `field`, and the values `before` and `after`.

    What is kept with an age may change without its band, which is all that is told of it: such a
    change is left out.
    """
    for change in changes:
        before, after = json_of(change.before), json_of(change.after)
        if before != after:
            yield {"field": field_path(change.field), "before": before, "after": after}


def json_of(value: Any) -> Any:
    """A value of a record as JSON."""
    if isinstance(value, Age):
        return value.band
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {to_camel_case(name): json_of(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [json_of(part) for part in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: json_of(part) for name, part in value.items()}
    return value.value if isinstance(value, Enum) else value
