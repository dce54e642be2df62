"""Purposes: what consent is asked for, under which versions of a policy; a registry in a file.

Consent is never given by default: who was not asked about a purpose did not agree to it.
"""

import calendar
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

NAME = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
SHIPPED = Path(__file__).parent / "shipped" / "purposes.json"


class UnusablePurposes(ValueError):
    """The file holds no registry of purposes; the message says where it is wrong."""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version of the text that people agree to, by the hash of that text.

    With `asks_again` those who agreed to an earlier one have to be asked about it.
    """

    version: str
    text_hash: str
    valid_from: datetime
    asks_again: bool


@dataclass(frozen=True, slots=True)
class Purpose:
    """What consent is asked for; `policies` are in the order in which they become valid."""

    name: str
    description: str
    policies: tuple[PolicyVersion, ...]
    lapses_after_months: int | None = None

    def current(self, now: datetime) -> PolicyVersion | None:
        """The policy that is valid now; nothing when none is yet."""
        valid = [policy for policy in self.policies if policy.valid_from <= now]
        return valid[-1] if valid else None

    def policy(self, version: str, now: datetime) -> PolicyVersion | None:
        """The policy of this version, if it is or was valid."""
        return next((one for one in self._valid(now) if one.version == version), None)

    def is_outdated(self, version: str, now: datetime) -> bool:
        """Whether those who agreed to this version have to be asked again."""
        later = [policy.version for policy in self._valid(now)]
        behind = later.index(version) + 1 if version in later else 0
        return any(policy.asks_again for policy in list(self._valid(now))[behind:])

    def lapses_at(self, at: datetime) -> datetime | None:
        """When an agreement of that time ends by itself."""
        return months_later(at, self.lapses_after_months) if self.lapses_after_months else None

    def _valid(self, now: datetime) -> Iterator[PolicyVersion]:
        return (policy for policy in self.policies if policy.valid_from <= now)


Purposes = Mapping[str, Purpose]
"""Purposes by name, in the order in which they are shown."""


@cache
def shipped_purposes() -> Purposes:
    """The samples that come with the code."""
    return read_purposes(SHIPPED)


def read_purposes(path: Path) -> Purposes:
    """The registry in a file. Raises: UnusablePurposes."""
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise UnusablePurposes(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UnusablePurposes(f"{path}: expected JSON: {error}") from error
    problem = best_match(Draft202012Validator(FORM).iter_errors(document))
    if problem is not None:
        raise UnusablePurposes(f"{path}: {problem.json_path}: {problem.message}")
    try:
        purposes = [_purpose(entry) for entry in document["purposes"]]
    except ValueError as error:
        raise UnusablePurposes(f"{path}: {error}") from error
    if len({purpose.name for purpose in purposes}) < len(purposes):
        raise UnusablePurposes(f"{path}: expected each name once")
    return MappingProxyType({purpose.name: purpose for purpose in purposes})


def months_later(at: datetime, months: int) -> datetime:
    """The same time of day so many months later; in a shorter month on its last day."""
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    return at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))


def _purpose(entry: Mapping[str, Any]) -> Purpose:
    policies = tuple(map(_policy, entry["policies"]))
    times = [policy.valid_from for policy in policies]
    if times != sorted(set(times)) or len({one.version for one in policies}) < len(policies):
        raise ValueError(f"{entry['name']}: expected each version once, the oldest first")
    return Purpose(entry["name"], entry["description"], policies, entry.get("lapsesAfterMonths"))


def _policy(entry: Mapping[str, Any]) -> PolicyVersion:
    valid_from = datetime.fromisoformat(entry["validFrom"])
    if valid_from.tzinfo is None:
        raise ValueError(f"{entry['validFrom']}: expected a time with its zone")
    asks_again = entry.get("asksAgain", True)
    return PolicyVersion(entry["version"], entry["textHash"], valid_from, asks_again)


def _object(required: Mapping[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


FORM = _object(
    {
        "purposes": {
            "type": "array",
            "maxItems": 50,
            "items": _object(
                {
                    "name": {"type": "string", "pattern": NAME, "maxLength": 50},
                    "description": {"type": "string", "minLength": 1, "maxLength": 300},
                    "policies": {
                        "type": "array",
                        "minItems": 1,
                        "items": _object(
                            {
                                "version": {"type": "string", "minLength": 1, "maxLength": 50},
                                "textHash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                                "validFrom": {"type": "string"},
                            },
                            asksAgain={"type": "boolean"},
                        ),
                    },
                },
                lapsesAfterMonths={"type": "integer", "minimum": 1, "maximum": 120},
            ),
        }
    }
)
"""What the file has to look like."""
