"""Starting pinned processes, and reading their CPU time and memory from /proc."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple, Self

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0


class Program(NamedTuple):
    """What is to be started: its name in the tables, its words, what it adds to the environment.

    ``headers`` are lines that a request through it must have beside the usual ones.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = {}
    headers: Sequence[str] = ()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def pinned(core: int, command: Sequence[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command]


class Server:
    """A server process and its children on one core; a context manager that ends it."""

    def __init__(self, program: Program, *, core: int, port: int, folder: Path) -> None:
        self.name = program.name
        self.headers = program.headers
        self.port = port
        self.started_s = time.perf_counter()
        self._log = folder / f"{self.name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                pinned(core, program.command),
                cwd=folder,
                env={**os.environ, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        """Wait until the port accepts connections."""
        while not self.accepts():
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def accepts(self) -> bool:
        """Whether it takes connections yet; ends the run with its log when it has died or takes too long."""
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                return True
        if self._process.poll() is None and time.perf_counter() < self.started_s + START_LIMIT_S:
            return False
        self.__exit__()
        raise SystemExit(f"{self.name} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def cpu_s(self) -> float:
        """User and system time of the process and its children since they started."""
        return sum(self._cpu_s(pid) for pid in self._family())

    def rss_mb(self) -> float:
        """Resident memory of the process and its children, in 1e6 bytes."""
        total_kb = 0
        for pid in self._family():
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            total_kb += int(found.group(1)) if found else 0
        return total_kb * 1024 / 1e6

    def _family(self) -> list[int]:
        family = [self._process.pid]
        for pid in family:
            family += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return family

    @staticmethod
    def _cpu_s(pid: int) -> float:
        # Fields 14 and 15 of proc(5); the command in parentheses may hold spaces.
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / TICKS_PER_S


class MemoryWatch:
    """The most resident memory that a server was seen with, looked at every 50 ms; a context manager."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ended = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self.before_mb = server.rss_mb()
        self.peak_mb = self.before_mb

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            self.peak_mb = max(self.peak_mb, self._server.rss_mb())
