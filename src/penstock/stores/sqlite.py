"""``SqliteStore``: the queryable index over the log, in SQLite. One thread holds the only connection."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from penstock.core.errors import StoreFailed
from penstock.core.ports import AuditPage, AuditQuery
from penstock.stores import rows
from penstock.stores.lock import ProcessLock
from penstock.stores.migrations import upgrade
from penstock.stores.rows import Contents, Money
from penstock.stores.seals import Batch, Position

T = TypeVar("T")
# How the store reaches the log: what stands behind a position, and what stood between one and a byte of its segment.
Read: TypeAlias = Callable[[Position], Batch | None]
ReadAgain: TypeAlias = Callable[[Position, int], Batch]
# The columns of the table `blocks`, in their order.
_Row: TypeAlias = tuple[int, int, int, int, str, float | None, float | None, bytes, bytes]
_BLOCKS = "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

_PRAGMAS = (
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 2000",
    "PRAGMA cache_size = -4096",
)
# Many rows travel as one JSON text: sqlite3 takes the interpreter's lock once for each statement it steps through, and
# the event loop waits for the same lock.
_TENANTS = "INSERT INTO block_tenants SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)"
_OPENED = (
    "INSERT OR REPLACE INTO open_intents SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
    "json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each(?)"
)
_CLOSED = "DELETE FROM open_intents WHERE call_id IN (SELECT value FROM json_each(?))"
_SETTLED = (
    "INSERT INTO daily_cost VALUES (?, ?, ?) "
    "ON CONFLICT (day, tenant_id) DO UPDATE SET nano_usd = nano_usd + excluded.nano_usd"
)
# Nothing is moved when another has been here since.
_MOVED = 'UPDATE "indexed" SET segment = ?, byte_offset = ?, sequence = ?, mac = ? WHERE sequence = ?'
_INDEXED_TO = 'SELECT segment, byte_offset, sequence, mac FROM "indexed"'
_SPENT = (
    "SELECT tenant_id, sum(nano_usd) FROM ("
    "SELECT day, tenant_id, nano_usd FROM daily_cost UNION ALL SELECT day, tenant_id, nano_usd FROM open_intents"
    ") WHERE day = ? GROUP BY tenant_id"
)
# In one transaction: a page of the database is written once for all of them.
_COMMIT_BLOCKS = 64
_PAGE_RECORDS = 1000
_FAILED = "The audit index cannot be used: an operator has to look at its database."


class SqliteStore:
    """The index in the database of ``url`` (``sqlite:///PATH``, or ``sqlite://`` for one in memory).

    Every method may raise ``StoreFailed``. ``open`` comes first, ``aclose`` last.
    """

    def __init__(self, url: str) -> None:
        backend, _, rest = url.partition("://")
        if backend != "sqlite":
            raise StoreFailed(f"`store.url` names {backend}, and only sqlite:///PATH is served.")
        self._path = Path(rest[1:]) if rest else None
        self._thread = ThreadPoolExecutor(1, "penstock-owner")
        self._lock_file: ProcessLock | None = None
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Take the database for this process and bring its schema up to date."""
        try:
            await self._run(self._open)
        except BaseException:
            await self.aclose()
            raise

    async def index(self, after: Position, read: Read) -> Position:
        """Add some of what ``read`` gives behind ``after``, where the index must end; where it ends now.

        Wholly or not at all. ``read`` is called on the store's thread.
        """
        return await self._run(lambda: self._index(after, read))

    async def indexed_to(self) -> Position:
        """How far the log is indexed."""
        return await self._run(self._indexed_to)

    async def query(self, query: AuditQuery, read_again: ReadAgain) -> AuditPage:
        """A page of what is indexed, newest first; ``since_s`` is included, ``until_s`` is not.

        The index says which blocks may hold it, ``read_again`` reads them from the log, on the store's thread.
        """
        return await self._run(lambda: self._query(query, read_again))

    async def spent(self, day: date) -> dict[str, int]:
        """Nano-USD per tenant of a UTC day: settled, and what calls that never reported an end had reserved."""
        return await self._run(lambda: self._spent((day - date(1970, 1, 1)).days))

    async def spent_today(self) -> dict[str, int]:
        """``spent`` of the current UTC day."""
        return await self.spent(datetime.now(UTC).date())

    async def aclose(self) -> None:
        """Let go of the database. May be called twice."""
        if self._connection is not None or self._lock_file is not None:
            await self._run(self._close)
        self._thread.shutdown()

    # --- on the thread ---

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(_FAILED) from error

    def _open(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = ProcessLock(self._path.with_name(f"{self._path.name}.lock"))
        # Transactions begin where this file says so: sqlite3 must not begin one on its own.
        self._connection = sqlite3.connect(self._path or ":memory:", isolation_level=None)
        for pragma in _PRAGMAS:
            self._connection.execute(pragma).close()
        upgrade(self._connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock_file is not None:
            self._lock_file.release()
            self._lock_file = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreFailed(_FAILED)
        return self._connection

    def _index(self, after: Position, read: Read) -> Position:
        connection = self._opened()
        found, tenants, money, end = list[_Row](), list[tuple[str, int]](), Money(), after
        while len(found) < _COMMIT_BLOCKS and (batch := read(end)) is not None:
            holds = rows.contents(batch, money)
            found.append(_row(batch, holds))
            tenants += [(tenant, batch.first) for tenant in holds.tenants]
            end = batch.end
        if not found:
            return end
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            connection.executemany(_BLOCKS, found)
            connection.execute(_TENANTS, (_json(sorted(tenants)),))
            _keep_money(connection, money)
            moved = connection.execute(_MOVED, (end.segment, end.offset, end.sequence, end.mac, after.sequence))
            if moved.rowcount != 1:
                raise StoreFailed(_FAILED)
        return end

    def _indexed_to(self) -> Position:
        return Position(*self._opened().execute(_INDEXED_TO).fetchone())

    def _query(self, query: AuditQuery, read_again: ReadAgain) -> AuditPage:
        limit = max(1, min(query.limit, _PAGE_RECORDS))
        events: list[dict[str, Any]] = []
        with closing(self._opened().execute(*_candidates(query))) as candidates:
            for first, segment, offset, end_offset, mac in candidates:
                try:
                    batch = read_again(Position(segment, offset, first - 1, mac), end_offset)
                except StoreFailed as error:
                    if events:  # a page of what is sound; the next one begins here and says why it fails
                        return AuditPage(events, events[-1]["sequence"])
                    raise StoreFailed(f"{error} What is older can be read with a cursor of {first}.") from error
                events += islice(rows.events(batch, query), limit + 1 - len(events))
                if len(events) > limit:
                    break
        return AuditPage(events[:limit], events[limit - 1]["sequence"] if len(events) > limit else None)

    def _spent(self, day: int) -> dict[str, int]:
        return dict(self._opened().execute(_SPENT, (day,)))


def _keep_money(connection: sqlite3.Connection, money: Money) -> None:
    if money.settled:
        connection.executemany(_SETTLED, money.costs())
    if money.closed:
        connection.execute(_CLOSED, (_json(money.closed),))
    if money.opened:
        connection.execute(_OPENED, (_json(money.intents()),))


def _row(batch: Batch, holds: Contents) -> _Row:
    start, end = batch.after, batch.end
    place = (batch.first, start.segment, start.offset, end.offset, start.mac)
    return (*place, holds.oldest_s, holds.newest_s, holds.traces, holds.requests)


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()


def _candidates(query: AuditQuery) -> tuple[str, list[Any]]:
    """The blocks that may hold what is asked for, newest first, as a statement and what goes into it."""
    asked: list[tuple[str, Any]] = [
        ("tenant_id = ?", query.tenant),
        ("instr(traces, ?) > 0", None if query.trace_id is None else rows.fingerprints([query.trace_id])),
        ("instr(requests, ?) > 0", None if query.request_id is None else rows.fingerprints([query.request_id])),
        ("newest_s >= ?", query.since_s),
        ("oldest_s < ?", query.until_s),
        ("first < ?", query.cursor),
    ]
    given = [(condition, value) for condition, value in asked if value is not None]
    # With a tenant `first` is that of block_tenants, whose order is at hand: nothing is sorted.
    source = "blocks" if query.tenant is None else "block_tenants JOIN blocks USING (first)"
    where = " AND ".join(["TRUE", *(condition for condition, _ in given)])
    columns = "first, segment, byte_offset, end_offset, mac"
    statement = f"SELECT {columns} FROM {source} WHERE {where} ORDER BY first DESC"  # noqa: S608 - all of it stands here
    return statement, [value for _, value in given]
