"""The shelf of a gateway that owns its store."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from penstock.app.owned import OwnedStore
from penstock.telemetry import build_logger
from support.configs import WHOLE, load_text


@asynccontextmanager
async def opened(folder: Path, log: io.StringIO | None = None, retention_s: str = "86400") -> AsyncIterator[OwnedStore]:
    env = {"PENSTOCK_STORE_URL": f"sqlite:///{folder}/p.db", "PENSTOCK_STORE_RESPONSES_RETENTION_S": retention_s}
    logger = build_logger(log or io.StringIO(), style="json")
    owned = await OwnedStore.open(load_text(folder, WHOLE, env), b"a pepper of thirty-two characters", logger)
    try:
        yield owned
    finally:
        await owned.aclose()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("p.db.responses*"))


async def test_it_lies_beside_the_database_once_something_is_kept_and_outlives_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as owned:
        assert await owned.shelf.find("acme", "r1") is None
        assert files(tmp_path) == []
        assert await owned.shelf.keep("acme", "r1", b"one")
    assert files(tmp_path) == ["p.db.responses"]
    async with opened(tmp_path) as owned:
        assert await owned.shelf.find("acme", "r1") == b"one"


async def test_turned_off_it_makes_no_file(tmp_path: Path) -> None:
    async with opened(tmp_path, retention_s="0") as owned:
        assert not await owned.shelf.keep("acme", "r1", b"one")
    assert files(tmp_path) == []


async def test_a_file_that_cannot_be_used_stops_nothing_and_is_told_of(tmp_path: Path) -> None:
    async with opened(tmp_path) as owned:
        await owned.shelf.keep("acme", "r1", b"one")
    spoil(tmp_path / "p.db.responses")
    log = io.StringIO()
    async with opened(tmp_path, log) as owned, asyncio.timeout(5):
        while "cannot be removed" not in log.getvalue():  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
    assert "not a database" in log.getvalue()


def spoil(path: Path) -> None:
    path.write_bytes(b"x" * 5000)
