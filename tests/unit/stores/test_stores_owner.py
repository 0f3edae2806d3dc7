"""The owner: follows the log into the index, across restarts, and notices when the log is another."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from penstock.core.errors import StoreFailed
from penstock.core.ports import AuditQuery
from penstock.stores.owner import Owner
from penstock.stores.seals import Batch, Position
from penstock.stores.segments import SegmentLog
from penstock.stores.sqlite import SqliteStore
from support.logs_on_disk import KEY, Disk, event, write_groups, write_log

ALL = AuditQuery(limit=1000)


def _raise(error: Exception) -> None:
    raise error


class Running:
    """Log, store and owner in one folder."""

    def __init__(self, directory: Path, *, interval_s: float = 60.0, disk: Disk | None = None) -> None:
        self.log = SegmentLog(directory / "log", KEY, segment_bytes=2000, sync=disk or Disk())
        self.store = SqliteStore(f"sqlite:///{directory}/p.db")
        self.owner = Owner(self.log, self.store, on_error=_raise, interval_s=interval_s)

    async def __aenter__(self) -> Self:
        try:
            await self.store.open()
            await self.owner.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.owner.aclose()
        await self.store.aclose()
        self.log.close()


async def _numbers(running: Running) -> list[int]:
    page = await running.owner.query(ALL)
    return [found["number"] for found in reversed(page.events)]


async def test_what_was_not_indexed_before_a_restart_is_indexed_after_it_once(tmp_path: Path) -> None:
    write_log(tmp_path / "log", 30)
    async with Running(tmp_path) as running:
        assert await _numbers(running) == list(range(1, 31))
    write_log(tmp_path / "log", 30, first=31)
    async with Running(tmp_path) as running:
        running.log.append(event(61))
        assert await _numbers(running) == list(range(1, 62))


async def test_the_index_follows_without_being_asked(tmp_path: Path) -> None:
    async with Running(tmp_path, interval_s=0.001) as running:
        await running.log.flushed(running.log.append(event(1)))
        async with asyncio.timeout(5):
            while (await running.store.indexed_to()).sequence < 1:  # noqa: ASYNC110 - the index has nobody to tell
                await asyncio.sleep(0)


async def test_a_long_run_tells_how_far_it_is(tmp_path: Path) -> None:
    class Talkative(Owner):
        PROGRESS_S = 0.0

    write_groups(tmp_path / "log", [100] * 70, segment_bytes=1)  # more blocks than one transaction takes
    running, told = Running(tmp_path), list[tuple[int, int]]()
    running.owner = Talkative(
        running.log, running.store, on_error=_raise, on_progress=lambda *progress: told.append(progress)
    )
    async with running:
        assert told == [(6400, 7000), (7000, 7000)]


async def test_calls_that_are_served_get_time_between_any_two_blocks_and_a_start_loses_none(tmp_path: Path) -> None:
    write_groups(tmp_path / "log", [100] * 3, segment_bytes=1)
    running, rests = Running(tmp_path), list[None]()
    running.owner = Owner(running.log, running.store, on_error=_raise, rest=lambda: rests.append(None))
    async with running:
        assert not rests
        for number in range(1, 3):
            await running.log.flushed(running.log.append(event(number)))
            await running.owner.index()
            assert len(rests) == number
        await running.log.flushed(running.log.append(event(3)))
    assert len(rests) == 2


async def test_queries_at_once_index_once(tmp_path: Path) -> None:
    async with Running(tmp_path) as running:
        for number in range(1, 301):
            running.log.append(event(number))
        pages = await asyncio.gather(*(running.owner.query(ALL) for _ in range(5)))
        assert [len(page.events) for page in pages] == [300] * 5


async def test_a_cancelled_query_does_not_lose_the_place(tmp_path: Path) -> None:
    async with Running(tmp_path) as running:
        for number in range(1, 301):
            running.log.append(event(number))
        await running.log.flushed(300)
        for _ in range(5):
            task = asyncio.create_task(running.owner.query(ALL))
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.wait([task])
        assert await _numbers(running) == list(range(1, 301))


async def test_a_log_that_cannot_be_written_can_still_be_read(tmp_path: Path) -> None:
    disk = Disk()
    async with Running(tmp_path, disk=disk) as running:
        await running.log.flushed(running.log.append(event(1)))
        disk.broken = True
        with pytest.raises(StoreFailed):
            await running.log.flushed(running.log.append(event(2)))
        assert await _numbers(running) == [1]


async def test_an_older_copy_of_the_log_is_refused(tmp_path: Path) -> None:
    write_log(tmp_path / "log", 5)
    shutil.copytree(tmp_path / "log", tmp_path / "older")
    write_log(tmp_path / "log", 5, first=6)
    async with Running(tmp_path) as running:
        assert len(await _numbers(running)) == 10
    shutil.rmtree(tmp_path / "log")
    shutil.copytree(tmp_path / "older", tmp_path / "log")
    with pytest.raises(StoreFailed, match="cut off or replaced"):
        async with Running(tmp_path):
            pass
    write_log(tmp_path / "log", 9, first=6)
    with pytest.raises(StoreFailed, match="not what was written"):
        async with Running(tmp_path):
            pass


async def test_spent_today_reads_what_the_last_run_left(tmp_path: Path) -> None:
    async with Running(tmp_path) as running:
        assert await running.owner.spent_today() == {}


async def test_whatever_breaks_the_indexing_is_told_and_tried_again(tmp_path: Path) -> None:
    told: asyncio.Queue[StoreFailed] = asyncio.Queue()

    class Odd(SqliteStore):
        odd = True

        async def index(self, after: Position, read: Callable[[Position], Batch | None]) -> Position:
            if self.odd:
                raise ZeroDivisionError
            return await super().index(after, read)

    running = Running(tmp_path)
    running.store = store = Odd(f"sqlite:///{tmp_path}/p.db")
    running.owner = Owner(running.log, store, on_error=told.put_nowait, interval_s=0.01)
    async with running:
        await running.log.flushed(running.log.append(event(1)))
        async with asyncio.timeout(5.0):
            failure = await told.get()
        store.odd = False
        assert await _numbers(running) == [1]
    assert isinstance(failure.__cause__, ZeroDivisionError)
