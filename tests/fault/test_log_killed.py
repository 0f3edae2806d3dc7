"""Killed while it writes, the log keeps every record that was reported as written, and the index goes on from it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.core.ports import AuditQuery
from penstock.stores.owner import Owner
from penstock.stores.segments import SegmentLog
from penstock.stores.sqlite import SqliteStore
from penstock.stores.verification import verify
from support.logs_on_disk import KEY, read_log

CHILD = """
import asyncio, sys
from pathlib import Path
from penstock.stores.owner import Owner
from penstock.stores.segments import SegmentLog
from penstock.stores.sqlite import SqliteStore

async def main(directory):
    log = SegmentLog(directory / "log", b"k" * 32, commit_s=0.001, segment_bytes=20_000)
    store = SqliteStore(f"sqlite:///{directory}/p.db")
    await store.open()
    owner = Owner(log, store, on_error=print, interval_s=0.005)
    await owner.start()
    while True:
        for _ in range(20):
            last = log.append({"event_type": "note", "number": log.sequence + 1, "text": "x" * 50})
        await log.flushed(last)
        print(last, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("after", [1, 60])
async def test_killed_at_any_time_nothing_reported_is_lost(tmp_path: Path, after: int) -> None:
    reported = _killed_after(tmp_path, after)
    assert verify(tmp_path / "log", KEY).intact
    log = SegmentLog(tmp_path / "log", KEY)
    numbers = [record["number"] for record in read_log(log) if record["event_type"] == "note"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= reported
    store = SqliteStore(f"sqlite:///{tmp_path}/p.db")
    await store.open()
    owner = Owner(log, store, on_error=print)
    await owner.start()
    assert await _indexed(owner) == list(range(log.sequence, 0, -1))
    await owner.aclose()
    await store.aclose()
    log.close()
    with sqlite3.connect(tmp_path / "p.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    assert verify(tmp_path / "log", KEY).intact


async def _indexed(owner: Owner) -> list[int]:
    """The number of every record that a query finds, page by page."""
    found: list[int] = []
    cursor: int | None = None
    while not found or cursor is not None:
        page = await owner.query(AuditQuery(limit=1000, cursor=cursor))
        found += [event["sequence"] for event in page.events]
        cursor = page.next_cursor
    return found


def _killed_after(directory: Path, reports: int) -> int:
    """Run the child, kill it in the midst of its work after ``reports`` reports; the last number it reported."""
    source = Path(__file__).parents[2] / "src"
    environment = os.environ | {"PYTHONPATH": str(source)}
    command = [sys.executable, "-c", CHILD, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(reports)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    return int([line for line in lines if line.endswith("\n")][-1])
