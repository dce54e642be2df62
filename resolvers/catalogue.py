"""The catalogue: what each tier entitles to, by version, region and promotion, from a file."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from store.records import to_stored_precision
from store.tiers import Tier

DEFAULT_FILE = Path(__file__).with_name("catalogue.json")
QUALITIES = ("LOW", "NORMAL", "HIGH", "LOSSLESS")
PROMOTIONS = 50
"""The most promotions in a version: as many as a user may have been given."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]{1,40}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Quality = Literal["LOW", "NORMAL", "HIGH", "LOSSLESS"]
Devices = Annotated[int, Field(ge=1, le=100)]

BENEFITS: Mapping[str, Callable[[Any], int]] = {
    "ads": lambda shown: 0 if shown else 1,
    "offline": int,
    "onDemand": int,
    "audioQuality": QUALITIES.index,
    "deviceLimit": int,
}
"""Every entitlement, and what orders its values, the least first."""


class CatalogueError(ValueError):
    """A catalogue that cannot be used; one line for each reason, with the place."""


class Part(BaseModel):
    """A part of the file, in which every key is known."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_alias=True
    )


class Entitlements(Part):
    """A value for each entitlement."""

    ads: Annotated[bool, Field(strict=True)]
    offline: Annotated[bool, Field(strict=True)]
    on_demand: Annotated[bool, Field(strict=True)]
    audio_quality: Quality
    device_limit: Annotated[Devices, Field(strict=True)]


class SomeEntitlements(Part):
    """Values for some entitlements."""

    ads: Annotated[bool | None, Field(strict=True)] = None
    offline: Annotated[bool | None, Field(strict=True)] = None
    on_demand: Annotated[bool | None, Field(strict=True)] = None
    audio_quality: Quality | None = None
    device_limit: Annotated[Devices | None, Field(strict=True)] = None


class Promotion(Part):
    """What may be granted to users between two moments, and for how many days at most."""

    entitlements: SomeEntitlements
    from_: Annotated[AwareDatetime, Field(alias="from")]
    until: AwareDatetime
    days: Annotated[int, Field(ge=1, le=3660, strict=True)]

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "Promotion":
        if self.until <= self.from_:
            raise ValueError("Expected an `until` that is later than `from`")
        return self

    def expires_at(self, granted_at: datetime) -> datetime:
        """When it ends for somebody to whom it is granted then."""
        return to_stored_precision(min(self.until, granted_at + timedelta(days=self.days)))


class Version(Part):
    """What holds from a moment on, until the next version does."""

    version: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,40}$")]
    valid_from: AwareDatetime
    tiers: dict[Tier, Entitlements]
    regions: dict[Country, SomeEntitlements] = {}
    promotions: Annotated[dict[Name, Promotion], Field(max_length=PROMOTIONS)] = {}

    @model_validator(mode="after")
    def _knows_every_tier(self) -> "Version":
        missing = [tier.value for tier in Tier if tier not in self.tiers]
        if missing:
            raise ValueError(f"Expected every tier, but {', '.join(missing)} are missing")
        return self


class Catalogue(Part):
    """All versions, oldest first."""

    versions: tuple[Version, ...]

    @model_validator(mode="after")
    def _is_in_order(self) -> "Catalogue":
        if not self.versions:
            raise ValueError("Expected a version")
        begins = [version.valid_from for version in self.versions]
        names = {version.version for version in self.versions}
        if len(names) < len(begins) or any(a >= b for a, b in pairwise(begins)):
            raise ValueError("Expected versions of different names, each valid from a later moment")
        return self

    def at(self, now: datetime) -> Version:
        """The version that holds at that moment; before the first one, the first."""
        held = [version for version in self.versions if version.valid_from <= now]
        return held[-1] if held else self.versions[0]


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in the file. Raises: CatalogueError."""
    try:
        content = json.loads(path.read_bytes())
        return Catalogue.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        lines = (
            ": ".join((path.name, *_place_of(one), one["msg"].removeprefix("Value error, ")))
            for one in problems
        )
        raise CatalogueError("\n".join(lines)) from error
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "it is not JSON"
        raise CatalogueError(f"{path.name} cannot be read: {why}") from error


@cache
def default_catalogue() -> Catalogue:
    """The catalogue that comes with the service."""
    return read_catalogue(DEFAULT_FILE)


def values_of(part: Entitlements | SomeEntitlements) -> dict[str, Any]:
    """The values by the names that clients see."""
    return part.model_dump(by_alias=True, exclude_none=True)


def _place_of(problem: ErrorDetails) -> list[str]:
    """Where in the file it is; nothing when it is about the whole."""
    return [".".join(map(str, problem["loc"]))] if problem["loc"] else []
