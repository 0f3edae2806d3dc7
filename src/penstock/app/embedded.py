"""``embedded``: a gateway that a program runs within itself, with no edge; the program's own loop, signals and logs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from penstock.app.compose import compose
from penstock.app.environment import Config, proxies
from penstock.app.gateway import RunningGateway
from penstock.app.owned import LocalControl, working
from penstock.app.works import VERSION
from penstock.core.errors import StoreTaken
from penstock.telemetry.logs import redact

_OURS = 0o600


@asynccontextmanager
async def embedded(path: Path, store_url: str | None) -> AsyncIterator[RunningGateway]:
    """The gateway of the config file ``path``, with its store or that of ``store_url``, until the block ends.

    Raises ``ConfigError`` and ``StoreFailed``.
    """
    overrides = {} if store_url is None else {"PENSTOCK_STORE_URL": store_url}
    config = Config.of_process(path, overrides | {"PENSTOCK_SERVER_WORKERS": "1"})
    _, settings = config.read()
    with suppress(OSError):  # which the store will tell
        settings.store.database.touch(_OURS)  # it tells who called what, and the umask is the program's
    logger = ProgramLog()
    try:
        async with working(settings, logger, proxies(config.env)) as (owned, works):
            gateway = RunningGateway(compose(settings, works), works, LocalControl(owned, works))
            owned.record("gateway_started", version=VERSION, digest=settings.digest)
            try:
                yield gateway
            finally:
                gateway.draining = True
                owned.record("gateway_stopped", version=VERSION)
    except StoreTaken as error:
        raise StoreTaken(
            f"{error.message} From Python: ask the gateway that has it, with Client.connect, or give `store_url`."
        ) from None


class ProgramLog:
    """A ``Logger`` that tells the program's own ``logging``, as ``penstock``."""

    def __init__(self) -> None:
        self._log = logging.getLogger("penstock")

    def info(self, event: str, **fields: Any) -> None:
        """See ``telemetry.logs.Logger``."""
        self._tell(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """See ``telemetry.logs.Logger``."""
        self._tell(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """See ``telemetry.logs.Logger``."""
        self._tell(logging.ERROR, event, fields)

    def _tell(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self._log.isEnabledFor(level):
            told = " ".join(f"{name}={value}" for name, value in redact(None, "", fields).items())
            self._log.log(level, "%s %s", event, told)
