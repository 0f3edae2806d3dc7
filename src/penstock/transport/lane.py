"""One origin: its pool, its queue and the exchange of one request.

Every slot has one owner who frees it: see ``connection.py``. Whatever is cancelled here, the slot goes on to the next.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TypeAlias

from penstock.core.errors import BulkheadFull, UpstreamUnavailable
from penstock.core.ports import Origin
from penstock.transport.connection import Connection, StaleConnection
from penstock.transport.dialing import Dialer
from penstock.transport.limits import TransportLimits
from penstock.transport.message import RequestHead
from penstock.transport.pool import Admission, Pool
from penstock.transport.response import Response

# What a waiter is handed: a connection to use, or None for a slot to open one in.
_Grant: TypeAlias = "asyncio.Future[Connection | None]"

_ALL_BUSY = "All connections to the provider are busy. Try again."


class Lane:
    """Sends requests to one origin over pooled connections."""

    def __init__(self, origin: Origin, limits: TransportLimits, dialer: Dialer) -> None:
        self._origin = origin
        self._limits = limits
        self._dialer = dialer
        self._pool: Pool[Connection, _Grant] = Pool(
            max_connections=limits.max_connections_per_origin,
            max_waiting=limits.max_waiting_per_origin,
            keep_alive_s=limits.keep_alive_s,
        )
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(self, head: RequestHead, body: bytes, lines: bytes = b"") -> Response:
        """Exchange a request for a response's head; once more on a fresh connection when a kept-alive one was stale."""
        data = head.followed_by(body, lines)
        connection = self._pool.reuse(monotonic()) or await self._obtain()
        while True:
            answer = connection.exchange(data, bodiless=head.bodiless_answer)
            try:
                return await answer
            except StaleConnection:  # which a fresh connection never is
                self._pool.replace(connection)
            except BaseException:
                _give_up(connection, answer)
                raise
            connection = await self._open()

    def close(self) -> None:
        """Drop every connection; what waits for one, and what comes later, is refused."""
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for connection in self._pool.connections():
            connection.close()

    # --- within ---

    async def _obtain(self) -> Connection:
        for expired in self._pool.expire(monotonic()):
            expired.abort()
        admission = self._pool.admit()
        if admission is Admission.OPEN:
            return await self._open()
        if admission is Admission.WAIT:
            return await self._wait() or await self._open()
        raise BulkheadFull(_ALL_BUSY, retry_after_s=1.0)

    async def _open(self) -> Connection:
        """A fresh connection in a slot that is held already."""
        try:
            connection = await self._dial()
        except BaseException:
            self._hand_slot_on(self._pool.not_opened())
            raise
        self._pool.opened(connection)
        return connection

    async def _dial(self) -> Connection:
        self._refuse_when_closed()
        connection = await self._dialer.dial(self._origin, self._make)
        if self._closed:
            connection.abort()
        self._refuse_when_closed()
        return connection

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise UpstreamUnavailable("The gateway is shutting down.")

    async def _wait(self) -> Connection | None:
        waiter: _Grant = asyncio.get_running_loop().create_future()
        self._pool.wait(waiter)
        try:
            async with asyncio.timeout(self._limits.wait_s):
                return await waiter
        except BaseException as error:
            if not waiter.cancel() and not waiter.cancelled():  # granted, and cancelled before it could be used
                self._hand_back(waiter.result())
            if isinstance(error, TimeoutError):
                raise BulkheadFull(_ALL_BUSY, retry_after_s=1.0) from None
            raise

    def _make(self) -> Connection:
        return Connection(self._limits, self._free, asyncio.get_running_loop())

    def _free(self, connection: Connection, reusable: bool) -> None:  # noqa: FBT001 - a callback's verdict
        if not reusable:
            self._hand_slot_on(self._pool.discard(connection))
            return
        waiter = self._pool.release(connection, monotonic())
        if waiter is not None:
            waiter.set_result(connection)
            return
        connection.idle = True
        if self._sweep_timer is None:
            self._sweep_later()

    def _hand_back(self, granted: Connection | None) -> None:
        if granted is None:
            self._hand_slot_on(self._pool.not_opened())
        else:
            self._free(granted, not granted.lost)

    @staticmethod
    def _hand_slot_on(waiter: _Grant | None) -> None:
        if waiter is not None:
            waiter.set_result(None)

    def _sweep(self) -> None:
        """Close what nobody has used; an idle connection lives at most twice its keep-alive time."""
        self._sweep_timer = None
        for expired in self._pool.expire(monotonic()):
            expired.abort()
        if self._pool.idle:
            self._sweep_later()

    def _sweep_later(self) -> None:
        self._sweep_timer = asyncio.get_running_loop().call_later(self._limits.keep_alive_s, self._sweep)


def _give_up(connection: Connection, answer: asyncio.Future[Response]) -> None:
    if answer.cancel() or answer.cancelled() or answer.exception() is not None:
        connection.drop()
    else:  # cancelled in the moment after the head had come
        answer.result().close()
