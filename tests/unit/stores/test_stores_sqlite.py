"""The SQLite index: schema versions, odd events, money, exactly once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from penstock.core.errors import StoreFailed
from penstock.core.ports import AuditQuery
from penstock.stores import migrations
from penstock.stores.seals import START, Batch, Position
from penstock.stores.sqlite import SqliteStore
from support.audited import append_call, intent
from support.logs import ListLog

DAY = date(1970, 1, 3)
NOON_S = 2.5 * 86_400


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(f"sqlite:///{tmp_path}/p.db")
    await store.open()
    yield store
    await store.aclose()


async def _index(store: SqliteStore, records: Sequence[dict[str, Any]]) -> None:
    before = await store.indexed_to()
    lines = [msgspec.json.encode(record) for record in records]
    end = Position(1, before.offset + 100, before.sequence + len(lines), "m")
    await store.index(Batch(before.sequence + 1, lines, end))


async def _events(store: SqliteStore) -> list[dict[str, Any]]:
    return (await store.query(AuditQuery(limit=1000))).events


# --- schema ---


def test_head_is_the_newest_script() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


async def test_a_new_database_is_what_the_scripts_would_make(store: SqliteStore, tmp_path: Path) -> None:
    assert await store.indexed_to() == START
    by_scripts = sa.create_engine("sqlite://")
    with by_scripts.begin() as connection:
        migrations.run_scripts(connection, None)
        assert migrations.revision(connection) == migrations.HEAD
    by_store = sa.create_engine(f"sqlite:///{tmp_path}/p.db")
    assert _content(by_store) == _content(by_scripts)


def _content(engine: sa.Engine) -> tuple[dict[str, str], list[Any]]:
    """The text that made each table and index, without its line breaks; and where the index begins."""
    made = sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'")
    with engine.connect() as connection:
        schema = {row.name: " ".join(row.sql.split()) for row in connection.execute(made)}
        begins = [tuple(row) for row in connection.execute(sa.text("SELECT * FROM indexed"))]
    engine.dispose()
    return schema, begins


async def test_opening_again_finds_what_was_indexed(tmp_path: Path) -> None:
    for number in range(1, 3):
        store = SqliteStore(f"sqlite:///{tmp_path}/p.db")
        await store.open()
        await _index(store, [{"event_type": "a"}])
        assert len(await _events(store)) == number
        await store.aclose()


async def test_a_database_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    database = sqlite3.connect(path)
    database.executescript("CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('9');")
    database.close()
    store = SqliteStore(f"sqlite:///{path}")
    with pytest.raises(StoreFailed, match="newer penstock"):
        await store.open()
    await store.aclose()
    database = sqlite3.connect(path)
    assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("alembic_version",)]
    database.close()


async def test_a_migration_that_stops_half_way_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE daily_cost (day INTEGER)")  # in the way of the first script's third step
    database.close()
    store = SqliteStore(f"sqlite:///{path}")
    with pytest.raises(StoreFailed):
        await store.open()
    await store.aclose()
    database = sqlite3.connect(path)
    assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("daily_cost",)]
    database.close()


async def test_only_one_process_has_the_database(store: SqliteStore, tmp_path: Path) -> None:
    other = SqliteStore(f"sqlite:///{tmp_path}/p.db")
    with pytest.raises(StoreFailed, match="Another penstock process"):
        await other.open()
    await other.aclose()
    assert await store.indexed_to() == START


def test_other_databases_are_refused() -> None:
    with pytest.raises(StoreFailed, match="only sqlite"):
        SqliteStore("postgresql://db/penstock")


# --- events ---


async def test_a_completed_call_comes_back_as_it_was_recorded(store: SqliteStore) -> None:
    log = ListLog()
    await append_call(log, NOON_S, cost=33_600, tags={"team": "a"}, stream=True)
    await _index(store, log.records)
    assert await _events(store) == [{"sequence": 1, **log.records[0]}]


async def test_any_event_is_taken_with_the_fields_it_has(store: SqliteStore) -> None:
    records: list[dict[str, Any]] = [
        {"event_type": "config_reloaded", "time": 1.5, "by": "admin", "changes": {"models": 2}},
        {"event_type": 7, "time": "soon", "input_tokens": True, "tags": ["x"]},
        {"event_type": "llm_request_completed", "call_id": "c", "cost_nano_usd": 10**30, "status": None},
        {"event_type": "llm_intent", "call_id": "c"},
        {},
    ]
    await _index(store, records)
    found = await _events(store)
    assert found[-1] == {"sequence": 1, **records[0]}
    assert found[-2] == {"sequence": 2, **records[1]}
    assert found[-3]["cost_nano_usd"] == 10**30
    assert found[-4] == {"sequence": 4, **records[3]}
    assert found[-5] == {"sequence": 5}


async def test_values_that_no_stage_would_write_do_not_stop_the_index(store: SqliteStore) -> None:
    log = ListLog()
    for number in range(3):
        await append_call(log, NOON_S + number)
    log.records[1] |= {"cost_nano_usd": 10**30, "tenant_id": {"not": "text"}}
    await _index(store, log.records)
    newest, odd, oldest = await _events(store)
    assert (newest["sequence"], oldest["sequence"]) == (3, 1)
    assert (odd["cost_nano_usd"], odd["tenant_id"]) == (10**30, {"not": "text"})


async def test_a_line_that_is_not_json_is_kept(store: SqliteStore) -> None:
    await store.index(Batch(1, [b"{oops"], Position(1, 10, 1, "m")))
    assert await _events(store) == [{"sequence": 1, "event_type": "unreadable", "line": "{oops"}]


async def test_a_batch_is_indexed_once(store: SqliteStore) -> None:
    batch = Batch(1, [b'{"event_type":"a"}'] * 200, Position(1, 10, 200, "m"))
    await store.index(batch)
    with pytest.raises(StoreFailed):
        await store.index(batch)
    assert len(await _events(store)) == 200
    assert await store.indexed_to() == batch.end


# --- money ---


async def test_spent_is_what_was_settled_and_what_never_reported_an_end(store: SqliteStore) -> None:
    log = ListLog()
    log.records += [intent("one", "acme", 500, NOON_S), intent("two", "acme", 700, NOON_S)]
    log.records += [intent("three", "globex", 900, NOON_S), intent("old", "acme", 10_000, NOON_S - 86_400)]
    await append_call(log, NOON_S + 1, cost=40, call_id="one")
    await _index(store, log.records)
    assert await store.spent(DAY) == {"acme": 740, "globex": 900}
    later = ListLog()
    await append_call(later, NOON_S + 2, cost=60, call_id="two")
    await append_call(later, NOON_S + 3, cost=5, call_id="without intent", tenant="initech")
    await _index(store, later.records)
    assert await store.spent(DAY) == {"acme": 100, "globex": 900, "initech": 5}
    assert await store.spent(date(1970, 1, 2)) == {"acme": 10_000}


async def test_a_call_over_midnight_costs_the_day_it_began(store: SqliteStore) -> None:
    log = ListLog()
    await append_call(log, 3 * 86_400 + 0.5, cost=60)
    await _index(store, log.records)
    assert await store.spent(DAY) == {"acme": 60}
