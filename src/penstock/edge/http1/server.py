"""``protocol_factory``: what uvicorn is given as its HTTP protocol; and the one timer of all its connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from penstock.edge.http1.asgi import AsgiApp
from penstock.edge.http1.connection import Connection
from penstock.edge.http1.limits import HttpLimits
from penstock.edge.http1.turns import Faces
from penstock.edge.http1.wire import Outlet


def protocol_factory(faces: Faces, limits: HttpLimits) -> Callable[..., Connection]:
    """Make connections for ``uvicorn.Config(http=...)``.

    A path of ``faces`` (method and path without query) is the data plane; every other goes to uvicorn's ASGI app.
    One factory serves one server.
    """
    service: Service | None = None

    def connect(
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Connection:
        nonlocal service
        if service is None:
            service = Service(faces, limits, _asgi_app(config, server_state, app_state))
        return Connection(service)

    return connect


class Service:
    """What all connections of a server share, and the sweep that keeps their deadlines without a timer for each."""

    def __init__(self, faces: Faces, limits: HttpLimits, app: AsgiApp) -> None:
        self.faces = faces
        self.limits = limits
        self.app = app
        self.outlet = Outlet(asyncio.get_running_loop(), app.server_state)
        # uvicorn asks of its connections no more than ``shutdown``.
        self._connections = cast("set[Connection]", app.server_state.connections)
        self._sweeping = False

    @property
    def connections_open(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def opened(self, connection: Connection) -> None:
        """Watch its deadline from now on, and let a shutdown reach it."""
        self._connections.add(connection)
        if not self._sweeping:
            self._sweeping = True
            self.outlet.loop.call_later(self.limits.sweep_s, self._sweep)

    def closed(self, connection: Connection) -> None:
        """Forget it."""
        self._connections.discard(connection)

    def _sweep(self) -> None:
        now_s = self.outlet.loop.time()
        for connection in [each for each in self._connections if each.deadline_s <= now_s]:
            connection.expire()
        self._sweeping = bool(self._connections)
        if self._sweeping:
            self.outlet.loop.call_later(self.limits.sweep_s, self._sweep)


def _asgi_app(config: Config, server_state: ServerState, app_state: dict[str, Any]) -> AsgiApp:
    access_logger = logging.getLogger("uvicorn.access")
    return AsgiApp(
        app=config.loaded_app,
        server_state=server_state,
        state=app_state,
        root_path=config.root_path,
        asgi_version=config.asgi_version,
        access_log=config.access_log and access_logger.hasHandlers(),
        error_logger=logging.getLogger("uvicorn.error"),
        access_logger=access_logger,
    )
