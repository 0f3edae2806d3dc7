"""One connection: writes requests, turns what comes back into responses.

At any time one party owns it and is the one to free its slot: the pool while it is idle, the sender until a head has
come, the response until its body is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias, cast

from penstock.core.errors import PenstockError, UpstreamCut, UpstreamUnavailable
from penstock.transport.limits import TransportLimits
from penstock.transport.message import ResponseParser
from penstock.transport.response import Response

# uvloop's largest read. More is waiting behind such a one, and libuv would take up to 32 of them (8 MB) in one turn of
# the loop (https://github.com/libuv/libuv/blob/v1.x/src/unix/stream.c, uv__read, 2026-11-21).
_FULL_READ_BYTES = 256_000

OnFree: TypeAlias = Callable[["Connection", bool], None]


class StaleConnection(Exception):
    """The peer closed a kept-alive connection as we began to use it, before a byte of the answer: ask again once."""


class Connection(asyncio.Protocol):
    """``on_free(connection, reusable)`` is called whenever it frees itself."""

    __slots__ = (
        "_head",
        "_loop",
        "_on_free",
        "_parser",
        "_paused",
        "_response",
        "_sent_at_s",
        "_stale_s",
        "_transport",
        "_untouched",
        "_used",
        "idle",
        "lost",
    )

    def __init__(self, limits: TransportLimits, on_free: OnFree, loop: asyncio.AbstractEventLoop) -> None:
        self.idle = False  # owned by the pool
        self._on_free = on_free
        self._loop = loop
        self._parser = ResponseParser(limits.head_bytes)
        self._stale_s = limits.stale_s
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.Future[Response] | None = None
        self._response: Response | None = None
        self._paused = False
        self.lost = False  # nothing more can be sent
        self._used = False  # has answered before
        self._untouched = True  # by a byte of the present answer

    # --- the sender ---

    def exchange(self, data: bytes, *, bodiless: bool) -> asyncio.Future[Response]:
        """Send one request; the future holds the response once its head has come.

        It fails with ``StaleConnection``, ``UpstreamUnavailable``, ``UpstreamCut`` or ``UpstreamMalformed``.
        """
        self._head = head = self._loop.create_future()
        self.idle = False
        self._untouched = True
        self._sent_at_s = self._loop.time()
        transport = self._transport
        if self.lost or transport is None:
            self._fail_head()
        else:
            self._parser.expect(bodiless=bodiless)
            transport.write(data)
        return head

    def abort(self) -> None:
        """Close the socket at once, telling nobody."""
        self.lost = True
        self._head = self._response = None
        self.close()

    def close(self) -> None:
        """Close the socket at once; whoever waits for an answer is told that it was lost."""
        if self._transport is not None:
            self._transport.abort()

    # --- the response ---

    def pause(self) -> None:
        """Stop reading from the socket."""
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def drop(self) -> None:
        """Close the socket at once and free the slot."""
        self.abort()
        self._on_free(self, False)

    # --- asyncio's callbacks ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it

    def data_received(self, data: bytes) -> None:
        """Bytes of the present answer; from an idle connection they are a fault of the peer's."""
        response, head = self._response, self._head
        if response is None and (head is None or head.done()):
            if self.idle:
                self.drop()
            elif head is None:  # handed over, not used yet
                self.abort()
            return
        self._untouched = False
        if len(data) >= _FULL_READ_BYTES:
            self._let_others()
        parser = self._parser
        try:
            body = parser.feed(data)
        except PenstockError as error:
            self._fail(error)
            return
        if response is None:
            if not parser.head_complete:
                return
            self._response = response = Response(self, parser.status, parser.fields)
            self._head = None
            if head is not None:
                head.set_result(response)
        self._deliver(response, body)

    def eof_received(self) -> None:
        """The peer has closed in order; only this completes a body without a stated length.

        uvloop tells a TLS connection that was cut from one that was closed; asyncio's own TLS takes both for this.
        """
        response = self._response
        if response is not None and self._parser.eof():
            self.lost = True
            self._deliver(response, b"")
        else:
            self._lose()
            self.close()  # asyncio would first wait for what is still to be written

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by whomever."""
        del exc
        self._lose()
        self._transport = None

    # --- within ---

    def _let_others(self) -> None:
        """Read on in the next turn of the loop, so that a flood on this connection holds up nobody else."""
        if self._transport is not None and not self._paused:
            self._transport.pause_reading()
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and not self._paused:
            transport.resume_reading()

    def _deliver(self, response: Response, body: bytes) -> None:
        complete = self._parser.complete
        if complete:
            # Freed before the body goes on: a receiver that fails cannot keep the connection.
            self._response = None
            self._free()
        response.feed(body, last=complete)

    def _free(self) -> None:
        transport = self._transport
        # An answer that came before the whole request was sent leaves the connection in the middle of it.
        if not self._parser.reusable or self.lost or transport is None or transport.get_write_buffer_size():
            self.drop()
            return
        self._used = True
        if self._paused:
            self.resume()
        self._on_free(self, True)

    def _lose(self) -> None:
        self.lost = True
        response, self._response = self._response, None
        if response is not None:
            self._on_free(self, False)
            response.fail(UpstreamCut("The provider closed the connection before the body was complete."))
        elif self._head is not None:
            self._fail_head()
        elif self.idle:
            self._on_free(self, False)

    def _fail(self, error: PenstockError) -> None:
        response, head = self._response, self._head
        self.abort()
        if response is not None:
            self._on_free(self, False)
            response.fail(error)
        elif head is not None:
            head.set_exception(error)

    def _fail_head(self) -> None:
        head, self._head = self._head, None
        if head is None or head.done():
            return
        if self._loop.time() - self._sent_at_s >= self._stale_s:
            head.set_exception(UpstreamCut("The provider closed the connection while it worked on its answer."))
        elif self._used and self._untouched:
            head.set_exception(StaleConnection())
        else:
            head.set_exception(UpstreamUnavailable("The provider closed the connection before it answered."))
