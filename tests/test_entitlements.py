"""Entitlements: from the catalogue by tier, state, household, promotion, region and time."""

import json
from dataclasses import astuple
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resolvers.catalogue import (
    DEFAULT_FILE,
    CatalogueError,
    Version,
    default_catalogue,
    read_catalogue,
    values_of,
)
from resolvers.entitlements import resolve
from resolvers.tiers import Standing, TierState
from server.settings import Settings
from store.store import Store
from store.tiers import Grant, Holding, Tier
from tests.conftest import Commands
from tests.running import environment, usergraph
from tests.subgraph import Clock, Subgraph
from tests.test_tiers import as_input, day, life, record

pytestmark = pytest.mark.one_driver

FIELDS = "key value source reason expiresAt catalogueVersion"
MINE = f"{{ viewer {{ entitlements {{ {FIELDS} }} }} }}"
OF_USER = f"query ($id: ID!) {{ user(by: {{id: $id}}) {{ entitlements {{ {FIELDS} }} }} }}"
GRANT = """mutation ($input: GrantPromotionInput!) {
  grantPromotion(input: $input) {
    user { id rev }
    errors { __typename code path ... on ValidationError { rule } }
    dryRun { changes { field before after } events }
  }
}"""

PAGE = (Path(__file__).parent.parent / "docs" / "tiers.md").read_text()
VERSION = default_catalogue().versions[0]
NOBODY = Holding((), None, (), None)
FREE = Standing()
FREE_VALUES = {
    "ads": (True, "TIER", None),
    "audioQuality": ("NORMAL", "TIER", None),
    "deviceLimit": (1, "TIER", None),
    "offline": (False, "TIER", None),
    "onDemand": (False, "TIER", None),
}


def premium(source: str, ends: float, quality: str = "LOSSLESS", devices: int = 5) -> Any:
    """What a premium tier gives until a day."""
    return {
        "ads": (False, source, ends),
        "audioQuality": (quality, source, ends),
        "deviceLimit": (devices, source, ends),
        "offline": (True, source, ends),
        "onDemand": (True, source, ends),
    }


def own(tier: str, state: str, ends: float) -> Standing:
    return Standing(Tier(tier), TierState(state), day(ends))


def granted(*grants: tuple[str, float]) -> Holding:
    return NOBODY._replace(grants=tuple(Grant(name, day(0), day(ends)) for name, ends in grants))


FAMILY = own("PREMIUM_FAMILY", "ACTIVE", 30)
STUDENT = own("PREMIUM_STUDENT", "ACTIVE", 20)


@pytest.mark.parametrize(
    ("holding", "own", "shared", "expected"),
    [
        (NOBODY, FREE, None, FREE_VALUES),
        (NOBODY, own("PREMIUM_INDIVIDUAL", "ACTIVE", 30), None, premium("TIER", 30)),
        (NOBODY, own("PREMIUM_INDIVIDUAL", "GRACE", 37), None, premium("TIER", 37)),
        (NOBODY, own("PREMIUM_INDIVIDUAL", "CANCELLED", 30), None, premium("TIER", 30)),
        (NOBODY, own("PREMIUM_INDIVIDUAL", "TRIAL", 14), None, premium("TRIAL", 14)),
        (NOBODY, Standing(state=TierState.EXPIRED), None, FREE_VALUES),
        (NOBODY, STUDENT, None, premium("TIER", 20, "HIGH", 3)),
        (NOBODY, FREE, FAMILY, premium("HOUSEHOLD", 30)),
        # The higher benefit wins; where they are the same, what lasts longer.
        (
            NOBODY,
            own("PREMIUM_STUDENT", "ACTIVE", 90),
            FAMILY,
            {
                **premium("TIER", 90),
                "audioQuality": ("LOSSLESS", "HOUSEHOLD", 30),
                "deviceLimit": (5, "HOUSEHOLD", 30),
            },
        ),
        (NOBODY, own("PREMIUM_INDIVIDUAL", "ACTIVE", 30), FAMILY, premium("TIER", 30)),
        (
            granted(("AD_FREE_WEEK", 7)),
            FREE,
            None,
            {**FREE_VALUES, "ads": (False, "PROMOTION", 7), "onDemand": (True, "PROMOTION", 7)},
        ),
        (granted(("AD_FREE_WEEK", 1)), FREE, None, FREE_VALUES),
        (granted(("NO_MORE_IN_IT", 7)), FREE, None, FREE_VALUES),
        (
            granted(("LOSSLESS_MONTH", 30)),
            STUDENT,
            None,
            {
                **premium("TIER", 20, devices=3),
                "audioQuality": ("LOSSLESS", "PROMOTION", 30),
            },
        ),
        # A region takes away, and never gives.
        (
            NOBODY._replace(country="IN"),
            own("PREMIUM_INDIVIDUAL", "ACTIVE", 30),
            None,
            {**premium("TIER", 30), "audioQuality": ("HIGH", "REGION", 30)},
        ),
        (
            NOBODY._replace(country="KR"),
            own("PREMIUM_INDIVIDUAL", "TRIAL", 14),
            None,
            {**premium("TRIAL", 14), "offline": (False, "REGION", None)},
        ),
        (NOBODY._replace(country="IN"), FREE, None, FREE_VALUES),
        (NOBODY._replace(country="SE"), FREE, None, FREE_VALUES),
    ],
)
def test_each_value_comes_with_its_source_and_its_end(
    holding: Holding, own: Standing, shared: Standing | None, expected: dict[str, Any]
) -> None:
    found = resolve(VERSION, holding, own, shared, day(1))
    assert {
        one.key: (one.value, one.source.value, one.expires_at)
        for one in found
    } == {
        key: (value, source, None if ends is None else day(ends))
        for key, (value, source, ends) in expected.items()
    }  # fmt: skip
    assert {one.catalogue_version for one in found} == {"2026-01"}


