"""``serve``: one process from its config to its last drained call."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn
import uvloop

from penstock.app.compose import compose
from penstock.app.gateway import RunningGateway
from penstock.app.works import VERSION, Works
from penstock.config import ConfigError, Problem, RunFile, Settings, load_settings, run_file_path, write_run_file
from penstock.edge.http1 import HttpLimits, protocol_factory
from penstock.edge.http1.connection import Connection
from penstock.edge.native import create_app
from penstock.edge.openai import OpenAIFace
from penstock.edge.openai.face import new_call_id
from penstock.providers import FAULT_KINDS, KINDS
from penstock.stores.memory import MemoryCounters
from penstock.telemetry import Forward, build_logger
from penstock.telemetry.logs import Logger
from penstock.transport import Proxies, ProxyInvalid

_DRAIN_POLL_S = 0.05
_BACKLOG = 4096
_COLLECT_AFTER_OBJECTS = 10_000
_BIND_CURES: Mapping[int, tuple[str, str]] = {
    errno.EADDRINUSE: ("server.port", "choose another with --port, or stop who has it"),
    errno.EACCES: ("server.port", "choose one above 1023 with --port"),
}


def serve(config: Path, overrides: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT. ``overrides`` are ``PENSTOCK_*`` values laid over the environment.

    Raises ``ConfigError`` and ``StoreFailed`` before anything is served.
    """
    env = {**os.environ, **overrides}
    settings = load_settings(config, env, kinds=KINDS, fault_kinds=FAULT_KINDS)
    logger = build_logger(sys.stderr, style=settings.server.log_format)
    logging.getLogger().addHandler(Forward(logger))
    raise_open_files_limit()
    os.umask(0o077)  # database, log and run file tell who called what
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, config, env, logger))


async def _serve(settings: Settings, config: Path, env: Mapping[str, str], logger: Logger) -> None:
    # The address comes first: whoever starts a second gateway by mistake is told of it before any store is touched.
    with bind(settings.server.host, settings.server.port) as listener:
        await _serve_on(listener, settings, config, env, logger)


async def _serve_on(
    listener: socket.socket, settings: Settings, config: Path, env: Mapping[str, str], logger: Logger
) -> None:
    works = await Works.open(settings, logger, _proxies(env, logger))
    try:
        gateway = RunningGateway(compose(settings, works), works)
        reloader = Reloader(gateway, config, env, run_file_path(settings.store.database), logger)
        reloader.report(None)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.reload)
        works.record("gateway_started", version=VERSION, digest=gateway.digest)
        # What is here now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # Calls in flight hold some sixty objects each: at 700 the collector looked at them again with every wave.
        gc.set_threshold(_COLLECT_AFTER_OBJECTS)
        await Server(_uvicorn_config(settings, gateway), gateway, logger).serve([listener])
    finally:
        works.record("gateway_stopped", version=VERSION)
        await works.aclose()
    logger.info("stopped")


def _proxies(env: Mapping[str, str], logger: Logger) -> Proxies:
    try:
        proxies = Proxies.of(env)
    except ProxyInvalid as error:
        raise ConfigError([Problem(0, 0, error.variable, str(error), error.suggestion)]) from None
    if proxies.shown:
        logger.info("providers are reached through a proxy", **proxies.shown)
    return proxies


class Server(uvicorn.Server):
    """Turns readiness off at the first signal, lets uvicorn drain, and ends as a success."""

    def __init__(self, config: uvicorn.Config, gateway: RunningGateway, logger: Logger) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._logger = logger

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._logger.info("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}", version=VERSION)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then close; a stream that outlasts the grace period is cut, so that it is settled and recorded.

        While calls are in flight the door stays open, for readiness to say no and for new calls to be sent elsewhere.
        """
        until_s = time.monotonic() + (self.config.timeout_graceful_shutdown or 0)
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
        if not self._gateway.draining:
            self._logger.info("draining", signal=signal.Signals(sig).name, calls=self._gateway.calls_in_flight)
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


class Reloader:
    """Takes a changed file into use on SIGHUP, and says in the run file what came of it."""

    def __init__(
        self, gateway: RunningGateway, config: Path, env: Mapping[str, str], run_file: Path, logger: Logger
    ) -> None:
        self._gateway = gateway
        self._config = config
        self._env = env
        self._run_file = run_file
        self._logger = logger

    def reload(self) -> None:
        """Validate, then swap. An invalid file changes nothing and the log says why."""
        try:
            waiting = self._gateway.reload(self._config, self._env)
        except Exception as error:
            if not isinstance(error, ConfigError):
                self.report(f"{type(error).__name__}: this is a fault of penstock's; nothing was changed")
                raise
            for problem in error.problems:
                place = {"line": problem.line} if problem.line else {}
                self._logger.warning(
                    "config refused", **place, path=problem.path, message=problem.message, cure=problem.suggestion
                )
            self._gateway.refused(error)
            self.report(str(error))
        else:
            self._logger.info("config reloaded", generation=self._gateway.generation, digest=self._gateway.digest[:12])
            self.report(None, waiting)

    def report(self, error: str | None, waiting: Sequence[str] = ()) -> None:
        """Rewrite the run file. ``waiting`` are changed settings that are read at a start alone."""
        write_run_file(
            self._run_file,
            RunFile(
                pid=os.getpid(),
                config=str(self._config.absolute()),
                generation=self._gateway.generation,
                digest=self._gateway.digest,
                loaded_at=time.time(),
                error=error,
                waiting=tuple(waiting),
            ),
        )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``ConfigError`` for an address that is not to be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        number = error.errno or 0
        # The text of `create_server` says the address again; names that cannot be resolved have numbers of their own.
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        setting, cure = _BIND_CURES.get(number, ("server.host", "give an address of this machine with --host"))
        what = f"{host}:{port} cannot be listened on: {reason.lower()}"
        raise ConfigError([Problem(0, 0, setting, what, cure)]) from None


def raise_open_files_limit() -> None:
    """Raise the soft limit on open files to the hard one: a connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _uvicorn_config(settings: Settings, gateway: RunningGateway) -> uvicorn.Config:
    server = settings.server
    limits = HttpLimits(
        head_bytes=server.max_head_bytes,
        body_bytes=server.max_body_bytes,
        head_s=server.head_timeout_s,
        body_s=server.body_timeout_s,
    )
    faces: Any = {(b"POST", b"/v1/chat/completions"): OpenAIFace(gateway)}
    return uvicorn.Config(
        create_app(
            gateway, MemoryCounters(time.monotonic, 10_000), version=VERSION, clock=time.monotonic, new_id=new_call_id
        ),
        host=server.host,
        port=server.port,
        http=cast("Any", protocol_factory(faces, limits)),
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=round(server.drain_timeout_s),
    )
