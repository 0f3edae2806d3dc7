"""``SqliteShelf``: what callers come back for, in an SQLite file of its own. One thread holds the only connection."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from penstock.core.errors import StoreFailed
from penstock.core.ports import Clock
from penstock.stores.line import Line
from penstock.stores.shelf import ENTRY_BYTES, ShelfBounds, is_key

T = TypeVar("T")

VERSION = 1
_PAGE_BYTES = 2048
# `cover` is a page of zeros: no byte of a value lies in a page that other entries share. There a tree that moves an
# entry leaves a copy which `secure_delete` does not overwrite.
# `held` is what each tenant has, kept by the triggers within whatever transaction changes it.
_SCHEMA = (
    """CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    kept_s REAL NOT NULL,
    bytes INTEGER NOT NULL,
    cover BLOB NOT NULL,
    value BLOB NOT NULL
)""",
    "CREATE UNIQUE INDEX entries_key ON entries (tenant, key)",
    "CREATE INDEX entries_tenant ON entries (tenant, id)",
    "CREATE INDEX entries_kept_s ON entries (kept_s)",
    "CREATE TABLE held (tenant TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (tenant)) WITHOUT ROWID",
    """CREATE TRIGGER entry_comes AFTER INSERT ON entries BEGIN
    INSERT INTO held VALUES (new.tenant, new.bytes)
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END""",
    """CREATE TRIGGER entry_goes AFTER DELETE ON entries BEGIN
    UPDATE held SET bytes = bytes - old.bytes WHERE tenant = old.tenant;
    DELETE FROM held WHERE tenant = old.tenant AND bytes = 0;