async def grant(
    subgraph: Subgraph, user_id: str, promotion: str = "AD_FREE_WEEK", **control: Any
) -> Any:
    input = {"userId": user_id, "promotion": promotion, "control": control}
    data = await subgraph.data(GRANT, token=subgraph.token(None), input=input)
    return data["grantPromotion"]


async def test_a_user_and_services_are_told_the_same(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg", country="IN")
    payload = await record(subgraph, as_input(subgraph, ada, life()[1]))
    ends = payload["subscription"]["endsAt"]
    commands.taken()
    mine = (await subgraph.data(MINE, ada))["viewer"]["entitlements"]
    assert commands.taken() == ["find"]
    assert mine[:2] == [
        {
            "key": "ads",
            "value": False,
            "source": "TIER",
            "reason": "It is part of PREMIUM_INDIVIDUAL.",
            "expiresAt": ends,
            "catalogueVersion": "2026-01",
        },
        {
            "key": "audioQuality",
            "value": "HIGH",
            "source": "REGION",
            "reason": "No more is available in IN.",
            "expiresAt": ends,
            "catalogueVersion": "2026-01",
        },
    ]
    token = subgraph.token(None, ["users:entitlements:read"])
    data = await subgraph.data(OF_USER, token=token, id=ada)
    assert data == {"user": {"entitlements": mine}}
    assert commands.taken() == ["find"]
    data = await subgraph.data(OF_USER, token=subgraph.token(None, ["users:tier:read"]), id=ada)
    assert data == {"user": {"entitlements": None}}


async def test_a_promotion_is_granted_once_and_ends(subgraph: Subgraph, commands: Commands) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "so that there is a key of hers")
    commands.taken()
    done: Any = {"user": {"id": ada, "rev": 3}, "errors": [], "dryRun": None}
    assert await grant(subgraph, ada) == done
    assert commands.taken() == ["find", "find", "update"]
    subgraph.clock.advance(days=3)
    assert await grant(subgraph, ada) == done
    assert commands.taken() == ["find", "find"]
    [ads, *_] = (await subgraph.data(MINE, ada))["viewer"]["entitlements"]
    assert (ads["value"], ads["source"]) == (False, "PROMOTION")
    subgraph.clock.advance(days=4)
    [ads, *_] = (await subgraph.data(MINE, ada))["viewer"]["entitlements"]
    assert (ads["value"], ads["source"]) == (True, "TIER")
    assert await grant(subgraph, ada) == done  # once is once


