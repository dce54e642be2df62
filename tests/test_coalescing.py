"""Reads of many requests share commands, and each reader is served as if it were alone."""

import asyncio
from collections.abc import Sequence

import pytest

from store.coalescing import IN_FLIGHT, MOST_KEYS, CoalescedReads, Parts
from store.errors import StoreFault, StoreUnavailable
from tests.conftest import Commands
from tests.subgraph import Subgraph


class Shelf:
    """What is read from: doubles numbers when told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.commands: list[list[int]] = []
        self.parts: list[Parts] = []
        self.answers: list[asyncio.Future[None]] = []
        self.reads = CoalescedReads(self.command)

    async def command(self, keys: Sequence[int], parts: Parts) -> dict[int, int]:
        self.commands.append(list(keys))
        self.parts.append(parts)
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return {key: 2 * key for key in keys if key >= 0}


async def turns(count: int = 3) -> None:
    """Lets what is ready happen."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_is_asked_for_in_one_turn_is_one_command() -> None:
    shelf = Shelf()
    first, second = shelf.reads.read([1, 2]), shelf.reads.read([2, -3, 2])
    await turns()
    assert shelf.commands == [[1, 2, -3]]
    shelf.answers[0].set_result(None)
    assert await first == [2, 4]
    assert await second == [4, None, 4]


async def test_a_lonely_read_is_sent_with_the_next_turn() -> None:
    shelf = Shelf()
    reading = shelf.reads.read([1])
    await asyncio.sleep(0)  # the turn in which it is sent
    await asyncio.sleep(0)  # the turn in which its command begins
    assert shelf.commands == [[1]]
    shelf.answers[0].set_result(None)
    assert await reading == [2]


async def test_no_keys_are_no_command() -> None:
    shelf = Shelf()
    assert await shelf.reads.read([]) == []
    await turns()
    assert shelf.commands == []


async def test_a_read_after_a_command_was_sent_does_not_join_it() -> None:
    shelf = Shelf()
    early = shelf.reads.read([1])
    await turns()
    late = shelf.reads.read([1])
    await turns()
    assert shelf.commands == [[1], [1]]
    shelf.answers[1].set_result(None)
    assert await late == [2]
    assert not early.done()
    shelf.answers[0].set_result(None)
    assert await early == [2]


async def test_reads_wait_together_while_enough_commands_are_under_way() -> None:
    shelf = Shelf()
    under_way = []
    for key in range(IN_FLIGHT):
        under_way.append(shelf.reads.read([key]))
        await turns()
    waiting = [shelf.reads.read([10 + key]) for key in range(5)]
    await turns()
    assert len(shelf.commands) == IN_FLIGHT
    shelf.answers[1].set_result(None)  # the others are slow
    await turns()
    assert shelf.commands[IN_FLIGHT:] == [[10, 11, 12, 13, 14]]
    shelf.answers[IN_FLIGHT].set_result(None)
    assert await asyncio.gather(*waiting) == [[20], [22], [24], [26], [28]]
    for answer in (shelf.answers[0], *shelf.answers[2:IN_FLIGHT]):
        answer.set_result(None)
    assert await asyncio.gather(*under_way) == [[2 * key] for key in range(IN_FLIGHT)]


async def test_many_keys_are_several_commands() -> None:
    shelf = Shelf()
    keys = list(range(MOST_KEYS))
    readings = [shelf.reads.read(keys[:-1]), shelf.reads.read(keys[:2]), shelf.reads.read(keys)]
    await turns()
    assert shelf.commands == [keys[:-1], keys[:2], keys]
    for answer in shelf.answers:
        answer.set_result(None)
    assert [len(found) for found in await asyncio.gather(*readings)] == [
        MOST_KEYS - 1,
        2,
        MOST_KEYS,
    ]


async def test_a_failure_is_told_to_its_readers_alone() -> None:
    shelf = Shelf()
    readings = [shelf.reads.read([1]), shelf.reads.read([2])]
    await turns()
    other = shelf.reads.read([3])
    await turns()
    shelf.answers[0].set_exception(StoreFault("no"))
    shelf.answers[1].set_result(None)
    found = await asyncio.gather(*readings, other, return_exceptions=True)
    assert [str(error) for error in found[:2]] == ["no", "no"]
    assert found[2] == [6]


async def test_a_reader_who_leaves_takes_nobody_along() -> None:
    shelf = Shelf()
    leaving, staying = shelf.reads.read([1]), shelf.reads.read([2])
    await turns()
    leaving.cancel()
    shelf.answers[0].set_result(None)
    assert await staying == [4]
    gone, waiting = shelf.reads.read([5]), shelf.reads.read([6])
    gone.cancel()
    await turns()
    assert shelf.commands[1:] == [[6]]
    shelf.answers[1].set_result(None)
    assert await waiting == [12]


async def test_a_command_reads_the_parts_that_any_reader_needs() -> None:
    shelf = Shelf()
    readings = [shelf.reads.read([1], frozenset({"a"})), shelf.reads.read([2], frozenset({"b"}))]
    await turns()
    readings += [shelf.reads.read([1], frozenset({"a"})), shelf.reads.read([2])]
    await turns()
    assert shelf.parts == [{"a", "b"}, None]
    for answer in shelf.answers:
        answer.set_result(None)
    assert await asyncio.gather(*readings) == [[2], [4], [2], [4]]


async def test_closing_ends_reads_with_a_fault() -> None:
    shelf = Shelf()
    readings = []
    for key in range(IN_FLIGHT + 1):
        readings.append(shelf.reads.read([key]))
        await turns()
    await shelf.reads.close()
    for reading in readings:
        with pytest.raises(StoreUnavailable, match="closed"):
            await reading


async def test_requests_at_the_same_time_share_their_command(
    subgraph: Subgraph, commands: Commands
) -> None:
    ids = [await subgraph.register(f"person{index}") for index in range(8)]
    commands.taken()
    found = await asyncio.gather(*(subgraph.store.users.by_ids([user_id]) for user_id in ids))
    assert [[user and user.handle for user in users] for users in found] == [
        [f"person{index}"] for index in range(8)
    ]
    assert commands.taken() == ["find"]
    pairs = [(ids[0], other) for other in ids]
    await asyncio.gather(*(subgraph.store.blocks.existing([pair]) for pair in pairs))
    assert commands.taken() == ["find"]
    await asyncio.gather(*(subgraph.store.follows.followers.first_pages([i], 2) for i in ids))
    assert commands.taken() == ["aggregate"]


async def test_a_read_after_a_write_sees_it_under_load(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    store = subgraph.store

    async def others() -> None:
        for _ in range(40):
            await store.users.by_ids([ada])

    reading = [asyncio.ensure_future(others()) for _ in range(8)]
    for number in range(10):
        await subgraph.update(ada, str(number))
        [user] = await store.users.by_ids([ada])
        assert user is not None
        assert user.bio == str(number)
    await asyncio.gather(*reading)
