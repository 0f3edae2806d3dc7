"""What the SQLite shelf leaves on the disk, and what it does when the disk is not as it should be."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

from penstock.core.errors import StoreFailed
from penstock.stores.shelf import ENTRY_BYTES, ShelfBounds
from penstock.stores.sqlite_shelf import VERSION, SqliteShelf
from support.clocks import HandClock
from support.shelves import BOUNDS

START_S = 1_000_000.0
LARGE = ShelfBounds(retention_s=100.0, max_bytes=50_000_000, max_tenant_bytes=50_000_000, max_entry_bytes=4_000_000)
# A copy in a page that others share would be left after the last of them.
SEEDS = (0, 1, 20)
SECRET = b"what nobody else may ever read"


@pytest.fixture
def clock() -> HandClock:
    return HandClock(START_S)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p.db.responses"


def opened(
    path: Path, clock: Callable[[], float], bounds: ShelfBounds = BOUNDS, every_s: float = 3600.0
) -> SqliteShelf:
    """A shelf; a sweep that fails by itself fails the test."""

    def fail(error: Exception) -> None:
        raise error

    shelf = SqliteShelf(path, bounds, on_error=fail, clock=clock, every_s=every_s)
    shelf.start()
    return shelf


def on_disk(path: Path, text: bytes) -> bool:
    return any(text in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def size_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if not file.name.endswith("-shm"))


def check_counts(path: Path) -> None:
    """What each tenant is said to have is what it has, and the file is whole."""
    database = sqlite3.connect(path)
    counted = database.execute("SELECT tenant, sum(bytes) FROM entries GROUP BY tenant ORDER BY tenant").fetchall()
    assert database.execute("SELECT tenant, bytes FROM held ORDER BY tenant").fetchall() == counted
    stated = database.execute("SELECT count(*) FROM entries WHERE bytes <> length(value) + ?", (ENTRY_BYTES,))
    assert stated.fetchone() == (0,)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


# --- files ---


async def test_nothing_is_made_before_something_is_kept(path: Path, clock: HandClock) -> None:
    shelf = opened(path, clock)
    assert await shelf.find("acme", "r1") is None
    assert not await shelf.forget("acme", "r1")
    await shelf.sweep()
    await shelf.aclose()
    assert list(path.parent.iterdir()) == []


async def test_with_a_retention_of_nothing_nothing_is_written(path: Path, clock: HandClock) -> None:
    shelf = opened(path, clock, msgspec.structs.replace(BOUNDS, retention_s=0))
    assert shelf.most_bytes == 0
    assert not await shelf.keep("acme", "r1", b"one")
    assert await shelf.find("acme", "r1") is None
    await shelf.aclose()
    assert list(path.parent.iterdir()) == []


async def test_turned_off_it_removes_what_was_kept_before(path: Path, clock: HandClock) -> None:
    shelf = opened(path, clock)
    await shelf.keep("acme", "r1", SECRET)
    await shelf.aclose()
    assert on_disk(path, SECRET)
    shelf = opened(path, clock, msgspec.structs.replace(BOUNDS, retention_s=0))
    assert await shelf.find("acme", "r1") is None
    await shelf.sweep()
    assert not on_disk(path, SECRET)
    await shelf.aclose()


async def test_only_its_owner_can_read_the_files(path: Path, clock: HandClock) -> None:
    before = os.umask(0)
    try:
        shelf = opened(path, clock)
        await shelf.keep("acme", "r1", b"one")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        await shelf.aclose()
    finally:
        os.umask(before)
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


async def test_what_was_kept_is_there_after_a_restart(path: Path, clock: HandClock) -> None:
    shelf = opened(path, clock)
    await shelf.keep("acme", "r1", b"one")
    await shelf.aclose()
    clock.pass_s(BOUNDS.retention_s - 1)
    shelf = opened(path, clock)
    assert await shelf.find("acme", "r1") == b"one"
    await shelf.aclose()
    shelf = opened(path, clock, msgspec.structs.replace(BOUNDS, retention_s=10.0))
    assert await shelf.find("acme", "r1") is None
    await shelf.aclose()
    with pytest.raises(StoreFailed):
        await shelf.find("acme", "r1")


# --- removal ---


async def test_what_is_too_old_is_gone_from_the_disk_after_a_sweep(path: Path, clock: HandClock) -> None:
    shelf = opened(path, clock, LARGE)
    for number in range(200):
        await shelf.keep("acme", f"r{number}", SECRET * (1 + number * 10))
    clock.pass_s(1)
    await shelf.keep("acme", "young", b"one")
    size = size_on_disk(path)
    clock.pass_s(LARGE.retention_s - 1)
    await shelf.sweep()
    assert not on_disk(path, SECRET)
    assert await shelf.find("acme", "young") == b"one"
    assert size_on_disk(path) < size / 20
    await shelf.aclose()
    check_counts(path)


@pytest.mark.parametrize("size", [1, 400, 40_000])
async def test_what_was_forgotten_replaced_or_pushed_out_is_gone_too(path: Path, clock: HandClock, size: int) -> None:
    bounds = msgspec.structs.replace(LARGE, max_tenant_bytes=3_000_000)
    shelf = opened(path, clock, bounds)
    for key in ("forgotten", "replaced", "pushed out"):
        await shelf.keep("acme", key, key.encode() + SECRET * size)
    await shelf.forget("acme", "forgotten")
    await shelf.keep("acme", "replaced", b"new")
    for number in range(3):
        await shelf.keep("acme", f"r{number}", b"v" * 999_900)
    await shelf.sweep()
    assert not on_disk(path, SECRET)
    await shelf.aclose()
    check_counts(path)


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_was_done_the_disk_holds_only_what_can_be_found(path: Path, clock: HandClock, seed: int) -> None:
    chance, kept, bounds = (
        Random(seed),
        dict[tuple[str, str], bytes](),
        msgspec.structs.replace(LARGE, max_bytes=1_500_000),
    )
    shelf = opened(path, clock, bounds)
    for number in range(1500):
        tenant, key = chance.choice("abcd"), str(chance.randrange(200))
        if chance.random() < 0.6:
            kept[tenant, key] = b"<%06d>" % number
            await shelf.keep(tenant, key, kept[tenant, key] * chance.choice([1, 5, 20, 40, 80, 400]))
        elif chance.random() < 0.8:
            await shelf.forget(tenant, key)
        else:
            clock.pass_s(chance.random() * 10)
    await shelf.sweep()
    found = {mark for place, mark in kept.items() if await shelf.find(*place) is not None}
    files = [file.read_bytes() for file in path.parent.glob(f"{path.name}*")]
    assert {mark for file in files for mark in re.findall(rb"<\d{6}>", file)} == found
    await shelf.aclose()
    check_counts(path)
    assert size_on_disk(path) < bounds.max_bytes * 1.05


async def test_sweeps_come_by_themselves_also_after_a_restart(path: Path, clock: HandClock) -> None:
    shelf = opened(path, clock)
    await shelf.keep("acme", "r1", SECRET)
    await shelf.aclose()
    clock.pass_s(BOUNDS.retention_s)
    shelf = opened(path, clock, every_s=0.01)
    async with asyncio.timeout(5):
        while on_disk(path, SECRET):  # noqa: ASYNC110 - nobody is told of a sweep
            await asyncio.sleep(0.01)
        await shelf.keep("acme", "r1", SECRET)
        clock.pass_s(BOUNDS.retention_s)
        while on_disk(path, SECRET):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    await shelf.aclose()


async def test_somebody_who_reads_the_file_from_outside_only_puts_it_off(path: Path, clock: HandClock) -> None:
    shelf = opened(path, clock)
    await shelf.keep("acme", "r1", SECRET)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    await shelf.forget("acme", "r1")
    await shelf.sweep()
    assert on_disk(path, SECRET)
    reader.close()
    await shelf.sweep()
    assert not on_disk(path, SECRET)
    await shelf.aclose()


async def test_a_clock_that_was_ahead_and_is_set_back_lets_nothing_live_longer(path: Path, clock: HandClock) -> None:
    clock.pass_s(1_000_000)
    shelf = opened(path, clock)
    await shelf.keep("acme", "r1", b"one")
    clock.pass_s(-1_000_000)
    await shelf.sweep()
    assert await shelf.find("acme", "r1") == b"one"
    clock.pass_s(BOUNDS.retention_s)
    assert await shelf.find("acme", "r1") is None
    await shelf.aclose()


# --- a disk that fails ---


@pytest.fixture
def something_else(path: Path) -> bytes:
    """What lies in its place, and is no database."""
    text = b"something else, and long enough for that" * 100
    path.write_bytes(text)
    return text


async def test_a_file_that_is_no_database_is_told_of_and_left_as_it_is(
    path: Path, clock: HandClock, something_else: bytes
) -> None:
    told = asyncio.Event()
    shelf = SqliteShelf(path, BOUNDS, on_error=lambda _: told.set(), clock=clock)
    shelf.start()
    async with asyncio.timeout(5):
        await told.wait()
    for _ in range(2):
        with pytest.raises(StoreFailed, match="an operator") as failed:
            await shelf.keep("acme", "r1", b"one")
        assert isinstance(failed.value.__cause__, sqlite3.DatabaseError)
    await shelf.aclose()
    assert on_disk(path, something_else)


async def test_a_file_of_a_newer_version_is_refused(path: Path, clock: HandClock) -> None:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    shelf = SqliteShelf(path, BOUNDS, on_error=lambda _: None, clock=clock)
    with pytest.raises(StoreFailed) as failed:
        await shelf.find("acme", "r1")
    assert "newer penstock" in str(failed.value.__cause__)
    await shelf.aclose()


async def test_a_disk_that_comes_back_is_used_again(path: Path, clock: HandClock) -> None:
    folder = path.parent / "folder"
    shelf = opened(folder / path.name, clock)
    with pytest.raises(StoreFailed):
        await shelf.keep("acme", "r1", b"one")
    folder.mkdir()
    assert await shelf.keep("acme", "r1", b"one")
    assert await shelf.find("acme", "r1") == b"one"
    await shelf.aclose()


async def test_who_waits_for_a_disk_that_hangs_is_told_in_time_and_others_at_once(path: Path) -> None:
    back, times = threading.Event(), iter([START_S])

    def clock() -> float:
        if (now_s := next(times, None)) is None:
            back.wait(10)
            return START_S
        return now_s

    shelf = SqliteShelf(path, BOUNDS, on_error=lambda _: None, clock=clock)
    shelf.LIMIT_S = 0.05
    assert await shelf.keep("acme", "r0", b"one")
    keeping = [asyncio.ensure_future(shelf.keep("acme", f"r{number}", b"one")) for number in range(1000)]
    results = await asyncio.gather(*keeping, return_exceptions=True)
    assert all(isinstance(result, StoreFailed) for result in results)
    back.set()
    shelf.LIMIT_S = 5.0
    assert await shelf.find("acme", "r0") == b"one"
    await shelf.aclose()
    check_counts(path)
