"""The benchmarks' own parts: what is asked is always the same, and figures become right ratios."""

import re
from itertools import islice
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from graphql import build_schema as schema_of_sdl
from graphql import is_object_type, parse, validate

from bench.chart import Plot, Series, dot_plot, line_plots, ticks
from bench.execution import ours
from bench.load import Feed, Reply, Sample
from bench.memory import MemoryDatabase, memory_store
from bench.peers.settings import SCHEMA
from bench.results import METRICS, Turn, ratio, ratio_table, ratios
from bench.scaling import fit
from bench.workload import USERS, Asked, Cast, cast_of, shapes
from pipelines.seed import sample_id, seed
from schema.roots import build_schema
from store.errors import DuplicateKey, StoreFault

CPU = METRICS[0]


@pytest.fixture(scope="module")
def cast() -> Cast:
    return cast_of()


def turns_of(**cpu_us: list[float]) -> dict[str, dict[str, list[Turn]]]:
    """Turns of one shape that differ in their CPU time only."""
    return {"small": {name: [Turn(us, 10, 1, 2, 30) for us in cpu_us[name]] for name in cpu_us}}


def test_everybody_is_asked_the_same_in_the_same_order(cast: Cast) -> None:
    for shape in shapes(cast):
        once, again = (list(islice(shape.requests(), 100)) for _ in range(2))
        assert once == again
        assert [asked.is_signed for asked in once] == [shape.name == "mutation"] * 100


def test_texts_that_shall_be_new_never_come_twice(cast: Cast) -> None:
    by_name = {shape.name: shape for shape in shapes(cast)}
    for name in ("literals", "never-seen", "mutation"):
        bodies = [asked.body for asked in islice(by_name[name].requests(), 2000)]
        assert len(set(bodies)) == 2000


def test_every_operation_is_valid_here_and_for_the_peers(cast: Cast) -> None:
    ours = build_schema().graphql
    federation = "scalar _Any union _Entity = User extend type Query"
    federation += "{ _entities(representations: [_Any!]!): [_Entity]! }"
    peers = schema_of_sdl(
        re.sub(r"extend schema\n.*\n|@key\(.*?\)|@shareable", "", SCHEMA.read_text()) + federation
    )
    texts = {
        orjson.loads(asked.body)["query"]
        for shape in shapes(cast)
        for asked in islice(shape.requests(), 10)
    }
    assert len(texts) == 5 + 10 + 10  # five texts stay the same
    for text in texts:
        document = parse(text)
        assert validate(ours, document) == []
        assert validate(peers, document) == []


def test_the_peers_schema_is_a_part_of_ours() -> None:
    ours = build_schema().graphql
    text = re.sub(r"extend schema\n.*\n|@key\(.*?\)|@shareable", "", SCHEMA.read_text())
    for name, type_ in schema_of_sdl(text).type_map.items():
        if is_object_type(type_) and not name.startswith("__"):
            for field_name, field in type_.fields.items():
                here: Any = ours.type_map[name]
                assert str(here.fields[field_name].type) == str(field.type)
                assert set(here.fields[field_name].args) >= set(field.args)


def test_who_changes_profiles_is_read_by_nobody(cast: Cast) -> None:
    assert len(cast.persons) == 32
    assert len(cast.popular) == 50
    assert set(cast.persons).isdisjoint(cast.readers)
    assert set(cast.popular) <= set(cast.readers)


def test_connections_get_their_own_requests_and_tokens() -> None:
    asked = (Asked(b"%d" % number, is_signed=True) for number in range(100))
    feed = Feed(asked, ["one", "two"])
    feed.prepare(4)
    taken = [feed.take(connection) for connection in (0, 0, 0, 1)]
    assert [request.rpartition(b"\n")[2] for request in taken] == [b"0", b"2", b"4", b"1"]
    assert [b"Bearer one" in request for request in taken] == [True, True, True, False]


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n',
    ],
)
def test_answers_are_read_whole_however_they_arrive(answer: bytes) -> None:
    for size in (1, 7, len(answer)):
        reply = Reply()
        parts = [answer[start : start + size] for start in range(0, len(answer), size)]
        assert [reply.take(part) for part in parts] == [False] * (len(parts) - 1) + [True]
        assert (reply.status, bytes(reply.body)) == (200, b'{"a": 1}')


