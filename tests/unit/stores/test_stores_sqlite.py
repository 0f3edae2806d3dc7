"""The SQLite index: schema versions, odd events, money, exactly once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from penstock.core.errors import StoreFailed
from penstock.core.ports import AuditPage, AuditQuery
from penstock.stores import migrations
from penstock.stores.recovery import recover
from penstock.stores.seals import START, Batch, Position
from penstock.stores.segment_file import READ_BYTES, SegmentWriter, read_again, read_batch, segment_path
from penstock.stores.sqlite import SqliteStore
from support.audited import append_call, intent
from support.logs import ListLog
from support.logs_on_disk import KEY, Disk

DAY = date(1970, 1, 3)
NOON_S = 2.5 * 86_400
ALL = AuditQuery(limit=1000)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(f"sqlite:///{tmp_path}/p.db")
    await store.open()
    yield store
    await store.aclose()


class Filed:
    """A store over segments that are written line by line, without the log's own thread."""

    def __init__(self, store: SqliteStore, directory: Path, *, segment_bytes: int = 1 << 20) -> None:
        self.store = store
        self.directory = directory
        directory.mkdir(exist_ok=True)
        end = recover(directory, KEY).end
        self.writer = SegmentWriter(directory, KEY, end, segment_bytes=segment_bytes, sync=Disk())

    async def file(self, lines: Sequence[bytes | dict[str, Any]]) -> None:
        """One sealed group, indexed."""
        self.writer.commit([line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines])
        await self.store.index(await self.store.indexed_to(), self.read)

    async def page(self, query: AuditQuery) -> AuditPage:
        return await self.store.query(query, partial(read_again, self.directory, KEY))

    async def events(self, query: AuditQuery = ALL) -> list[dict[str, Any]]:
        return (await self.page(query)).events

    def read(self, after: Position) -> Batch | None:
        return read_batch(self.directory, KEY, after, self.writer.end)


@pytest.fixture
def filed(store: SqliteStore, tmp_path: Path) -> Iterator[Filed]:
    filed = Filed(store, tmp_path / "log")
    yield filed
    filed.writer.close()


# --- schema ---


def test_head_is_the_newest_script() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


async def test_a_new_database_is_what_the_scripts_would_make(store: SqliteStore, tmp_path: Path) -> None:
    assert await store.indexed_to() == START
    by_scripts = sqlite3.connect(":memory:", isolation_level=None)
    migrations.run_scripts(by_scripts, None)
    assert migrations.revision(by_scripts) == migrations.HEAD
    assert _content(sqlite3.connect(tmp_path / "p.db")) == _content(by_scripts)


def _content(database: sqlite3.Connection) -> tuple[dict[str, str], list[Any]]:
    """The text that made each table and index, without its line breaks; and where the index begins."""
    made = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'")
    schema = {name: " ".join(sql.split()) for name, sql in made}
    begins = database.execute('SELECT * FROM "indexed"').fetchall()
    database.close()
    return schema, begins


async def test_opening_again_finds_what_was_indexed(tmp_path: Path) -> None:
    for number in range(1, 3):
        store = SqliteStore(f"sqlite:///{tmp_path}/p.db")
        await store.open()
        filed = Filed(store, tmp_path / "log")
        await filed.file([{"event_type": "a"}])
        assert len(await filed.events()) == number
        filed.writer.close()
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


# A row of what each schema kept of the log.
OLD_SCHEMAS = {
    "0001": "INSERT INTO audit VALUES (2, 'llm_request_completed', 1.5, 'acme', 'a1', '{}')",
    "0002": "INSERT INTO blocks VALUES (1, 1, 0, 99, 'mac', 1.5, 1.5, x'00000000')",
}


