"""Preferences: merged, validated, defaulted, and never in the way of another team."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from resolvers.namespaces import (
    SHIPPED,
    UnusableNamespaces,
    read_namespaces,
    shipped_namespaces,
)
from server.settings import Settings
from store.errors import StoreUnavailable
from tests.conftest import Commands
from tests.subgraph import Clock, Subgraph

pytestmark = pytest.mark.one_driver

SET = """mutation ($input: SetPreferencesInput!) {
  setPreferences(input: $input) {
    user { rev }
    preferences { namespace schemaVersion values rev }
    errors {
      __typename code path
      ... on ValidationError { rule }
      ... on ConflictError { currentRev }
      ... on NotAllowedError { reason }
    }
    dryRun { changes { field before after } events }
  }
}"""
GET = """query ($namespaces: [String!]) {
  viewer { preferences(namespaces: $namespaces) { namespace schemaVersion values rev } }
}"""
NOTIFICATIONS = {"newReleases": True, "playlistUpdates": True, "mutedArtists": []}
PLAYER = {
    "quality": "NORMAL",
    "crossfadeSeconds": 0,
    "normalizeVolume": True,
    "equalizer": {"enabled": False, "gains": []},
}


async def change(
    subgraph: Subgraph,
    viewer: str,
    patch: Any,
    *,
    namespace: str = "player",
    control: Mapping[str, Any] | None = None,
    **more: Any,
) -> Any:
    input = {"namespace": namespace, "patch": patch, "control": control, **more}
    return (await subgraph.data(SET, viewer, input=input))["setPreferences"]


async def found(subgraph: Subgraph, viewer: str, *namespaces: str) -> Any:
    data = await subgraph.data(GET, viewer, namespaces=list(namespaces) or None)
    return data["viewer"]["preferences"]


async def documents(subgraph: Subgraph) -> list[Any]:
    return await subgraph.store.preferences.collection.find({}, sort="_id")


async def test_what_was_not_set_has_its_default(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    notifications = {"schemaVersion": 1, "values": NOTIFICATIONS, "rev": 0}
    player = {"schemaVersion": 2, "values": PLAYER, "rev": 0}
    assert await found(subgraph, ada) == [
        {"namespace": "notifications", **notifications},
        {"namespace": "player", **player},
    ]
    assert await found(subgraph, ada, "player") == [{"namespace": "player", **player}]


async def test_a_patch_is_merged_at_every_depth(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await change(subgraph, ada, {"quality": "HIGH", "equalizer": {"gains": [1, -2.5]}})
    after = {**PLAYER, "quality": "HIGH", "equalizer": {"enabled": False, "gains": [1, -2.5]}}
    assert payload == {
        "user": {"rev": 1},
        "preferences": {"namespace": "player", "schemaVersion": 2, "values": after, "rev": 1},
        "errors": [],
        "dryRun": None,
    }
    payload = await change(subgraph, ada, {"quality": None, "equalizer": {"enabled": True}})
    after = {**PLAYER, "equalizer": {"enabled": True, "gains": [1, -2.5]}}
    assert payload["preferences"]["values"] == after
    [stored] = await documents(subgraph)
    assert (stored["_id"], stored["owner"]) == (f"{ada}:player", ada)
    assert stored["values"] == {"equalizer": {"enabled": True, "gains": [1, -2.5]}}
    payload = await change(subgraph, ada, {"equalizer": None})
    assert (payload["preferences"]["values"], payload["preferences"]["rev"]) == (PLAYER, 3)


async def test_a_patch_may_stand_in_the_document(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    query = """mutation { setPreferences(input: {namespace: "player",
      patch: {crossfadeSeconds: 3, equalizer: {gains: [1.5]}, quality: null}})
      { preferences { values } errors { code } } }"""
    data = await subgraph.data(query, ada)
    values = {**PLAYER, "crossfadeSeconds": 3, "equalizer": {"enabled": False, "gains": [1.5]}}
    assert data == {"setPreferences": {"preferences": {"values": values}, "errors": []}}


async def test_what_changes_nothing_is_no_revision(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    assert (await change(subgraph, ada, {}))["preferences"]["rev"] == 0
    assert await documents(subgraph) == []
    await change(subgraph, ada, {"quality": "LOW"})
    assert (await change(subgraph, ada, {"quality": "LOW"}))["preferences"]["rev"] == 1


WRONG: list[tuple[Any, list[str], str]] = [
    ({"quality": "BEST"}, ["quality"], "ENUM"),
    ({"crossfadeSeconds": 13}, ["crossfadeSeconds"], "MAXIMUM"),
    ({"crossfadeSeconds": -1}, ["crossfadeSeconds"], "MINIMUM"),
    ({"crossfadeSeconds": 1.5}, ["crossfadeSeconds"], "TYPE"),
    ({"crossfadeSeconds": True}, ["crossfadeSeconds"], "TYPE"),
    ({"normalizeVolume": 1}, ["normalizeVolume"], "TYPE"),
    ({"equalizer": {"gains": [0, 99]}}, ["equalizer", "gains", "1"], "MAXIMUM"),
    ({"equalizer": {"gains": [0] * 11}}, ["equalizer", "gains"], "MAX_ITEMS"),
    ({"equalizer": {"gains": [None]}}, ["equalizer", "gains", "0"], "TYPE"),
    ({"equalizer": []}, ["equalizer"], "TYPE"),
    ({"volume": 1}, ["volume"], "UNKNOWN"),
    ({"equalizer": {"$where": "1"}}, ["equalizer", "$where"], "UNKNOWN"),
    ({"a.b": 1}, ["a.b"], "UNKNOWN"),
    ({"": {}}, [""], "UNKNOWN"),
]


@pytest.mark.parametrize(("patch", "path", "rule"), WRONG)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_value_that_breaks_the_schema_is_named_and_nothing_is_written(
    subgraph: Subgraph, patch: Any, path: list[str], rule: str, dry_run: bool
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await change(subgraph, ada, patch, control={"dryRun": dry_run})
    error = {"__typename": "ValidationError", "code": "BAD_USER_INPUT"}
    assert payload == {
        "user": None,
        "preferences": None,
        "errors": [{**error, "path": ["patch", *path], "rule": rule}],
        "dryRun": None,
    }
    assert await documents(subgraph) == []


async def test_every_value_that_fails_is_told_and_what_is_fine_is_not_kept(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    patch = {"quality": "LOW", "crossfadeSeconds": "x", "b": 1, "a": 1}
    errors = (await change(subgraph, ada, patch))["errors"]
    assert [(error["path"], error["rule"]) for error in errors] == [
        (["patch", "a"], "UNKNOWN"),
        (["patch", "b"], "UNKNOWN"),
        (["patch", "crossfadeSeconds"], "TYPE"),
    ]
    assert await documents(subgraph) == []


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"equalizer": value}
    return value


HOSTILE: list[tuple[Any, str]] = [
    (1, "OBJECT"),
    ("{}", "OBJECT"),
    ([], "OBJECT"),
    (nested(8), "MAX_DEPTH"),
    (nested(200), "MAX_DEPTH"),
    ({"x": [[[[[[[[[]]]]]]]]]}, "MAX_DEPTH"),
    ({"x": list(range(1001))}, "MAX_ITEMS"),
    ({f"k{number}": 1 for number in range(1001)}, "MAX_ITEMS"),
    ({"quality": "x" * 5000}, "MAX_SIZE"),
    ({"crossfadeSeconds": 2**53}, "NUMBER_RANGE"),
    ({"crossfadeSeconds": -(2**63) - 1}, "NUMBER_RANGE"),
    ({"crossfadeSeconds": 1e308}, "NUMBER_RANGE"),
]


@pytest.mark.parametrize(("patch", "rule"), HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("key", [None, "k1"])
async def test_a_hostile_patch_is_refused_before_anything_looks_into_it(
    subgraph: Subgraph, patch: Any, rule: str, key: str | None
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await change(subgraph, ada, patch, control={"idempotencyKey": key})
    error = {"__typename": "ValidationError", "code": "BAD_USER_INPUT", "path": ["patch"]}
    assert payload["errors"] == [{**error, "rule": rule}]
    assert await documents(subgraph) == []


@pytest.mark.parametrize(
    ("literal", "rule"),
    [
        ("1e999", "NUMBER_RANGE"),
        ("9" * 400, "NUMBER_RANGE"),
        ("9" * 5000, "NUMBER_RANGE"),
        ("[" * 20 + "]" * 20, "MAX_DEPTH"),
    ],
)
async def test_a_hostile_literal_is_refused(subgraph: Subgraph, literal: str, rule: str) -> None:
    ada = await subgraph.register("ada.berg")
    query = f"""mutation {{ setPreferences(input: {{namespace: "player", patch: {{x: {literal}}},
      control: {{idempotencyKey: "k"}}}}) {{ errors {{ ... on ValidationError {{ rule }} }} }} }}"""
    data = await subgraph.data(query, ada)
    assert data == {"setPreferences": {"errors": [{"rule": rule}]}}
    assert await documents(subgraph) == []


async def test_a_namespace_holds_4096_bytes(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    artists = [f"{number:040d}" for number in range(50)]
    payload = await change(subgraph, ada, {"mutedArtists": artists}, namespace="notifications")
    assert payload["errors"] == []
    wide = ["\U0001f3b5" * 39 + chr(65 + number) for number in range(50)]
    [error] = (await change(subgraph, ada, {"mutedArtists": wide}, namespace="notifications"))[
        "errors"
    ]
    assert (error["path"], error["rule"]) == (["patch"], "MAX_SIZE")
    again = await change(subgraph, ada, {"mutedArtists": ["a", "a"]}, namespace="notifications")
    assert [(error["path"], error["rule"]) for error in again["errors"]] == [
        (["patch", "mutedArtists"], "UNIQUE_ITEMS")
    ]
    assert (await found(subgraph, ada, "notifications"))[0]["values"]["mutedArtists"] == artists


@pytest.mark.parametrize(
    ("time", "is_good"), [("22:30", True), ("24:00", False), ("7:00", False), ("22:30\n", False)]
)
async def test_a_format_is_checked(subgraph: Subgraph, time: str, is_good: bool) -> None:
    ada = await subgraph.register("ada.berg")
    patch = {"quietHours": {"from": time}}
    errors = (await change(subgraph, ada, patch, namespace="notifications"))["errors"]
    wrong = [(["patch", "quietHours", "from"], "FORMAT")]
    assert [(error["path"], error["rule"]) for error in errors] == ([] if is_good else wrong)


async def test_an_unknown_namespace_is_refused(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    [error] = (await change(subgraph, ada, {}, namespace="billing"))["errors"]
    assert (error["path"], error["rule"]) == (["namespace"], "NAMESPACE")
    answer = await subgraph.ask(GET, ada, namespaces=["player", "billing"])
    assert [error["extensions"] for error in answer["errors"]] == [
        {"code": "BAD_USER_INPUT", "argument": ["namespaces", "1"], "rule": "NAMESPACE"}
    ]


async def test_a_stale_revision_is_a_conflict_that_tells_the_current_one(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    assert (await change(subgraph, ada, {"quality": "LOW"}, ifRev=0))["errors"] == []
    payload = await change(subgraph, ada, {"quality": "HIGH"}, ifRev=0)
    error = {"__typename": "ConflictError", "code": "CONFLICT", "path": ["ifRev"], "currentRev": 1}
    assert payload["errors"] == [error]
    assert (await found(subgraph, ada, "player"))[0]["values"]["quality"] == "LOW"
    [error] = (await change(subgraph, ada, {}, control={"ifRev": 1}))["errors"]
    assert (error["path"], error["rule"]) == (["control", "ifRev"], "ABSENT")


async def test_a_dry_run_tells_the_difference_and_writes_nothing(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    await change(subgraph, ada, {"quality": "HIGH"})
    commands.taken()
    patch = {"quality": None, "normalizeVolume": True, "equalizer": {"gains": [1]}}
    payload = await change(subgraph, ada, patch, control={"dryRun": True})
    assert set(commands.taken()) == {"find"}
    after = {"enabled": False, "gains": [1]}
    assert payload["dryRun"] == {
        "changes": [
            {
                "field": "preferences.player.equalizer",
                "before": PLAYER["equalizer"],
                "after": after,
            },
            {"field": "preferences.player.quality", "before": "HIGH", "after": "NORMAL"},
            {"field": "preferences.player.rev", "before": 1, "after": 2},
        ],
        "events": [],
    }
    assert payload["preferences"]["rev"] == 1
    payload = await change(subgraph, ada, {}, control={"dryRun": True})
    assert payload["dryRun"] == {"changes": [], "events": []}


async def test_a_key_makes_a_change_happen_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    control = {"idempotencyKey": "k1"}
    first = await change(subgraph, ada, {"quality": "LOW"}, control=control)
    assert await change(subgraph, ada, {"quality": "LOW"}, control=control) == first
    await change(subgraph, ada, {"quality": "HIGH"})
    replayed = await change(subgraph, ada, {"quality": "LOW"}, control=control)
    assert (replayed["errors"], replayed["preferences"]["rev"]) == ([], 2)
    [error] = (await change(subgraph, ada, {"quality": "HIGH"}, control=control))["errors"]
    assert error["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_retry_after_a_crash_changes_nothing_more(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    ada = await subgraph.register("ada.berg")
    if not is_first:
        await change(subgraph, ada, {"crossfadeSeconds": 1})

    async def die(*_: Any) -> None:
        raise StoreUnavailable("died")

    input = {"namespace": "player", "patch": {"quality": "LOW"}, "control": {"idempotencyKey": "k"}}
    with monkeypatch.context() as patched:
        patched.setattr(subgraph.store.idempotency, "finish", die)
        answer = await subgraph.ask(SET, ada, input=input)
        assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    await change(subgraph, ada, {"quality": "HIGH"})
    payload = (await subgraph.data(SET, ada, input=input))["setPreferences"]
    assert payload["errors"] == []
    rev = 2 if is_first else 3
    assert (payload["preferences"]["values"]["quality"], payload["preferences"]["rev"]) == (
        *("HIGH", rev),
    )


async def test_how_many_commands_it_takes(subgraph: Subgraph, commands: Commands) -> None:
    ada = await subgraph.register("ada.berg")
    commands.taken()
    await change(subgraph, ada, {"quality": "LOW"})
    assert commands.taken() == ["find", "find", "find", "insert"]
    await change(subgraph, ada, {"quality": "HIGH"})
    assert commands.taken() == ["find", "find", "find", "update"]
    await found(subgraph, ada)
    assert commands.taken() == ["find", "find"]
    query = """{ viewer {
      a: preferences(namespaces: ["player"]) { rev } b: preferences { values }
      c: preferences(namespaces: ["notifications", "player"]) { rev } } }"""
    await subgraph.data(query, ada)
    assert commands.taken() == ["find", "find"]


async def test_an_account_that_is_not_active_is_not_changed(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.set_status(ada, "SUSPENDED")
    [error] = (await change(subgraph, ada, {"quality": "LOW"}))["errors"]
    assert (error["code"], error["reason"]) == ("NOT_ALLOWED", "ACCOUNT_STATUS")
    assert await documents(subgraph) == []


# Teams


async def test_two_teams_at_the_same_time_never_meet(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await subgraph.register("ada.berg")
    writes: list[bool] = []
    update = subgraph.store.preferences.collection.update

    async def noted(*args: Any, **kwargs: Any) -> bool:
        writes.append(await update(*args, **kwargs))
        return writes[-1]

    async def team(namespace: str, patches: list[Any]) -> None:
        for rev, patch in enumerate(patches):
            payload = await change(subgraph, ada, patch, namespace=namespace, ifRev=rev)
            assert payload["errors"] == []

    monkeypatch.setattr(subgraph.store.preferences.collection, "update", noted)
    await asyncio.gather(
        team("player", [{"crossfadeSeconds": number} for number in range(1, 11)]),
        team("notifications", [{"mutedArtists": [f"{number}"]} for number in range(1, 11)]),
        *(subgraph.update(ada, f"bio {number}") for number in range(10)),
    )
    assert writes == [True] * 18  # nobody had to try again
    notifications, player = await found(subgraph, ada)
    assert (notifications["rev"], notifications["values"]["mutedArtists"]) == (10, ["10"])
    assert (player["rev"], player["values"]["crossfadeSeconds"]) == (10, 10)


async def test_no_change_of_one_team_is_lost_among_concurrent_ones(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    patches: list[Any] = [
        {"quality": "LOW"},
        {"crossfadeSeconds": 5},
        {"normalizeVolume": False},
        {"equalizer": {"enabled": True}},
        {"equalizer": {"gains": [3]}},
    ]
    payloads = await asyncio.gather(*(change(subgraph, ada, patch) for patch in patches))
    assert [payload["errors"] for payload in payloads] == [[]] * 5
    [player] = await found(subgraph, ada, "player")
    assert player["rev"] == 5
    assert player["values"] == {
        "quality": "LOW",
        "crossfadeSeconds": 5,
        "normalizeVolume": False,
        "equalizer": {"enabled": True, "gains": [3]},
    }


async def test_of_20_changes_of_one_revision_one_wins(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payloads = await asyncio.gather(
        *(change(subgraph, ada, {"crossfadeSeconds": n % 12 + 1}, ifRev=0) for n in range(20))
    )
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert codes == ["CONFLICT"] * 19
    assert (await found(subgraph, ada, "player"))[0]["rev"] == 1


# Files of namespaces


def namespace(**more: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"size": {"type": "integer", "default": 1}},
    }
    default = {"namespace": "home", "owner": "Home", "clients": ["tv"], "schemaVersion": 1}
    return {**default, "schema": schema, **more}


def of(**properties: Any) -> dict[str, Any]:
    """A namespace whose schema has these properties."""
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return namespace(schema=schema)


def with_namespaces(
    subgraph: Subgraph, clock: Clock, folder: Path, *files: dict[str, Any]
) -> Subgraph:
    """The subgraph with these files instead of the samples."""
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(files):
        (folder / f"{number}.json").write_text(json.dumps(content))
    settings = subgraph.settings.model_copy(update={"preferences": folder})
    return Subgraph(settings, subgraph.store, clock)


async def test_a_namespace_belongs_to_its_clients(
    subgraph: Subgraph, clock: Clock, tmp_path: Path
) -> None:
    ada = await subgraph.register("ada.berg")
    other = with_namespaces(subgraph, clock, tmp_path / "files", namespace())
    payload = await change(other, ada, {"size": 2}, namespace="home")
    assert [(error["code"], error["reason"]) for error in payload["errors"]] == [
        ("NOT_ALLOWED", "CLIENT")
    ]
    assert await documents(subgraph) == []
    assert (await found(other, ada))[0]["values"] == {"size": 1}


UPCASTS = [
    {"from": 1, "steps": [{"rename": "big", "to": "size"}, {"remove": "colour"}]},
    {"from": 2, "steps": [{"map": "size", "values": [[True, 9], [1, 3]]}, {"remove": "none"}]},
]


@pytest.mark.parametrize(
    ("version", "stored", "values"),
    [
        (1, {"big": True, "colour": "red"}, {"size": 9}),
        (1, {"big": 1}, {"size": 3}),
        (1, {}, {"size": 1}),
        (2, {"size": 1, "big": 4}, {"size": 3, "big": 4}),
        (2, {"size": 7}, {"size": 7}),
        (3, {"size": 1}, {"size": 1}),
    ],
)
async def test_older_values_are_read_as_the_schema_has_them_now(
    subgraph: Subgraph, clock: Clock, tmp_path: Path, version: int, stored: Any, values: Any
) -> None:
    ada = await subgraph.register("ada.berg")
    newer = namespace(schemaVersion=3, upcasts=UPCASTS, clients=["development"])
    other = with_namespaces(subgraph, clock, tmp_path / "files", newer)
    assert await subgraph.store.preferences.write(
        (ada, "home"), stored, schema_version=version, rev=0, operation="x", at=clock()
    )
    before = await documents(subgraph)
    [seen] = await found(other, ada)
    assert seen == {"namespace": "home", "schemaVersion": 3, "values": values, "rev": 1}
    assert await documents(subgraph) == before
    if "big" not in values:
        payload = await change(other, ada, {"size": 5}, namespace="home")
        assert payload["preferences"]["values"] == {"size": 5}
        [document] = await documents(subgraph)
        assert (document["schemaVersion"], document["values"]) == (3, {"size": 5})


async def test_values_of_a_newer_schema_are_read_and_not_written(
    subgraph: Subgraph, clock: Clock, tmp_path: Path
) -> None:
    ada = await subgraph.register("ada.berg")
    other = with_namespaces(subgraph, clock, tmp_path / "files", namespace(clients=["development"]))
    await subgraph.store.preferences.write(
        (ada, "home"), {"shape": "round"}, schema_version=2, rev=0, operation="x", at=clock()
    )
    values = {"size": 1, "shape": "round"}
    assert await found(other, ada) == [
        {"namespace": "home", "schemaVersion": 2, "values": values, "rev": 1}
    ]
    before = await documents(subgraph)
    [error] = (await change(other, ada, {"size": 5}, namespace="home"))["errors"]
    assert error["code"] == "TOO_SOON"
    assert await documents(subgraph) == before


def test_the_samples_can_be_used() -> None:
    assert list(shipped_namespaces()) == ["notifications", "player"]
    player = shipped_namespaces()["player"]
    assert player.upcast({"highQuality": True, "gapless": True}, 1) == {"quality": "HIGH"}


UNUSABLE: list[tuple[Any, str]] = [
    ([], "$: [] is not of type 'object'"),
    (namespace(namespace="Home"), "$.namespace: 'Home' does not match"),
    (namespace(clients=[]), "$.clients: [] should be non-empty"),
    (namespace(mood="good"), "$: Additional properties are not allowed ('mood'"),
    (namespace(schema=True), "$.schema: True is not of type 'object'"),
    (namespace(schemaVersion=2), "expected upcasts from each of the versions [1]"),
    (namespace(upcasts=UPCASTS[:1]), "expected upcasts from each of the versions []"),
    (of(x={"$ref": "https://example.com/schema"}), "$.schema.properties.x"),
    (of(x={"type": "string", "maxLength": 9, "pattern": "(a+)+$"}), "'pattern' was unexpected"),
    (of(x={"type": "string"}), "$.schema.properties.x"),
    (of(x={"type": "string", "maxLength": 10**6}), "$.schema.properties.x.maxLength"),
    (of(x={"type": "string", "format": "email"}), "$.schema.properties.x.format"),
    (of(x={"type": "array", "maxItems": 3}), "'items' is a required property"),
    (of(x={"type": "object", "properties": {}}), "'additionalProperties' is a required"),
    (of(x={"type": ["string", "null"]}), "$.schema.properties.x.type"),
    (of(x={"enum": [1, 2]}), "'type' is a required property"),
    (of(**{"a.b": {"type": "boolean"}}), "'a.b' does not match"),
    (of(**{"$x": {"type": "boolean"}}), "'$x' does not match"),
    (
        of(x={"type": "integer", "minimum": 3, "default": 1}),
        "the default of x breaks MINIMUM: expected at least 3",
    ),
]


@pytest.mark.parametrize(("content", "says"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    path = tmp_path / "home.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UnusableNamespaces) as refused:
        read_namespaces(tmp_path)
    assert str(refused.value).startswith(f"{path}: ")
    assert says in str(refused.value)


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableNamespaces, match="expected a folder"):
        read_namespaces(tmp_path / "nowhere")
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(namespace()))
    with pytest.raises(UnusableNamespaces, match=r"b\.json: there is a namespace 'home' already"):
        read_namespaces(tmp_path)
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(UnusableNamespaces, match=r"a\.json: expected JSON"):
        read_namespaces(tmp_path)


def test_the_form_of_files_is_a_schema_itself() -> None:
    Draft202012Validator.check_schema(json.loads((SHIPPED / "namespace.schema.json").read_text()))


def test_settings_name_the_files(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text(json.dumps(namespace()))
    assert list(Settings(preferences=tmp_path).policy.namespaces) == ["home"]
    assert list(Settings().policy.namespaces) == ["notifications", "player"]
