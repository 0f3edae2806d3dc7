"""Killed while it keeps, sweeps and forgets, the shelf has every value that was reported as kept, and is whole."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.stores.shelf import ShelfBounds
from penstock.stores.sqlite_shelf import SqliteShelf

CHILD = """
import asyncio, sys
from pathlib import Path
from penstock.stores.shelf import ShelfBounds
from penstock.stores.sqlite_shelf import SqliteShelf

async def main(path):
    bounds = ShelfBounds(3600.0, 50_000_000, 50_000_000, 1_000_000)
    shelf = SqliteShelf(path, bounds, on_error=print, every_s=0.005)
    number = 0
    while True:
        number += 1
        await shelf.keep("acme", f"r{number}", b"%d " % number * (1 + number * 37 % 4000))
        print(number, flush=True)
        await shelf.keep("acme", "short-lived", b"s" * 5000)
        await shelf.forget("acme", "short-lived")

asyncio.run(main(Path(sys.argv[1])))
"""
BOUNDS = ShelfBounds(3600.0, 50_000_000, 50_000_000, 1_000_000)


def _fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("after", [1, 7, 150])
async def test_killed_at_any_time_what_was_kept_is_found(tmp_path: Path, after: int) -> None:
    path = tmp_path / "p.db.responses"
    reported = _killed_after(path, after)
    shelf = SqliteShelf(path, BOUNDS, on_error=_fail)
    shelf.start()
    for number in range(1, reported + 1):
        assert await shelf.find("acme", f"r{number}") == b"%d " % number * (1 + number * 37 % 4000)
    assert await shelf.keep("acme", "after", b"one")
    await shelf.sweep()
    await shelf.aclose()
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    counted = database.execute("SELECT tenant, sum(bytes) FROM entries GROUP BY tenant").fetchall()
    assert database.execute("SELECT tenant, bytes FROM held").fetchall() == counted
    database.close()


@pytest.mark.parametrize("turn", range(8))
async def test_killed_while_the_file_is_made_the_next_one_makes_it(tmp_path: Path, turn: int) -> None:
    path = tmp_path / "p.db.responses"
    with _child(path) as child:
        while not path.exists():
            assert child.poll() is None
        try:
            child.wait(turn / 1000)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
    shelf = SqliteShelf(path, BOUNDS, on_error=_fail)
    assert await shelf.keep("acme", "after", b"one")
    assert await shelf.find("acme", "after") == b"one"
    await shelf.aclose()


def _killed_after(path: Path, reports: int) -> int:
    """Run the child, kill it in the midst of its work after ``reports`` reports; the last number it reported."""
    with _child(path) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(reports)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    return int([line for line in lines if line.endswith("\n")][-1])


def _child(path: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-c", CHILD, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
