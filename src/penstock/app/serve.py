"""``serve``: a gateway from its config to its last drained call, in one process or with workers."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from penstock.app.environment import Config
from penstock.app.listening import raise_open_files_limit
from penstock.telemetry import Forward, build_logger


def serve(path: Path, overrides: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT. ``overrides`` are ``PENSTOCK_*`` values laid over the environment.

    Raises ``ConfigError`` and ``StoreFailed`` before anything is served.
    """
    config = Config.of_process(path, overrides)
    text, settings = config.read()
    logger = build_logger(sys.stderr, style=settings.server.log_format)
    logging.getLogger().addHandler(Forward(logger))
    raise_open_files_limit()
    os.umask(0o077)  # database, log and run file tell who called what
    # Each imports what it needs: a supervisor has no edges, and a gateway of one process no workers.
    if settings.server.workers == 1:
        from penstock.app.alone import serve_alone  # noqa: PLC0415 - as said above

        serving = serve_alone(config, settings, logger)
    else:
        from penstock.app.supervise import supervise  # noqa: PLC0415 - as said above

        serving = supervise(config, text, settings, logger)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)
