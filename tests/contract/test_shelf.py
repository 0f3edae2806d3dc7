"""What every implementation of ``Shelf`` promises, within the bounds of ``support.shelves``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.core.ports import Clock, Shelf
from penstock.stores.shelf import ENTRY_BYTES
from penstock.stores.sqlite_shelf import SqliteShelf
from support.clocks import HandClock
from support.linked import LinkedOwner
from support.shelves import BOUNDS, memory_shelf

START_S = 1_000_000.0
# Ten of them fill a tenant, twenty the shelf.
VALUE = b"v" * (BOUNDS.max_tenant_bytes // 10 - ENTRY_BYTES)


@asynccontextmanager
async def memory(_folder: Path, clock: Clock) -> AsyncIterator[Shelf]:
    yield memory_shelf(clock)


@asynccontextmanager
async def sqlite(folder: Path, clock: Clock) -> AsyncIterator[Shelf]:
    shelf = SqliteShelf(folder / "p.db.responses", BOUNDS, on_error=_raise, clock=clock)
    shelf.start()
    try:
        yield shelf
    finally:
        await shelf.aclose()


@asynccontextmanager
async def remote(folder: Path, clock: Clock) -> AsyncIterator[Shelf]:
    owner = LinkedOwner(clock)
    async with sqlite(folder, clock) as owner.shelf:
        yield owner.worker().shelf


def _raise(error: Exception) -> None:
    raise error


Open = Callable[[Path, Clock], AbstractAsyncContextManager[Shelf]]
OPENERS: dict[str, Open] = {"memory": memory, "sqlite": sqlite, "remote": remote}


@pytest.fixture
def clock() -> HandClock:
    return HandClock(START_S)


@pytest.fixture(params=OPENERS)
async def shelf(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> AsyncIterator[Shelf]:
    async with OPENERS[request.param](tmp_path, clock) as opened:
        yield opened


async def test_what_is_kept_is_found_until_it_is_forgotten(shelf: Shelf) -> None:
    assert await shelf.find("acme", "r1") is None
    assert not await shelf.forget("acme", "r1")
    assert await shelf.keep("acme", "r1", b"\x00one\xff")
    assert await shelf.keep("acme", "r2", b"two")
    assert await shelf.find("acme", "r1") == b"\x00one\xff"
    assert await shelf.forget("acme", "r1")
    assert await shelf.find("acme", "r1") is None
    assert not await shelf.forget("acme", "r1")
    assert await shelf.find("acme", "r2") == b"two"


async def test_a_key_alone_never_suffices(shelf: Shelf) -> None:
    await shelf.keep("acme", "r1", b"acme's")
    for stranger in ("globex", "", "ACME", "acme ", "acme\x00", "%", "acme' OR '1'='1"):
        assert await shelf.find(stranger, "r1") is None
        assert not await shelf.forget(stranger, "r1")
        await shelf.keep(stranger, "r1", b"theirs")
        assert await shelf.find(stranger, "r1") == b"theirs"
    assert await shelf.find("acme", "r1") == b"acme's"


async def test_a_key_that_is_used_again_has_its_new_value_and_a_new_time(shelf: Shelf, clock: HandClock) -> None:
    await shelf.keep("acme", "r1", b"old")
    clock.pass_s(60)
    await shelf.keep("acme", "r1", b"new")
    clock.pass_s(60)
    assert await shelf.find("acme", "r1") == b"new"


async def test_what_is_too_old_is_not_found(shelf: Shelf, clock: HandClock) -> None:
    await shelf.keep("acme", "r1", b"one")
    clock.pass_s(BOUNDS.retention_s - 1)
    assert await shelf.find("acme", "r1") == b"one"
    clock.pass_s(1)
    assert await shelf.find("acme", "r1") is None
    await shelf.keep("acme", "r2", b"two")
    clock.pass_s(BOUNDS.retention_s)
    assert not await shelf.forget("acme", "r2")


async def test_a_value_that_is_too_large_or_empty_is_not_kept_and_changes_nothing(shelf: Shelf) -> None:
    assert shelf.most_bytes == BOUNDS.max_entry_bytes
    assert await shelf.keep("acme", "r1", b"v" * shelf.most_bytes)
    assert not await shelf.keep("acme", "r1", b"v" * (shelf.most_bytes + 1))
    assert not await shelf.keep("acme", "r1", b"")
    assert await shelf.find("acme", "r1") == b"v" * shelf.most_bytes


@pytest.mark.parametrize("key", ["k" * 257, "k" * 10_000_000, "clé", "\ud800"], ids=["long", "huge", "é", "surrogate"])
async def test_whatever_a_caller_asks_for_is_only_not_there(shelf: Shelf, key: str) -> None:
    assert not await shelf.keep("acme", key, b"v")
    assert await shelf.find("acme", key) is None
    assert not await shelf.forget("acme", key)


async def test_a_tenant_that_has_too_much_loses_its_own_oldest(shelf: Shelf) -> None:
    await shelf.keep("globex", "first", VALUE)
    for number in range(12):
        await shelf.keep("acme", f"r{number}", VALUE)
    assert await held(shelf, "acme") == [f"r{number}" for number in range(2, 12)]
    assert await shelf.find("globex", "first") == VALUE


async def test_when_all_have_too_much_the_oldest_of_all_goes(shelf: Shelf) -> None:
    for number in range(9):
        for tenant in ("acme", "globex"):
            await shelf.keep(tenant, f"r{number}", VALUE)
    for number in range(4):
        await shelf.keep("initech", f"r{number}", VALUE)
    assert await held(shelf, "acme") == [f"r{number}" for number in range(1, 9)]
    assert await held(shelf, "globex") == [f"r{number}" for number in range(1, 9)]
    assert len(await held(shelf, "initech")) == 4


async def test_the_same_key_again_and_again_takes_the_room_of_one(shelf: Shelf) -> None:
    await shelf.keep("acme", "first", VALUE)
    for _ in range(30):
        await shelf.keep("acme", "r1", VALUE)
    assert await shelf.find("acme", "first") == VALUE


async def test_small_values_are_bounded_in_number(shelf: Shelf) -> None:
    for number in range(100):
        await shelf.keep("acme", f"r{number}", b"v")
    assert sum([await shelf.find("acme", f"r{number}") is not None for number in range(100)]) < 40


async def test_many_at_once_are_all_kept(shelf: Shelf) -> None:
    kept = await asyncio.gather(*(shelf.keep(f"t{number}", "r", b"%d" % number) for number in range(20)))
    assert all(kept)
    found = await asyncio.gather(*(shelf.find(f"t{number}", "r") for number in range(20)))
    assert found == [b"%d" % number for number in range(20)]


async def held(shelf: Shelf, tenant: str) -> list[str]:
    return [key for key in (f"r{number}" for number in range(12)) if await shelf.find(tenant, key) is not None]


TENANTS, KEYS = st.sampled_from(["", "a", "b", "ab"]), st.sampled_from(["", "a", "b", "ba"])
STEPS = st.one_of(
    st.tuples(st.just("keep"), TENANTS, KEYS, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("forget"), TENANTS, KEYS, st.just(b"")),
    st.tuples(st.just("wait"), st.just(""), st.just(""), st.binary(max_size=60)),
)


@pytest.mark.parametrize("opener", OPENERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=30))
async def test_it_is_a_map_for_each_tenant(
    opener: str, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, bytes]]
) -> None:
    clock = HandClock(START_S)
    async with OPENERS[opener](tmp_path_factory.mktemp("shelf"), clock) as shelf:
        model: dict[tuple[str, str], tuple[float, bytes]] = {}
        for what, tenant, key, value in steps:
            if what == "keep":
                model[tenant, key] = (clock(), value)
                assert await shelf.keep(tenant, key, value)
            elif what == "forget":
                assert await shelf.forget(tenant, key) is (model.pop((tenant, key), None) is not None)
            else:
                clock.pass_s(len(value))
            model = {each: kept for each, kept in model.items() if kept[0] > clock() - BOUNDS.retention_s}
        for tenant in ("", "a", "b", "ab"):
            for key in ("", "a", "b", "ba"):
                assert await shelf.find(tenant, key) == model.get((tenant, key), (0.0, None))[1]
