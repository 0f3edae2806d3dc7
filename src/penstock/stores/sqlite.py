"""``SqliteStore``: the queryable index over the log, in SQLite. One thread holds the only connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import StaticPool

from penstock.core.errors import StoreFailed
from penstock.core.ports import AuditPage, AuditQuery
from penstock.stores import rows
from penstock.stores.lock import ProcessLock
from penstock.stores.migrations import upgrade
from penstock.stores.rows import Money
from penstock.stores.seals import Batch, Position
from penstock.stores.tables import audit, daily_cost, indexed, open_intents

T = TypeVar("T")

_PRAGMAS = (
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 2000",
    "PRAGMA cache_size = -4096",
)
# As text: SQLAlchemy's insert() takes 10 us more a row.
_INSERT = (
    f"INSERT INTO audit ({', '.join(audit.columns.keys())}) "  # noqa: S608 - names from our own table
    f"VALUES ({', '.join('?' * len(audit.columns))})"
)
# The event loop shares the interpreter: given a turn after so many rows, a busy one stalled 5 ms at worst, else 30.
_TURN_ROWS = 64
_TURN_S = 0.001
_PAGE_RECORDS = 1000
_FAILED = "The audit index cannot be used: an operator has to look at its database."


class SqliteStore:
    """The index in the database of ``url`` (``sqlite:///PATH``, or ``sqlite://`` for one in memory).

    Every method may raise ``StoreFailed``. ``open`` comes first, ``aclose`` last.
    """

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        if self._url.get_backend_name() != "sqlite":
            raise StoreFailed(f"`store.url` names {self._url.get_backend_name()}, and only sqlite:///PATH is served.")
        self._thread = ThreadPoolExecutor(1, "penstock-owner")
        self._lock_file: ProcessLock | None = None
        self._engine: sa.Engine | None = None
        self._connection: sa.Connection | None = None

    async def open(self) -> None:
        """Take the database for this process and bring its schema up to date."""
        try:
            await self._run(self._open)
        except BaseException:
            await self.aclose()
            raise

    async def index(self, batch: Batch) -> None:
        """Add a batch, which must continue where the index ends: wholly or not at all."""
        await self._run(lambda: self._index(batch))

    async def indexed_to(self) -> Position:
        """How far the log is indexed."""
        return await self._run(self._indexed_to)

    async def query(self, query: AuditQuery) -> AuditPage:
        """A page of what is indexed, newest first; ``since_s`` is included, ``until_s`` is not."""
        return await self._run(lambda: self._query(query))

    async def spent(self, day: date) -> dict[str, int]:
        """Nano-USD per tenant of a UTC day: settled, and what calls that never reported an end had reserved."""
        return await self._run(lambda: self._spent((day - date(1970, 1, 1)).days))

    async def spent_today(self) -> dict[str, int]:
        """``spent`` of the current UTC day."""
        return await self.spent(datetime.now(UTC).date())

    async def aclose(self) -> None:
        """Let go of the database. May be called twice."""
        if self._engine is not None or self._lock_file is not None:
            await self._run(self._close)
        self._thread.shutdown()

    # --- on the thread ---

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise StoreFailed(_FAILED) from error

    def _open(self) -> None:
        path = self._url.database
        if path and path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = ProcessLock(Path(f"{path}.lock"))
        self._engine = sa.create_engine(self._url, poolclass=StaticPool)
        sa.event.listen(self._engine, "connect", _connected)
        sa.event.listen(self._engine, "begin", _begun)
        self._connection = self._engine.connect()
        with self._connection.begin():
            upgrade(self._connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        if self._lock_file is not None:
            self._lock_file.release()
            self._lock_file = None

    def _opened(self) -> sa.Connection:
        if self._connection is None:
            raise StoreFailed(_FAILED)
        return self._connection

    def _index(self, batch: Batch) -> None:
        connection = self._opened()
        money = Money()
        with connection.begin():
            found = rows.audit_rows(batch.first, batch.lines, money)
            while turn := list(islice(found, _TURN_ROWS)):
                connection.exec_driver_sql(_INSERT, turn)
                time.sleep(_TURN_S)
            _keep_money(connection, money)
            end = batch.end
            moved = connection.execute(
                sa.update(indexed)
                .where(indexed.c.sequence == batch.first - 1)
                .values(segment=end.segment, byte_offset=end.offset, sequence=end.sequence, mac=end.mac)
            )
            if moved.rowcount != 1:
                raise StoreFailed(_FAILED)

    def _indexed_to(self) -> Position:
        with self._opened().begin():
            row = self._opened().execute(sa.select(indexed)).one()
        return Position(row.segment, row.byte_offset, row.sequence, row.mac)

    def _query(self, query: AuditQuery) -> AuditPage:
        limit = max(1, min(query.limit, _PAGE_RECORDS))
        select = sa.select(audit).order_by(audit.c.sequence.desc()).limit(limit + 1).where(*_conditions(query))
        with self._opened().begin():
            found = self._opened().execute(select).mappings().all()
        events = [rows.event(row) for row in found[:limit]]  # type: ignore[arg-type]  # its keys are names
        return AuditPage(events, events[-1]["sequence"] if len(found) > limit else None)

    def _spent(self, day: int) -> dict[str, int]:
        parts = [sa.select(table.c.tenant_id, table.c.nano_usd).where(table.c.day == day) for table in _MONEY_TABLES]
        both = sa.union_all(*parts).subquery()
        total = sa.select(both.c.tenant_id, sa.func.sum(both.c.nano_usd).label("total")).group_by(both.c.tenant_id)
        with self._opened().begin():
            return {row.tenant_id: row.total for row in self._opened().execute(total)}


_MONEY_TABLES = (daily_cost, open_intents)


def _keep_money(connection: sa.Connection, money: Money) -> None:
    if money.settled:
        settle = insert(daily_cost)
        settle = settle.on_conflict_do_update(
            index_elements=["day", "tenant_id"], set_={"nano_usd": daily_cost.c.nano_usd + settle.excluded.nano_usd}
        )
        costs = [{"day": day, "tenant_id": tenant, "nano_usd": cost} for (day, tenant), cost in money.settled.items()]
        connection.execute(settle, costs)
    if money.closed:
        connection.exec_driver_sql("DELETE FROM open_intents WHERE call_id = ?", [(call,) for call in money.closed])
    if money.opened:
        intents = [(call, *intent) for call, intent in money.opened.items()]
        connection.exec_driver_sql("INSERT OR REPLACE INTO open_intents VALUES (?, ?, ?, ?)", intents)


def _conditions(query: AuditQuery) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if query.tenant is not None:
        conditions.append(audit.c.tenant_id == query.tenant)
    if query.trace_id is not None:
        conditions.append(sa.func.substr(audit.c.trace_id, 1, 2) == query.trace_id[:2])
        conditions.append(audit.c.trace_id == query.trace_id)
    if query.since_s is not None:
        conditions.append(audit.c.time >= query.since_s)
    if query.until_s is not None:
        conditions.append(audit.c.time < query.until_s)
    if query.cursor is not None:
        conditions.append(audit.c.sequence < query.cursor)
    return conditions


def _connected(connection: Any, _record: object) -> None:
    # SQLAlchemy's recipe for real transactions on sqlite3: it must not begin or commit on its own.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _begun(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
