"""``AsgiExchange``: a request of any other path, answered by the ASGI app through uvicorn's own cycle."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from msgspec import Struct
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, is_ssl
from uvicorn.server import ServerState

from penstock.core.errors import PenstockError
from penstock.edge.http1.face import Reply
from penstock.edge.http1.head import Head
from penstock.edge.http1.rendering import error_reply
from penstock.edge.http1.room import BodyRoom
from penstock.edge.http1.wire import Wire

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, HTTPScope


class AsgiApp(Struct, frozen=True, eq=False):
    """The app behind the data plane, and what uvicorn tells every request of it."""

    app: ASGI3Application
    server_state: ServerState
    state: dict[str, Any]
    root_path: str
    asgi_version: str
    access_log: bool
    # Not that of the faces: here nobody has shown a key before the body is read.
    room: BodyRoom
    error_logger: logging.Logger
    access_logger: logging.Logger


class AsgiExchange:
    """One request of the ASGI app; its body is pushed to the app as it arrives, with back-pressure."""

    def __init__(self, wire: Wire, app: AsgiApp, head: Head) -> None:
        self.begun = self.received = self.answered = False
        self._wire = wire
        self._app = app
        self._flow = wire.flow
        self._room = app.room
        # Counted until the response is complete: what the app keeps of the body meanwhile is its own affair.
        self._taken_bytes = 0
        self._cycle = RequestResponseCycle(
            scope=_scope(app, head, wire.transport),
            transport=wire.transport,
            flow=wire.flow,
            logger=app.error_logger,
            access_logger=app.access_logger,
            access_log=app.access_log,
            default_headers=app.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=head.expects_continue,
            keep_alive=head.keep_alive,
            on_response=self._responded,
        )

    @property
    def started(self) -> bool:
        """Whether the app has sent its response head."""
        return self._cycle.response_started

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on; the cycle itself closes it otherwise."""
        return self._cycle.keep_alive

    @keep_alive.setter
    def keep_alive(self, value: bool) -> None:
        self._cycle.keep_alive = value

    def begin(self) -> None:
        """Start the app; it may answer before it has read the body."""
        self.begun = True
        self._wire.spawn(self._cycle.run_asgi(self._app.app)).add_done_callback(self._wire.forget)

    def take(self, piece: bytes) -> None:
        """Hand the piece on, and stop reading when the app falls behind."""
        cycle = self._cycle
        if cycle.response_complete:
            return
        self._room.take(len(piece))
        self._taken_bytes += len(piece)
        cycle.body += piece
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self._flow.pause_reading()
        cycle.message_event.set()

    def refusal(self, error: PenstockError) -> Reply:
        """The error in the form that every path has unless its face says otherwise."""
        return error_reply(error)

    def complete(self) -> None:
        """Tell the app that the body is whole."""
        self.received = True
        self._cycle.more_body = False
        self._cycle.message_event.set()
        if self.answered:
            self._wire.answered()

    def pause(self) -> None:
        """The cycle waits by itself before it writes."""

    def resume(self) -> None:
        """The cycle goes on by itself."""

    def drop(self) -> None:
        """Tell the app that the client is gone."""
        if not self._cycle.response_complete:
            self._cycle.disconnected = True
        self._cycle.message_event.set()
        self._give_back()

    def _responded(self) -> None:
        self.answered = True
        self._give_back()
        self._wire.answered()

    def _give_back(self) -> None:
        self._room.give_back(self._taken_bytes)
        self._taken_bytes = 0


def _scope(app: AsgiApp, head: Head, transport: asyncio.Transport) -> HTTPScope:
    path = head.path.decode("ascii")
    return cast(
        "HTTPScope",
        {
            "type": "http",
            "asgi": {"version": app.asgi_version, "spec_version": "2.3"},
            "http_version": head.version,
            "server": get_local_addr(transport),
            "client": head.peer,
            "scheme": "https" if is_ssl(transport) else "http",
            "method": head.method.decode("ascii"),
            "root_path": app.root_path,
            "path": app.root_path + (unquote(path) if "%" in path else path),
            "raw_path": app.root_path.encode("ascii") + head.path,
            "query_string": head.query,
            "headers": list(head.fields),  # an app may change its own
            "state": app.state.copy(),
        },
    )
