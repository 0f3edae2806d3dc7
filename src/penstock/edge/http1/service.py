"""``Service``: what the connections of one server share, and the one timer that keeps all their deadlines."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from penstock.edge.http1.asgi import AsgiApp
from penstock.edge.http1.limits import HttpLimits
from penstock.edge.http1.room import BodyRoom
from penstock.edge.http1.turns import Faces
from penstock.edge.http1.wire import Outlet


class Client(Protocol):
    """A connection with a deadline, in seconds of the loop's clock."""

    deadline_s: float

    def expire(self) -> None:
        """Act on a deadline that has passed."""


class Service:
    """What all connections of a server share, and the sweep that keeps their deadlines without a timer for each."""

    def __init__(self, faces: Faces, limits: HttpLimits, app: AsgiApp) -> None:
        self.faces = faces
        self.limits = limits
        self.app = app
        loop = asyncio.get_running_loop()
        self.now_s = loop.time
        self.outlet = Outlet(loop, app.server_state)
        # uvicorn asks of its connections no more than ``shutdown``.
        self._connections = cast("set[Client]", app.server_state.connections)
        self._sweeping = False
        self.room = BodyRoom(max(limits.bodies_bytes, limits.body_bytes))

    @property
    def connections_open(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def opened(self, connection: Client) -> None:
        """Watch its deadline from now on, and let a shutdown reach it."""
        self._connections.add(connection)
        if not self._sweeping:
            self._sweeping = True
            self.outlet.loop.call_later(self.limits.sweep_s, self._sweep)

    def closed(self, connection: Client) -> None:
        """Forget it."""
        self._connections.discard(connection)

    def _sweep(self) -> None:
        now_s = self.now_s()
        for connection in [each for each in self._connections if each.deadline_s <= now_s]:
            connection.expire()
        self._sweeping = bool(self._connections)
        if self._sweeping:
            self.outlet.loop.call_later(self.limits.sweep_s, self._sweep)
