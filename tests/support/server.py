"""A gateway as users start it: ``penstock serve`` in a process of its own."""

from __future__ import annotations

import os
import re
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
_OF_THE_CALLER = re.compile(r"PENSTOCK_|.*_proxy$", re.IGNORECASE)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def penstock(*words: str) -> Sequence[str]:
    """The command line of a ``penstock`` command, whether or not the package is installed."""
    return [sys.executable, "-c", "from penstock.cli import app; app()", *words]


def environment(**more: str) -> dict[str, str]:
    """What a child process of a test sees: sources importable, no colour, none of the caller's settings or proxies."""
    kept = {name: value for name, value in os.environ.items() if not _OF_THE_CALLER.match(name)}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200", **more}


class Gateway:
    """A running gateway: where it listens, its process, and the folder with its files."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.address = f"127.0.0.1:{port}"
        self.process = process
        self.folder = folder

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "server.log").read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextmanager
def running(config: Path, folder: Path, **env: str) -> Iterator[Gateway]:
    """A gateway that runs in ``folder`` until the block ends; ``env`` holds its secrets."""
    port = free_port()
    with (folder / "server.log").open("ab") as output:
        process = subprocess.Popen(
            penstock("serve", "--config", str(config), "--port", str(port)),
            cwd=folder,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    gateway = Gateway(port, process, folder)
    try:
        _await_ready(port, process, folder / "server.log")
        yield gateway
    finally:
        if process.poll() is None:
            gateway.stop()


@contextmanager
def serving(config: Path, folder: Path, **env: str) -> Iterator[str]:
    """The ``host:port`` of such a gateway."""
    with running(config, folder, **env) as gateway:
        yield gateway.address


def _await_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/readiness", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError(f"the gateway did not start:\n{log.read_text(errors='replace')[-3000:]}")