def test_a_ratio_is_the_median_over_rounds_of_one_round_each() -> None:
    turns = turns_of(ours=[1.0, 30.0, 2.0], apollo=[10.0, 100.0, 10.0])
    assert ratio(turns, "small", "ours", "apollo", CPU) == 0.2
    assert ratios(turns, "apollo")["cpu"] == {"small": {"ours": 0.2, "apollo": 1.0}}
    assert ratio_table(turns, CPU, "apollo", {"ours": "Us", "apollo": "Them"}, {"small": "s"}) == (
        "| Server CPU per request, relative to Them |    s |\n"
        "|------------------------------------------|-----:|\n"
        "| Us                                       | 0.20 |"
    )


def test_a_turn_tells_percentiles_in_milliseconds() -> None:
    delays = [number / 1000 for number in range(1, 102)]
    sample = Sample(answers=101, seconds=2.0, cpu_seconds=0.0101, delays=delays)
    turn = Turn.of(sample)
    assert (turn.p50_ms, turn.p99_ms) == pytest.approx((51, 100))
    assert (turn.cpu_us, turn.per_second) == pytest.approx((100, 50.5))


def test_the_fit_of_a_straight_line_is_that_line() -> None:
    found = fit([(1, 12.0), (5, 20.0), (10, 30.0)])
    assert found == pytest.approx((2.0, 10.0, 1.0, 1.5))
    curved = fit([(size, float(size**2)) for size in range(1, 11)])
    assert curved.r_squared < 0.96
    assert curved.doubling == 4.0


def test_charts_are_well_formed_and_name_everything() -> None:
    rows = {"a < b": {"Us": 0.2, "Them": 1.0}, "c": {"Us": 3.0, "Them": 1.0}}
    plot = Plot("Growth", "n", "µs", [Series("us", [(1, 2.0), (2, 4.0)], (2.0, 0.0))], "R² 1")
    for svg, texts in (
        (dot_plot("CPU & more", rows, emphasised="Us"), {"a < b", "c", "Us", "Them", "0.20"}),
        (line_plots("Scaling", [plot, plot]), {"Growth", "n", "µs", "R² 1"}),
    ):
        tree = ElementTree.fromstring(svg)
        assert texts <= {element.text for element in tree.iter() if element.tag.endswith("text")}
        assert "prefers-color-scheme: dark" in svg
        assert "NaN" not in svg


def test_ticks_are_round_numbers() -> None:
    assert ticks(10) == [0, 2, 4, 6, 8, 10]
    assert ticks(0.9) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert ticks(45_000) == [0, 10_000, 20_000, 30_000, 40_000]


async def test_the_store_in_memory_does_what_the_database_does() -> None:
    store = memory_store(MemoryDatabase())
    await seed(store, 60, lambda *_: None)
    ids = [sample_id(index) for index in range(60)]
    users = await store.users.by_ids([*ids, "nobody"])
    assert [user and user.id for user in users] == [*ids, None]
    pages = await store.follows.followers.first_pages(ids[:2], 3)
    for owner, page in zip(ids[:2], pages, strict=True):
        assert page is not None
        assert page == await store.follows.followers.page(owner, None, 3)
        assert [edge.order for edge in page] == sorted(edge.order for edge in page)
    ada = await store.users.by_id(ids[0])
    assert ada is not None
    for is_first in (True, False):  # the second is guarded by the revision that it expects
        after = await store.users.change(
            ada, {"bio": "New.", "pronouns": None}, operation="o", event="E", at=ada.created_at
        )
        assert is_first is (after is not None)
    changed = await store.users.by_id(ids[0])
    assert changed is not None
    assert (changed.rev, changed.bio, changed.pronouns) == (2, "New.", None)
    assert [event.kind for event in changed.recent_revisions] == ["USER_REGISTERED", "E"]
    assert ada.bio != "New."
    with pytest.raises(DuplicateKey):
        await store.users.collection.insert({"_id": ids[0]})
    with pytest.raises(StoreFault):
        await store.users.collection.aggregate([{"$count": "n"}])


async def test_everything_that_is_asked_is_answered_in_memory(cast: Cast) -> None:
    store = memory_store(MemoryDatabase())
    await seed(store, USERS, lambda *_: None)
    answer = ours(build_schema(), store, cast.persons[0])
    for shape in shapes(cast):
        for asked in islice(shape.requests(), 2):
            assert await answer(orjson.loads(asked.body))