@pytest.mark.parametrize("revision", OLD_SCHEMAS)
async def test_a_database_of_an_older_schema_is_rebuilt_from_the_log_and_counts_nothing_twice(
    tmp_path: Path, revision: str
) -> None:
    store = SqliteStore("sqlite://")
    await store.open()
    filed = Filed(store, tmp_path / "log", segment_bytes=500)
    for number in range(5):
        log = ListLog()
        await append_call(log, NOON_S, cost=10, call_id=str(number))
        await filed.file([intent(str(number), "acme", 50, NOON_S), *log.records])
    await filed.file([intent("lost", "acme", 700, NOON_S)])
    _old_schema(tmp_path / "p.db", revision, filed.writer.end)
    old = SqliteStore(f"sqlite:///{tmp_path}/p.db")
    await old.open()
    assert await old.indexed_to() == START
    assert await old.spent(DAY) == {}
    filed.writer.close()
    rebuilt = Filed(old, tmp_path / "log")
    await old.index(START, rebuilt.read)
    assert await old.spent(DAY) == await store.spent(DAY) == {"acme": 750}
    assert [event["call_id"] for event in await rebuilt.events()] == ["4", "3", "2", "1", "0"]
    assert await old.indexed_to() == rebuilt.writer.end
    rebuilt.writer.close()
    await old.aclose()
    await store.aclose()


