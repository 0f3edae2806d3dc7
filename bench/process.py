"""Starting pinned processes, and reading their CPU time and memory from /proc."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from bench import machine

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_LIMIT_S = 20.0
STOP_LIMIT_S = 10.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Pinned:
    """A server process and its children on one core; a context manager that ends it."""

    def __init__(self, name: str, command: Sequence[str], *, core: int, port: int, folder: Path) -> None:
        self.name = name
        self.port = port
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        """Wait until the port accepts connections."""
        give_up = time.monotonic() + START_LIMIT_S
        while time.monotonic() < give_up and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__()
        raise SystemExit(f"{self.name} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

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


NGINX = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.error.log crit; {user}
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; default_type application/json; tcp_nodelay on;
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fcgi; uwsgi_temp_path {folder}/{name}-uwsgi; scgi_temp_path {folder}/{name}-scgi;
  {rest}
}}
"""
PROXY = """
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}
"""
FIXED = """
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{body}'; }} }}
"""


def nginx(name: str, rest: str, *, core: int, port: int, folder: Path) -> Pinned:
    """One nginx with one worker; ``rest`` is what stands in its http block."""
    user = "user root;" if os.geteuid() == 0 else ""
    conf = folder / f"{name}.conf"
    conf.write_text(NGINX.format(folder=folder, name=name, user=user, rest=rest))
    command = [machine.path("nginx"), "-e", f"{folder}/{name}.error.log", "-c", str(conf)]
    return Pinned(name, command, core=core, port=port, folder=folder)


def shell_words(command: str, **values: object) -> list[str]:
    """The words of a command line with ``{port}`` and the like filled in."""
    return [word.format(**values) for word in shlex.split(command)]
