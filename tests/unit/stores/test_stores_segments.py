"""The segment log: group commit, rotation, failure, one process at a time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec
import pytest

from penstock.core.errors import StoreFailed
from penstock.stores.segments import SegmentLog
from penstock.stores.verification import verify
from support.logs_on_disk import KEY, Disk, event, read_log, write_log


async def test_appends_that_come_together_share_one_sync(tmp_path: Path) -> None:
    disk = Disk()
    log = SegmentLog(tmp_path, KEY, commit_s=5.0, sync=disk)
    for number in range(1, 501):
        assert log.append(event(number)) == number
    await log.flushed(500)
    assert disk.syncs == 1
    assert read_log(log) == [event(number) for number in range(1, 501)]
    log.close()


async def test_flushed_returns_only_after_the_sync(tmp_path: Path) -> None:
    gate = threading.Event()
    disk = Disk(before=gate.wait)
    log = SegmentLog(tmp_path, KEY, sync=disk)
    sequence = log.append(event(1))
    assert log.end.sequence == 0
    assert log.read(log.end) is None
    gate.set()
    await log.flushed(sequence)
    assert disk.syncs == 1
    assert log.end.sequence == 1
    log.close()


async def test_a_failed_sync_ends_the_log_for_good(tmp_path: Path) -> None:
    disk, failures = Disk(), list[Exception]()
    disk.broken = True
    log = SegmentLog(tmp_path, KEY, on_failure=failures.append, sync=disk)
    with pytest.raises(StoreFailed):
        await log.flushed(log.append(event(1)))
    disk.broken = False
    with pytest.raises(StoreFailed):
        log.append(event(2))
    log.close()
    assert not log.writable
    assert disk.syncs == 1
    assert [str(failure) for failure in failures] == ["[Errno 5] Input/output error"]


async def test_a_queue_that_is_full_refuses_and_then_takes_again(tmp_path: Path) -> None:
    class Small(SegmentLog):
        QUEUE_RECORDS = 3

    log = Small(tmp_path, KEY, commit_s=5.0)
    for number in range(1, 4):
        log.append(event(number))
    with pytest.raises(StoreFailed, match="retry"):
        log.append(event(4))
    await log.flushed(3)
    assert log.append(event(4)) == 4
    log.close()


async def test_waiting_for_a_dead_disk_has_an_end(tmp_path: Path) -> None:
    class Impatient(SegmentLog):
        FLUSH_S = 0.02

    gate = threading.Event()
    log = Impatient(tmp_path, KEY, sync=Disk(before=gate.wait))
    with pytest.raises(StoreFailed):
        await log.flushed(log.append(event(1)))
    gate.set()
    log.close()


def test_close_writes_what_is_queued_and_the_next_process_goes_on(tmp_path: Path) -> None:
    write_log(tmp_path, 10)
    write_log(tmp_path, 5, first=11)
    log = SegmentLog(tmp_path, KEY)
    assert [record["number"] for record in read_log(log)] == list(range(1, 16))
    assert log.sequence == 15
    log.close()
    with pytest.raises(StoreFailed, match="shutting down"):
        log.append(event(16))


def test_a_full_segment_is_followed_by_the_next(tmp_path: Path) -> None:
    for first in range(1, 61, 3):
        write_log(tmp_path, 3, segment_bytes=600, first=first)
    assert len(list(tmp_path.glob("*.jsonl"))) > 3
    log = SegmentLog(tmp_path, KEY)
    assert [record["number"] for record in read_log(log)] == list(range(1, 61))
    log.close()
    found = verify(tmp_path, KEY)
    assert found.intact
    assert found.records == 60


def test_a_raw_value_with_newlines_stays_one_line(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, KEY)
    log.append(event(1, raw=msgspec.Raw(b'{\n"a":1}')))
    log.close()
    log = SegmentLog(tmp_path, KEY)
    assert read_log(log) == [event(1, raw={"a": 1})]
    log.close()


def test_a_second_process_is_told_who_is_in_the_way(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, KEY)
    with pytest.raises(StoreFailed, match=rf"Another penstock process \({os.getpid()}\) has"):
        SegmentLog(tmp_path, KEY)
    log.close()
    SegmentLog(tmp_path, KEY).close()


def test_another_key_is_refused(tmp_path: Path) -> None:
    write_log(tmp_path, 3)
    with pytest.raises(StoreFailed, match="another key"):
        SegmentLog(tmp_path, b"x" * 32)
    assert not verify(tmp_path, b"x" * 32).intact
    SegmentLog(tmp_path, KEY).close()
