"""``Server``: uvicorn around our own protocol, from a listening socket to the last drained call."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from penstock.app.gateway import RunningGateway
from penstock.app.listening import BACKLOG
from penstock.app.memory import settle_memory, spare_what_is_here
from penstock.app.works import VERSION
from penstock.config import Settings
from penstock.core.ports import Counters
from penstock.edge.deferred import Deferred
from penstock.edge.faces import MANNERS, RESPONSES, ModelFace, ResponsesFace
from penstock.edge.faces.model_face import new_call_id
from penstock.edge.http1 import HttpLimits, protocol_factory
from penstock.edge.http1.connection import Connection
from penstock.edge.probes import Probes
from penstock.telemetry.logs import Logger

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

_DRAIN_POLL_S = 0.05


async def _nobody_else() -> bool:
    return False


class Server(uvicorn.Server):
    """Turns readiness off at the first signal, lets uvicorn drain, and ends as a success.

    ``others_listen`` says whether new connections will find somebody else at this address: then the door closes first.
    """

    def __init__(
        self,
        gateway: RunningGateway,
        counters: Counters,
        logger: Logger,
        *,
        on_listening: Callable[[], None],
        others_listen: Callable[[], Awaitable[bool]] = _nobody_else,
    ) -> None:
        super().__init__(_uvicorn_config(gateway.settings, gateway, counters))
        self._gateway = gateway
        self._logger = logger
        self._on_listening = on_listening
        self._others_listen = others_listen

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        settle_memory()
        await super().startup(sockets)
        if self.started:
            self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then close; a stream that outlasts the grace period is cut, so that it is settled and recorded.

        While calls are in flight the door of the last who listens stays open, for readiness to say no and for new calls
        to be sent elsewhere.
        """
        until_s = time.monotonic() + (self.config.timeout_graceful_shutdown or 0)
        if self._gateway.draining or not await self._others_listen():
            self._gateway.draining = True
            while self._draining(until_s):  # noqa: ASYNC110 - once in a process' life, and a count has no event
                await asyncio.sleep(_DRAIN_POLL_S)
        self.config.timeout_graceful_shutdown = max(1, round(until_s - time.monotonic()))
        await super().shutdown(sockets)
        for connection in cast("list[Connection]", list(self.server_state.connections)):
            connection.cut()
        await asyncio.sleep(0)

    def _draining(self, until_s: float) -> bool:
        return self._gateway.calls_in_flight > 0 and time.monotonic() < until_s and not self.force_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come: a second SIGINT does not wait for calls in flight."""
        if not self.should_exit:
            self._logger.info("draining", signal=signal.Signals(sig).name, calls=self._gateway.calls_in_flight)
        if self._others_listen is _nobody_else:
            self._gateway.draining = True
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals on the loop. uvicorn's own way raises them again at the end: exit status 143, not 0."""
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, self.handle_exit, sig, None)
        try:
            yield
        finally:
            for sig in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(sig)


def abandon(server: Server, gateway: RunningGateway) -> None:
    """End at once: nothing that is done from here on could be written down."""
    gateway.draining = True
    server.should_exit = server.force_exit = True


def _uvicorn_config(settings: Settings, gateway: RunningGateway, counters: Counters) -> uvicorn.Config:
    server = settings.server
    limits = HttpLimits(
        head_bytes=server.max_head_bytes,
        body_bytes=server.max_body_bytes,
        head_s=server.head_timeout_s,
        body_s=server.body_timeout_s,
    )
    faces: Any = {(b"POST", manner.endpoint.encode()): ModelFace(gateway, manner) for manner in MANNERS}
    faces[b"POST", RESPONSES.endpoint.encode()] = ResponsesFace(gateway)
    return uvicorn.Config(
        Probes(gateway, Deferred(partial(_native, gateway, counters)), new_call_id),
        host=server.host,
        port=server.port,
        http=cast("Any", protocol_factory(faces, limits)),
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=round(server.drain_timeout_s),
    )


def _native(gateway: RunningGateway, counters: Counters) -> ASGI3Application:
    from penstock.edge.native import create_app  # noqa: PLC0415 - 10 MB that a process without such a request is spared

    app = create_app(gateway, counters, version=VERSION, clock=time.monotonic, new_id=new_call_id)
    spare_what_is_here()
    return cast("ASGI3Application", app)
