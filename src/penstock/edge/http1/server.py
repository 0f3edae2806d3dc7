"""``protocol_factory``: what uvicorn is given as its HTTP protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from penstock.edge.http1.asgi import AsgiApp
from penstock.edge.http1.connection import Connection
from penstock.edge.http1.limits import HttpLimits
from penstock.edge.http1.room import BodyRoom
from penstock.edge.http1.service import Service
from penstock.edge.http1.turns import Faces


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
            service = Service(faces, limits, _asgi_app(config, server_state, app_state, limits))
        return Connection(service)

    return connect


def _asgi_app(config: Config, server_state: ServerState, app_state: dict[str, Any], limits: HttpLimits) -> AsgiApp:
    access_logger = logging.getLogger("uvicorn.access")
    return AsgiApp(
        app=config.loaded_app,
        server_state=server_state,
        state=app_state,
        root_path=config.root_path,
        asgi_version=config.asgi_version,
        access_log=config.access_log and access_logger.hasHandlers(),
        room=BodyRoom(max(limits.app_bodies_bytes, limits.body_bytes)),
        error_logger=logging.getLogger("uvicorn.error"),
        access_logger=access_logger,
    )