async def test_a_dry_run_of_a_grant_tells_it_and_writes_nothing(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await grant(subgraph, ada, dryRun=True)
    assert [change["field"] for change in payload["dryRun"]["changes"]] == ["grants", "rev"]
    assert payload["dryRun"]["events"] == ["PROMOTION_GRANTED"]
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert (user.rev, user.grants) == (1, ())


@pytest.mark.parametrize("promotion", ["NOT_IN_IT", "", "x" * 10_000, "ENDED_LONG_AGO"])
async def test_what_the_catalogue_does_not_promise_is_not_granted(
    subgraph: Subgraph, promotion: str
) -> None:
    ada = await subgraph.register("ada.berg")
    error = {
        "__typename": "ValidationError",
        "code": "BAD_USER_INPUT",
        "path": ["promotion"],
        "rule": "PROMOTION",
    }
    payload = await grant(subgraph, ada, promotion)
    assert payload == {"user": None, "errors": [error], "dryRun": None}
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.grants == ()


def changed(file: Path, change: Any) -> Path:
    """A catalogue like the one that comes with the service, after a change."""
    content = json.loads(DEFAULT_FILE.read_text())
    change(content["versions"])
    file.write_text(json.dumps(content))
    return file


def add_version(versions: list[Any], begins: str, **tier: Any) -> None:
    other = json.loads(json.dumps(versions[0]))
    other.update(version="next", validFrom=begins)
    other["tiers"]["FREE"].update(tier)
    versions.append(other)


async def test_another_file_is_used_and_its_versions_follow_each_other(
    data_dir: Path, tmp_path: Path, store: Store, clock: Clock
) -> None:
    begins = clock.moment + timedelta(days=1)
    file = changed(
        tmp_path / "c.json",
        lambda versions: add_version(versions, begins.isoformat(), deviceLimit=2),
    )
    subgraph = Subgraph(Settings(data_dir=data_dir, catalogue_file=file), store, clock)
    ada = await subgraph.register("ada.berg")
    seen = []
    for _ in range(2):
        [_, _, devices, *_] = (await subgraph.data(MINE, ada))["viewer"]["entitlements"]
        seen.append((devices["value"], devices["catalogueVersion"]))
        clock.advance(days=1)
    assert seen == [(1, "2026-01"), (2, "next")]


def forget_student(versions: list[Any]) -> None:
    del versions[0]["tiers"]["PREMIUM_STUDENT"]


def end_before_it_begins(versions: list[Any]) -> None:
    versions[0]["promotions"]["AD_FREE_WEEK"]["until"] = "2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda versions: versions[0].update(color="green"),
            "versions.0.color: Extra inputs are not permitted",
        ),
        (
            lambda versions: versions[0]["tiers"]["FREE"].update(adds=True),
            "versions.0.tiers.FREE.adds: Extra inputs are not permitted",
        ),
        (
            lambda versions: versions[0]["tiers"]["FREE"].update(deviceLimit="1"),
            "versions.0.tiers.FREE.deviceLimit: Input should be a valid integer",
        ),
        (
            lambda versions: versions[0]["tiers"]["FREE"].update(audioQuality="BEST"),
            "versions.0.tiers.FREE.audioQuality: Input should be 'LOW', 'NORMAL', 'HIGH' or "
            "'LOSSLESS'",
        ),
        (
            lambda versions: versions[0]["regions"].update(sweden={}),
            "versions.0.regions.sweden.[key]: String should match pattern '^[A-Z]{2}$'",
        ),
        (
            forget_student,
            "versions.0: Expected every tier, but PREMIUM_STUDENT are missing",
        ),
        (
            end_before_it_begins,
            "versions.0.promotions.AD_FREE_WEEK: Expected an `until` that is later than `from`",
        ),
        (lambda versions: versions.clear(), "Expected a version"),
        (
            lambda versions: add_version(versions, "2025-01-01T00:00:00Z"),
            "Expected versions of different names, each valid from a later moment",
        ),
        (
            lambda versions: add_version(versions, "2027-01-01T00:00:00"),
            "versions.1.validFrom: Input should have timezone info",
        ),
    ],
)
def test_a_catalogue_that_cannot_be_used_says_where(tmp_path: Path, change: Any, says: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        read_catalogue(changed(tmp_path / "c.json", change))
    assert str(refused.value) == f"c.json: {says}"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file or directory"), ("{", "it is not JSON"), ("\ud800", "it is not JSON")],
)
def test_no_command_starts_without_a_usable_catalogue(
    tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "c.json"
    if content is not None:
        file.write_bytes(content.encode("utf-8", "surrogatepass"))
    run = usergraph("doctor", env=environment(tmp_path, catalogue_file=str(file)))
    assert run.returncode != 0
    assert f"USERGRAPH_CATALOGUE_FILE: Value error, c.json cannot be read: {says}" in run.stderr


def table(version: Version) -> str:
    """What each tier gives, as the page shows it."""
    names = list(values_of(version.tiers[Tier.FREE]))
    lines = [f"| tier | {' | '.join(f'`{name}`' for name in names)} |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for tier in Tier:
        cells = (json.dumps(value).strip('"') for value in values_of(version.tiers[tier]).values())
        lines.append(f"| `{tier}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_page_shows_the_catalogue_that_comes_with_the_service() -> None:
    assert len(default_catalogue().versions) == 1
    assert table(VERSION) in PAGE
    assert f"version `{VERSION.version}`" in PAGE


def test_nothing_about_an_entitlement_is_missing() -> None:
    for one in resolve(VERSION, NOBODY, FREE, None, day(1)):
        assert one.reason.endswith(".")
        assert len(astuple(one)) == 6
