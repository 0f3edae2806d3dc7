"""``Owner``: keeps the index up with the log, and answers queries that see everything appended before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from penstock.core.errors import StoreFailed
from penstock.core.ports import AuditPage, AuditQuery
from penstock.stores.seals import Position
from penstock.stores.segments import SegmentLog
from penstock.stores.sqlite import SqliteStore


class Owner:
    """``Records`` over one log and one index; neither is its own to close.

    ``on_error`` is told when indexing fails in the background. It is tried again each interval: the log has it all.
    """

    def __init__(
        self,
        log: SegmentLog,
        store: SqliteStore,
        *,
        on_error: Callable[[StoreFailed], None],
        interval_s: float = 1.0,
    ) -> None:
        self._log = log
        self._store = store
        self._on_error = on_error
        self._interval_s = interval_s
        self._indexing = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self._position: Position | None = None

    async def start(self) -> None:
        """Index what the last run left, then follow the log until ``aclose``.

        Raises ``StoreFailed`` when the log is not the one that was indexed.
        """
        await self.index()
        self._follower = asyncio.create_task(self._follow(), name="penstock-owner")

    async def spent_today(self) -> dict[str, int]:
        """Nano-USD per tenant of the current UTC day, by all that is on the disk."""
        await self.index()
        return await self._store.spent_today()

    async def query(self, query: AuditQuery) -> AuditPage:
        """A page of audit events. Raises ``StoreFailed``."""
        with suppress(StoreFailed):  # a log that cannot be written any more can still be read
            await self._log.flushed(self._log.sequence)
        await self.index()
        return await self._store.query(query)

    async def index(self) -> None:
        """Bring the index to the end of what is on the disk. Raises ``StoreFailed``."""
        async with self._indexing:
            position = self._position or await self._begin()
            target = self._log.end.sequence
            while position.sequence < target:
                try:
                    batch = await asyncio.to_thread(self._log.read, position)
                except OSError as error:
                    raise StoreFailed("The log cannot be read: an operator has to look at its disk.") from error
                if batch is None:
                    break
                self._position = None  # in doubt, should this wait be cancelled: the database will know
                await self._store.index(batch)
                position = self._position = batch.end

    async def aclose(self) -> None:
        """Stop following, and index the rest."""
        if self._follower is not None:
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower
            self._follower = None
        with suppress(StoreFailed):  # the next start goes on from here
            await self._log.flushed(self._log.sequence)
            await self.index()

    async def _begin(self) -> Position:
        position, end = await self._store.indexed_to(), self._log.end
        if position.sequence > end.sequence or (position.sequence == end.sequence and position.mac != end.mac):
            raise StoreFailed(
                f"The log ends at record {end.sequence} and is not the one indexed up to record {position.sequence}: "
                "it was cut off or replaced. Restore it, or move log and database away together."
            )
        self._position = position
        return position

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.index()
            except StoreFailed as error:
                self._on_error(error)