END""",
    f"PRAGMA user_version = {VERSION}",
)
_PRAGMAS = (
    f"PRAGMA page_size = {_PAGE_BYTES}",
    "PRAGMA auto_vacuum = INCREMENTAL",  # before the first page is written, or never
    "PRAGMA secure_delete = ON",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA busy_timeout = 500",
    "PRAGMA cache_size = -2048",
)
_KEEP = "INSERT INTO entries (tenant, key, kept_s, bytes, cover, value) VALUES (?, ?, ?, ?, zeroblob(?), ?)"
_FIND = "SELECT value FROM entries WHERE tenant = ? AND key = ? AND kept_s > ?"
_FORGET = "DELETE FROM entries WHERE tenant = ? AND key = ? AND kept_s > ?"
_REPLACE = "DELETE FROM entries WHERE tenant = ? AND key = ?"
_HELD_BY_ONE = "SELECT sum(bytes) FROM held WHERE tenant = ?"
_HELD_BY_ALL = "SELECT sum(bytes) FROM held"
_OLDEST_OF_ONE = "DELETE FROM entries WHERE id = (SELECT min(id) FROM entries WHERE tenant = ?)"
_OLDEST_OF_ALL = "DELETE FROM entries WHERE id = (SELECT min(id) FROM entries)"
_SOME_OF_ONE = "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE tenant = ? LIMIT ?)"
# A clock that was wrong and was set back: nothing of it outlives the retention by more.
_FROM_THE_FUTURE = "UPDATE entries SET kept_s = ? WHERE kept_s > ?"
_TOO_OLD = "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE kept_s <= ? ORDER BY kept_s LIMIT ?)"

# In one transaction, which others wait for.
_SWEPT_ENTRIES = 32
_VACUUMED_PAGES = 4096
_AT_ONCE = 8
_FAILED = "Kept answers cannot be reached: an operator has to look at the gateway's disk."
_LATE = "The gateway's store does not answer: retry in a moment."


class SqliteShelf:
    """``Shelf`` in the file ``path``, which nobody else opens. It is made when the first value is kept.

    What is too old, or forgotten, is gone from the disk ``every_s`` later, and a sweep; ``on_error`` is told of a sweep
    that failed. ``clock`` is wall time. ``start`` comes first, ``aclose`` last.
    """

    # Somebody waits so long in line for the disk, and so long for the disk.
    LIMIT_S = 5.0

    def __init__(
        self,
        path: Path,
        bounds: ShelfBounds,
        *,
        on_error: Callable[[StoreFailed], None],
        clock: Clock = time.time,
        every_s: float = 60.0,
    ) -> None:
        self._path = path
        self._bounds = bounds
        self._on_error = on_error
        self._clock = clock
        self._every_s = every_s
        self._thread = ThreadPoolExecutor(1, "penstock-shelf")
        self._line = Line(_AT_ONCE)
        self._connection: sqlite3.Connection | None = None
        self._swept_changes = -1
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Sweep what an earlier run has left, from now on. Nothing is opened here, and nothing ever where no file is."""
        if self._path.exists():
            self._sweep_on()

    @property
    def most_bytes(self) -> int:
        """The largest value that is kept; 0 where nothing is."""
        return self._bounds.most_bytes

    async def keep(self, tenant: str, key: str, value: bytes) -> bool:
        """Put ``value`` under ``key``; whether it was kept. It outlives the process; a power cut may take the last."""
        if not self._bounds.fit(key, value):
            return False
        await self._run(lambda: self._keep(tenant, key, value))
        self._sweep_on()
        return True

    async def find(self, tenant: str, key: str) -> bytes | None:
        """What was kept under ``key``."""
        return await self._run(lambda: self._find(tenant, key)) if is_key(key) else None

    async def forget(self, tenant: str, key: str) -> bool:
        """Remove what was kept under ``key``; whether it was there."""
        return is_key(key) and await self._run(lambda: self._forget(tenant, key))

    async def forget_all(self, tenant: str) -> int:
        """Remove everything of a tenant; how many values that were. The next sweep takes their bytes off the disk."""
        removed = 0
        while some := await self._run(lambda: self._forget_some(tenant)):
            removed += some
        return removed

    async def sweep(self) -> None:
        """Take off the disk what is too old or was forgotten. Raises ``StoreFailed``."""
        while await self._run(self._sweep):
            pass
        await self._run(self._tidy)

    async def aclose(self) -> None:
        """Let go of the file. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None
        with suppress(sqlite3.Error):  # what was kept is on the disk already
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _sweep_on(self) -> None:
        if self._sweeper is None and not self._closed:
            self._sweeper = asyncio.create_task(self._sweep_forever(), name="penstock-shelf")

    async def _sweep_forever(self) -> None:
        while True:
            try:
                await self.sweep()
            except StoreFailed as error:
                self._on_error(error)
            await asyncio.sleep(self._every_s)

    async def _run(self, work: Callable[[], T]) -> T:
        await self._line.enter(self.LIMIT_S)
        if self._closed:
            self._line.leave()
            raise StoreFailed(_FAILED)
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        # The place is free when the thread is, not when somebody has stopped waiting: the disk may hang.
        future.add_done_callback(self._done)
        await asyncio.wait((future,), timeout=self.LIMIT_S)
        if not future.done():
            raise StoreFailed(_LATE)
        try:
            return future.result()
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(_FAILED) from error

    def _done(self, future: asyncio.Future[T]) -> None:
        self._line.leave()
        future.exception()  # looked at, where nobody waits for it any more

    # --- on the thread ---

    def _keep(self, tenant: str, key: str, value: bytes) -> None:
        connection, size = self._opened(), ENTRY_BYTES + len(value)
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            connection.execute(_REPLACE, (tenant, key))
            _make_room(connection, self._bounds.max_tenant_bytes - size, _HELD_BY_ONE, _OLDEST_OF_ONE, (tenant,))
            _make_room(connection, self._bounds.max_bytes - size, _HELD_BY_ALL, _OLDEST_OF_ALL, ())
            connection.execute(_KEEP, (tenant, key, self._clock(), size, _PAGE_BYTES, value))

    def _find(self, tenant: str, key: str) -> bytes | None:
        if not self._is_there():
            return None
        row = self._opened().execute(_FIND, (tenant, key, self._too_old_s())).fetchone()
        return None if row is None else bytes(row[0])

    def _forget(self, tenant: str, key: str) -> bool:
        return self._is_there() and self._opened().execute(_FORGET, (tenant, key, self._too_old_s())).rowcount > 0

    def _forget_some(self, tenant: str) -> int:
        return self._opened().execute(_SOME_OF_ONE, (tenant, _SWEPT_ENTRIES)).rowcount if self._is_there() else 0

    def _sweep(self) -> bool:
        """Remove some of what is too old; whether there may be more."""
        if not self._is_there():
            return False
        connection, now_s = self._opened(), self._clock()
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            connection.execute(_FROM_THE_FUTURE, (now_s, now_s))
            return connection.execute(_TOO_OLD, (self._too_old_s(), _SWEPT_ENTRIES)).rowcount == _SWEPT_ENTRIES

    def _tidy(self) -> None:
        """Give space back, and leave nothing of what is gone in the write-ahead log."""
        if (connection := self._connection) is None:
            return
        changes, (free_pages,) = connection.total_changes, connection.execute("PRAGMA freelist_count").fetchone()
        if changes != self._swept_changes or free_pages:
            # A script: it steps for each page, in rows without columns, and `execute` ends with the first of those.
            connection.executescript(f"PRAGMA incremental_vacuum({_VACUUMED_PAGES})")
            ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if not busy:  # with somebody who reads the file from outside
                self._swept_changes = changes

    def _too_old_s(self) -> float:
        return self._clock() - self._bounds.retention_s

    def _is_there(self) -> bool:
        return self._connection is not None or self._path.exists()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _open(self._path)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _make_room(
    connection: sqlite3.Connection, room_bytes: int, held: str, remove_oldest: str, of: tuple[str, ...]
) -> None:
    while (connection.execute(held, of).fetchone()[0] or 0) > room_bytes:
        if connection.execute(remove_oldest, of).rowcount != 1:
            raise StoreFailed(_FAILED)  # what is held is not what was counted


def _open(path: Path) -> sqlite3.Connection:
    # What callers have said lies in it, and in the files beside it, which get the same permissions.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    # Transactions begin where this file says so: sqlite3 must not begin one on its own.
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma).fetchall()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for statement in _SCHEMA:
                connection.execute(statement)
    elif version != VERSION:
        raise sqlite3.DatabaseError(
            f"written by a newer penstock (schema {version}, this one knows {VERSION}): run that version, or remove the "
            "file with all that it keeps"
        )
