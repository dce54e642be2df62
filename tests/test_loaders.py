"""Loaders keep the contract of a `DataLoader`, in batches and in what they remember."""

import asyncio
from collections.abc import Sequence

import pytest

from loaders.batch import BatchLoader


class Doubling:
    """A loader that doubles numbers, fails for 13 and as a whole for 99; keeps its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.loader: BatchLoader[int, int] = BatchLoader(self.read)

    async def read(self, keys: list[int]) -> Sequence[int]:
        self.batches.append(keys)
        await self.gate.wait()
        if 99 in keys:
            raise LookupError("99")
        return [KeyError(key) if key == 13 else 2 * key for key in keys]  # type: ignore[misc]


async def test_keys_of_one_turn_are_one_batch() -> None:
    doubling = Doubling()
    load, load_many = doubling.loader.load, doubling.loader.load_many
    found = await asyncio.gather(load(1), load_many([2, 1, 3, 2]), load(3), load_many([]))
    assert list(found) == [2, [4, 2, 6, 4], 6, []]
    assert doubling.batches == [[1, 2, 3]]


async def test_what_was_read_is_not_read_again() -> None:
    doubling = Doubling()
    await doubling.loader.load_many([1, 2])
    assert await doubling.loader.load_many([2, 3, 1]) == [4, 6, 2]
    assert await doubling.loader.load_many([1, 2]) == [2, 4]
    assert await doubling.loader.load(3) == 6
    assert doubling.batches == [[1, 2], [3]]


async def test_what_is_being_read_is_not_read_again() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    first = doubling.loader.load_many([1, 2])
    await asyncio.sleep(0.001)
    both, one = doubling.loader.load_many([3, 2]), doubling.loader.load(1)
    await asyncio.sleep(0.001)
    doubling.gate.set()
    assert list(await asyncio.gather(first, both, one)) == [[2, 4], [6, 4], 2]
    assert doubling.batches == [[1, 2], [3]]


async def test_a_value_may_be_primed_once() -> None:
    doubling = Doubling()
    doubling.loader.prime(1, 100).prime(1, 200)
    assert await doubling.loader.load_many([1, 2]) == [100, 4]
    doubling.loader.prime(2, 300)
    assert await doubling.loader.load(2) == 4


async def test_a_cleared_key_is_read_again() -> None:
    doubling = Doubling()
    await doubling.loader.load_many([1, 2, 3])
    await doubling.loader.clear(1).load_many([1, 2])
    await doubling.loader.clear_all().load_many([2, 3])
    assert doubling.batches == [[1, 2, 3], [1], [2, 3]]


async def test_a_key_cleared_while_it_is_read_is_not_kept() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    early = doubling.loader.load_many([1, 2])
    await asyncio.sleep(0.001)
    doubling.loader.clear(1)
    late = doubling.loader.load(1)
    await asyncio.sleep(0.001)
    doubling.gate.set()
    assert list(await asyncio.gather(early, late)) == [[2, 4], 2]
    await doubling.loader.clear(1).load_many([1, 2])
    assert doubling.batches == [[1, 2], [1], [1]]


async def test_a_call_keeps_what_was_known_when_it_asked() -> None:
    doubling = Doubling()
    await doubling.loader.load(1)
    both = doubling.loader.load_many([1, 2])
    doubling.loader.clear_all()
    assert await both == [2, 4]


async def test_an_exception_among_the_values_is_for_its_key_alone() -> None:
    doubling = Doubling()
    load, load_many = doubling.loader.load, doubling.loader.load_many
    answers = await asyncio.gather(
        load(1), load(13), load_many([2, 13]), load_many([1]), return_exceptions=True
    )
    assert [repr(answer) for answer in answers] == ["2", "KeyError(13)", "KeyError(13)", "[2]"]
    with pytest.raises(KeyError):
        await load(13)
    assert doubling.batches == [[1, 13, 2]]


async def test_a_batch_that_fails_is_forgotten() -> None:
    doubling = Doubling()
    load, load_many = doubling.loader.load, doubling.loader.load_many
    answers = await asyncio.gather(load(1), load_many([99]), return_exceptions=True)
    assert [repr(answer) for answer in answers] == ["LookupError('99')"] * 2
    assert await load(1) == 2


async def test_a_batch_function_that_breaks_the_contract_is_told() -> None:
    async def short(keys: list[int]) -> Sequence[int]:
        return keys[1:]

    def broken(keys: list[int]) -> "asyncio.Future[Sequence[int]]":
        raise LookupError("at once")

    with pytest.raises(TypeError, match="expected 2 values for as many keys, not 1"):
        await BatchLoader(short).load_many([1, 2])
    with pytest.raises(LookupError, match="at once"):
        await BatchLoader(broken).load(1)


async def test_no_key_is_refused() -> None:
    doubling = Doubling()
    with pytest.raises(TypeError, match="expected a key"):
        await doubling.loader.load(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a key"):
        await doubling.loader.load_many([1, None])  # type: ignore[list-item]


async def test_a_call_that_is_cancelled_takes_nobody_along() -> None:
    doubling = Doubling()
    leaving, staying = doubling.loader.load_many([1, 2]), doubling.loader.load(1)
    leaving.cancel()
    assert await staying == 2


async def test_a_batch_function_may_give_a_future() -> None:
    def read(keys: list[int]) -> "asyncio.Future[list[int]]":
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        future.set_result([2 * key for key in keys])
        return future

    assert await BatchLoader(read).load_many([1, 2]) == [2, 4]
