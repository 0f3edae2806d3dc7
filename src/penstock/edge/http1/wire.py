"""``Wire``: the way out of one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from penstock.edge.http1.face import Reply, StreamReply
from penstock.edge.http1.rendering import CLOSE, STATUS_LINES, header_lines


class Outlet(Struct, eq=False):
    """What all wires of a server share: its loop, its tasks and the headers of every response."""

    loop: asyncio.AbstractEventLoop
    server_state: ServerState
    _source: list[tuple[bytes, bytes]] | None = None
    _shared: bytes = b""

    def shared_lines(self) -> bytes:
        """Date and the like, rendered anew when uvicorn has made a new list: once a second."""
        current = self.server_state.default_headers
        if current is not self._source:
            self._source = current
            self._shared = header_lines(current)
        return self._shared


class Wire:
    """Writes responses, knows whether the client keeps up, and closes.

    ``closing`` is true from our decision to close on: what still comes in is not looked at.
    """

    __slots__ = (
        "_outlet",
        "answered",
        "closing",
        "flow",
        "transport",
        "write_paused",
    )

    def __init__(self, transport: asyncio.Transport, outlet: Outlet, answered: Callable[[], None]) -> None:
        self.transport = transport
        self.flow = FlowControl(transport)
        self.write_paused = False
        self.closing = False
        # To be called by the exchange whose turn it is, when its response has been written.
        self.answered = answered
        self._outlet = outlet

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.transport.write(data)

    def write_reply(self, reply: Reply, *, keep_alive: bool) -> None:
        """Send a complete response with one write."""
        body = reply.body
        head = self._head(reply, keep_alive=keep_alive)
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))

    def stream_head(self, reply: StreamReply, *, keep_alive: bool, chunked: bool) -> bytes:
        """Render the head of a stream, to be sent together with its first content."""
        head = self._head(reply, keep_alive=keep_alive)
        return head + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"\r\n")

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run one task; a graceful shutdown waits for it until told to ``forget`` it."""
        task = self._outlet.loop.create_task(work)
        self._outlet.server_state.tasks.add(task)
        return task

    def forget(self, task: asyncio.Task[None]) -> None:
        """The task has done its work."""
        self._outlet.server_state.tasks.discard(task)

    def close(self, *, unread: bool = False) -> None:
        """Close once everything is sent.

        ``unread``: the client is still sending. Closing now would reset the connection and take our answer with it
        (RFC 9112, 9.6), so only our half is closed, and the rest is read and dropped for a moment.
        """
        self.closing = True
        if unread and not self.transport.is_closing() and self.transport.can_write_eof():
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()

    def abort(self) -> None:
        """Cut the connection: the client must see that something is missing."""
        self.closing = True
        self.transport.abort()

    def _head(self, reply: Reply | StreamReply, *, keep_alive: bool) -> bytes:
        """All but the framing and the blank line."""
        head = STATUS_LINES[reply.status] + self._outlet.shared_lines() + reply.lines
        return head if keep_alive else head + CLOSE
