from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.stores.lock import ProcessLock
from penstock.stores.shelf import ShelfBounds
from penstock.stores.sqlite_shelf import SqliteShelf
from support.configs import GOOD

RUN = CliRunner()
KEPT = [("acme", f"r{number}") for number in range(70)] + [("globex", "r0")]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(f"{GOOD}store: {{url: 'sqlite:///{tmp_path}/p.db'}}\n")
    return path


async def found(path: Path, *, fill: bool = False) -> list[bytes | None]:
    """What is found of ``KEPT``."""
    shelf = SqliteShelf(path, ShelfBounds(86_400, 10_000_000, 10_000_000, 1_000_000), on_error=print)
    if fill:
        for tenant, key in KEPT:
            await shelf.keep(tenant, key, f"{tenant} has said something".encode())
    values = [await shelf.find(*place) for place in KEPT]
    await shelf.aclose()
    return values


def test_all_of_a_tenant_is_removed_from_the_disk_and_nothing_of_others(config: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.db.responses"
    assert None not in asyncio.run(found(path, fill=True))
    result = RUN.invoke(app, ["forget", "acme", "-c", str(config)])
    assert (result.exit_code, result.output) == (0, "Removed 70 kept answers of acme.\n")
    assert asyncio.run(found(path)) == [None] * 70 + [b"globex has said something"]
    assert b"acme has" not in path.read_bytes()
    result = RUN.invoke(app, ["forget", "acme", "-c", str(config)])
    assert (result.exit_code, result.output) == (0, "Removed 0 kept answers of acme.\n")


def test_a_gateway_that_runs_is_not_disturbed(config: Path, tmp_path: Path) -> None:
    asyncio.run(found(tmp_path / "p.db.responses", fill=True))
    lock = ProcessLock(tmp_path / "p.db.lock")
    result = RUN.invoke(app, ["forget", "acme", "-c", str(config)])
    lock.release()
    assert result.exit_code == 1
    assert "stop it" in result.output
    assert None not in asyncio.run(found(tmp_path / "p.db.responses"))


def test_where_nothing_is_kept_nothing_is_made(config: Path, tmp_path: Path) -> None:
    result = RUN.invoke(app, ["forget", "acme", "-c", str(config)])
    assert result.exit_code == 0
    assert "Nothing is kept" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_a_file_that_is_no_database_is_told_of(config: Path, tmp_path: Path) -> None:
    (tmp_path / "p.db.responses").write_bytes(b"x" * 5000)
    result = RUN.invoke(app, ["forget", "acme", "-c", str(config)])
    assert result.exit_code == 1
    assert "not a database" in result.output