def _old_schema(path: Path, revision: str, end: Position) -> None:
    """A database as an older version left it, with rows in its tables."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql(OLD_SCHEMAS[revision])
        connection.exec_driver_sql("INSERT INTO daily_cost VALUES (2, 'acme', 50)")
        connection.exec_driver_sql("INSERT INTO open_intents VALUES ('lost', 2, 'acme', 700)")
        moved = "UPDATE indexed SET segment = ?, byte_offset = ?, sequence = ?, mac = ?"
        connection.exec_driver_sql(moved, (end.segment, end.offset, end.sequence, end.mac))
    engine.dispose()


# --- events ---


async def test_a_completed_call_comes_back_as_it_was_recorded(filed: Filed) -> None:
    log = ListLog()
    await append_call(log, NOON_S, cost=33_600, tags={"team": "a"}, stream=True)
    await filed.file(log.records)
    assert await filed.events() == [{"sequence": 1, **log.records[0]}]


async def test_any_event_is_taken_with_the_fields_it_has(filed: Filed) -> None:
    records: list[dict[str, Any]] = [
        {"event_type": "config_reloaded", "time": 1.5, "by": "admin", "changes": {"models": 2}},
        {"event_type": 7, "time": "soon", "input_tokens": True, "tags": ["x"]},
        {"event_type": "llm_request_completed", "call_id": "c", "cost_nano_usd": 10**30, "status": None},
        {"event_type": "llm_intent", "call_id": "c"},
        {},
    ]
    await filed.file(records)
    found = await filed.events()
    assert found[-1] == {"sequence": 1, **records[0]}
    assert found[-2] == {"sequence": 2, **records[1]}
    assert found[-3]["cost_nano_usd"] == 10**30
    assert found[-4] == {"sequence": 4, **records[3]}
    assert found[-5] == {"sequence": 5}


async def test_values_that_no_stage_would_write_do_not_stop_the_index(filed: Filed) -> None:
    log = ListLog()
    for number in range(3):
        await append_call(log, NOON_S + number)
    log.records[1] |= {"cost_nano_usd": 10**30, "tenant_id": {"not": "text"}}
    log.records[2] |= {"cost_nano_usd": -(10**30), "time": 1e308}
    await filed.file([*log.records, intent("far", "acme", 10**30, -1e308)])
    newest, odd, oldest = await filed.events()
    assert (newest["sequence"], oldest["sequence"]) == (3, 1)
    assert (odd["cost_nano_usd"], odd["tenant_id"]) == (10**30, {"not": "text"})


@pytest.mark.parametrize("line", [b"{oops", b'{"a":1}{"a":2}', b'{"a":"\xff"}', b'{"event_type":"\xff"}'])
async def test_a_line_that_is_not_json_is_kept_and_its_neighbours_keep_their_numbers(filed: Filed, line: bytes) -> None:
    await filed.file([{"event_type": "a", "tenant_id": "acme"}, line, {"event_type": "b", "tenant_id": "acme"}])
    b, odd, a = await filed.events()
    assert odd == {"sequence": 2, "event_type": "unreadable", "line": line.decode(errors="replace")}
    assert [(event["sequence"], event["event_type"]) for event in (a, b)] == [(1, "a"), (3, "b")]
    assert await filed.events(AuditQuery(tenant="acme")) == [b, a]


async def test_a_record_cannot_choose_its_number(filed: Filed) -> None:
    await filed.file([{"event_type": "a", "sequence": 77}])
    assert [event["sequence"] for event in await filed.events()] == [1]


async def test_a_batch_is_indexed_once(filed: Filed) -> None:
    await filed.file([{"event_type": "a"}] * 200)
    with pytest.raises(StoreFailed):
        await filed.store.index(START, filed.read)
    assert len(await filed.events()) == 200
    assert await filed.store.indexed_to() == filed.writer.end


async def test_a_block_is_as_large_as_its_group(filed: Filed) -> None:
    for number in range(3):
        await filed.file([{"event_type": "a", "number": number, "text": "x" * READ_BYTES}, {"event_type": "b"}])
    assert [event.get("number") for event in await filed.events()] == [None, 2, None, 1, None, 0]


async def test_a_missing_segment_is_named_and_the_others_can_still_be_read(store: SqliteStore, tmp_path: Path) -> None:
    filed = Filed(store, tmp_path / "log", segment_bytes=1)
    for number in range(3):
        await filed.file([{"event_type": "a", "tenant_id": f"tenant {number}"}])
    segment_path(tmp_path / "log", 2).unlink()
    page = await filed.page(AuditQuery())
    assert [event["sequence"] for event in page.events] == [3]
    missing = r"^log/0*2\.jsonl is missing: .*`penstock audit verify`.*cursor of 2"
    with pytest.raises(StoreFailed, match=missing):
        await filed.events(AuditQuery(cursor=page.next_cursor))
    assert [event["sequence"] for event in await filed.events(AuditQuery(cursor=2))] == [1]
    assert [event["sequence"] for event in await filed.events(AuditQuery(limit=1, tenant="tenant 2"))] == [3]
    assert [event["sequence"] for event in await filed.events(AuditQuery(tenant="tenant 0"))] == [1]
    filed.writer.close()


async def test_a_record_changed_after_it_was_indexed_is_not_shown(filed: Filed) -> None:
    await filed.file([{"event_type": "a", "number": 1}])
    path = segment_path(filed.directory, 1)
    path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":7'))
    with pytest.raises(StoreFailed, match=r"^log/0*1\.jsonl is not what was written.*`penstock audit verify`"):
        await filed.events()
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(StoreFailed, match="not what was written"):
        await filed.events()


# --- money ---


async def test_spent_is_what_was_settled_and_what_never_reported_an_end(filed: Filed) -> None:
    log = ListLog()
    log.records += [intent("one", "acme", 500, NOON_S), intent("two", "acme", 700, NOON_S)]
    log.records += [intent("three", "globex", 900, NOON_S), intent("old", "acme", 10_000, NOON_S - 86_400)]
    await append_call(log, NOON_S + 1, cost=40, call_id="one")
    await filed.file(log.records)
    assert await filed.store.spent(DAY) == {"acme": 740, "globex": 900}
    later = ListLog()
    await append_call(later, NOON_S + 2, cost=60, call_id="two")
    await append_call(later, NOON_S + 3, cost=5, call_id="without intent", tenant="initech")
    await filed.file(later.records)
    assert await filed.store.spent(DAY) == {"acme": 100, "globex": 900, "initech": 5}
    assert await filed.store.spent(date(1970, 1, 2)) == {"acme": 10_000}


async def test_a_call_over_midnight_costs_the_day_it_began(filed: Filed) -> None:
    log = ListLog()
    await append_call(log, 3 * 86_400 + 0.5, cost=60)
    await filed.file(log.records)
    assert await filed.store.spent(DAY) == {"acme": 60}
