"""``serve_alone``: a gateway that is one process, with the store, every stage and every edge in it."""

from __future__ import annotations

import asyncio
import signal
import socket

from penstock.app.compose import compose
from penstock.app.environment import Config, proxies
from penstock.app.gateway import RunningGateway
from penstock.app.listening import bind, doors, shown
from penstock.app.owned import LocalControl, OwnedStore, working
from penstock.app.reloading import Reloader
from penstock.app.server import Server
from penstock.app.works import VERSION, Works
from penstock.config import Settings
from penstock.telemetry.logs import Logger


async def serve_alone(config: Config, settings: Settings, logger: Logger) -> None:
    """Serve until SIGTERM or SIGINT. Raises ``ConfigError`` and ``StoreFailed`` before anything is served."""
    # The address comes first: whoever starts a second gateway by mistake is told of it before any store is touched.
    with bind(settings.server.host, settings.server.port) as listener:
        async with working(settings, logger, proxies(config.env, logger)) as (owned, works):
            await _serve_on(listener, config, settings, owned, works)
    logger.info("stopped")


async def _serve_on(
    listener: socket.socket, config: Config, settings: Settings, owned: OwnedStore, works: Works
) -> None:
    logger = works.logger
    gateway = RunningGateway(compose(settings, works), works, LocalControl(owned, works))

    async def apply(settings: Settings, _text: str, generation: int) -> None:
        gateway.take(gateway.prepare(settings), generation)

    reloader = Reloader(config, settings, owned, apply, logger, shown(listener))
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.on_signal)
    reloader.report(None)  # from here on somebody may send it

    def listening() -> None:
        logger.info("listening", url=shown(listener), version=VERSION)

    owned.record("gateway_started", version=VERSION, digest=settings.digest)
    try:
        await Server(gateway, owned.addresses, logger, on_listening=listening).serve(doors(listener))
    finally:
        owned.record("gateway_stopped", version=VERSION)
