"""A gateway as users start it: ``penstock serve`` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
START_LIMIT_S = 20.0
STOP_LIMIT_S = 15.0


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def penstock(*words: str) -> Sequence[str]:
    """The command line of a ``penstock`` command, whether or not the package is installed."""
    return [sys.executable, "-c", "from penstock.cli import app; app()", *words]


def environment(**more: str) -> dict[str, str]:
    """What a child process of a test sees: sources importable, no colour, none of the caller's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200", **more}


@contextmanager
def serving(config: Path, folder: Path, **env: str) -> Iterator[str]:
    """The ``host:port`` of a gateway that runs in ``folder`` until the block ends; ``env`` holds its secrets."""
    port = free_port()
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            penstock("serve", "--config", str(config), "--port", str(port)),
            cwd=folder,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_ready(port, process, log)
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _await_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/readiness", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError(f"the gateway did not start:\n{log.read_text(errors='replace')[-3000:]}")
