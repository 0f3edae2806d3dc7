"""The case of a start: how long to the first answer, and how much memory is resident after it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.process import Program, Server
from bench.stand import Stand, first_answer
from bench.upstream import COMPLETION

QUIET_S = 0.3


def starts(stand: Stand) -> None:
    """From the start of the process to its first 200, with a new store and then with that; memory after it."""
    with ExitStack() as stack:
        upstream = stand.fixed_upstream(stack, COMPLETION)
        for _ in range(stand.plan.starts):
            folder = Path(stack.enter_context(TemporaryDirectory(dir=stand.folder)))
            for program, port in stand.programs(folder, upstream=upstream.port):
                start(stand, "start", program, port, folder)
                if program.name == "penstock":
                    start(stand, "restart", program, port, folder)


def start(stand: Stand, load: str, program: Program, port: int, folder: Path) -> None:
    server = Server(program, core=stand.cores.gateway, port=port, folder=folder)
    try:
        took_s = first_answer(server)
        time.sleep(QUIET_S)
        stand.collect(load, 0, server.name, {"start_s": took_s, "rss_mb": server.rss_mb()})
    finally:
        server.__exit__()
