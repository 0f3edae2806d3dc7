"""The test stand: which core does what, how much is measured, the servers, and one load driven through one of them."""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from bench import machine, nginx
from bench.chat import CLIENT_KEY
from bench.figures import Figures, Key, Measured
from bench.peers.peer import installed
from bench.process import Program, Server, free_port, pinned

ROOT = Path(__file__).parent.parent


class Cores(NamedTuple):
    """Who runs where; with two cores the upstream shares the load's."""

    gateway: int
    load: int
    upstream: int


class Plan(NamedTuple):
    """How many rounds, how long each load runs, and at which sizes."""

    rounds: int
    connections: Sequence[int]
    closed_s: int
    steady_s: float
    streams: Sequence[int]
    stream_s: float
    prompt_bytes: Sequence[int]
    prompt_s: int
    slow_streams: Sequence[int]
    starts: int


FULL = Plan(3, (32, 1, 256), 4, 4, (100, 300, 1000, 2000), 4, (100_000, 1_000_000), 2, (0, 20), 3)
QUICK = Plan(1, (32, 1), 1, 1, (100, 1000), 1, (1_000_000,), 1, (20,), 1)


class Run(NamedTuple):
    """What one load said, what the server used meanwhile, and how full both sides were."""

    said: Figures
    server_cpu_s: float
    shares: Figures


class Stand:
    """One run of the bench: its settings, its folder, and what it has measured so far."""

    def __init__(self, plan: Plan, cores: Cores, folder: Path, *, gateway_command: str, peers: bool) -> None:
        self.plan = plan
        self.cores = cores
        self.folder = folder
        self.measured = Measured()
        self.peers = installed(ROOT) if peers else []
        self.foreign_s = 0.0
        self.measured_s = 0.0
        self._gateway_command = gateway_command

    def gateway(self, folder: Path, *, port: int, upstream: int) -> Program:
        """The gateway under test, which keeps its store in ``folder``."""
        config = folder / "gateway.yaml"
        text = (ROOT / "bench" / "config.yaml").read_text()
        config.write_text(text.replace("18000", str(port)).replace("18001", str(upstream)))
        values = {"config": config, "port": port, "upstream": upstream}
        return Program("penstock", [word.format(**values) for word in shlex.split(self._gateway_command)])

    def upstream(self, stack: ExitStack, *words: object) -> Server:
        """A model of ``bench.upstream``."""
        port = free_port()
        command = [sys.executable, "-m", "bench.upstream", str(port), *map(str, words)]
        program = Program("direct", command, {"PYTHONPATH": str(ROOT)})
        return stack.enter_context(Server(program, core=self.cores.upstream, port=port, folder=self.folder))

    def fixed_upstream(self, stack: ExitStack, body: str) -> Server:
        """An nginx that answers every request with ``body``."""
        port = free_port()
        program = nginx.fixed(self.folder, port=port, body=body)
        return stack.enter_context(Server(program, core=self.cores.upstream, port=port, folder=self.folder))

    def programs(self, folder: Path, *, upstream: int) -> list[tuple[Program, int]]:
        """nginx, the gateway and the peers before one upstream, each with its port."""
        ports = [free_port() for _ in range(2 + len(self.peers))]
        made = [nginx.proxy(folder, port=ports[0], upstream=upstream)]
        made.append(self.gateway(folder, port=ports[1], upstream=upstream))
        made += [
            peer.program(folder, port=port, upstream=upstream) for peer, port in zip(self.peers, ports[2:], strict=True)
        ]
        return list(zip(made, ports, strict=True))

    def serve(self, stack: ExitStack, upstream: Server) -> list[Server]:
        """The upstream itself, and every program before it, started; each has answered once."""
        servers = [upstream]
        for program, port in self.programs(self.folder, upstream=upstream.port):
            server = Server(program, core=self.cores.gateway, port=port, folder=self.folder)
            servers.append(stack.enter_context(server))
        for server in servers:
            first_answer(server)
        return servers

    def turns(self, sizes: Sequence[int], servers: Sequence[Server]) -> Iterator[tuple[int, Server]]:
        """Every size through every server in every round; the servers take turns, so that a disturbance meets all."""
        for size in sizes:
            for _ in range(self.plan.rounds):
                for server in servers:
                    yield size, server

    def drive(self, command: Sequence[str], server: Server, upstream: Server, **environment: str) -> Run:
        """Run one load to its end; the last line it prints is JSON."""
        cores = set(self.cores)
        began_s, foreign_s = time.perf_counter(), machine.busy_s(cores)
        used_s, server_s, upstream_s = children_cpu_s(), server.cpu_s(), upstream.cpu_s()
        own_s = time.process_time()
        output = subprocess.run(
            pinned(self.cores.load, command),
            cwd=ROOT,
            env={**os.environ, **environment},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        took_s, used_s = time.perf_counter() - began_s, children_cpu_s() - used_s
        server_s, upstream_s = server.cpu_s() - server_s, upstream.cpu_s() - upstream_s
        ours_s = used_s + time.process_time() - own_s + upstream_s + (server_s if server is not upstream else 0)
        self.foreign_s += max(0.0, machine.busy_s(cores) - foreign_s - ours_s)
        self.measured_s += took_s * len(cores)
        said: dict[str, Any] = json.loads(output.strip().rpartition("\n")[2])
        took_s, loader_s = said.pop("took_s", took_s), said.pop("cpu_s", used_s)
        together = self.cores.load == self.cores.upstream
        load_s = loader_s + upstream_s if together else max(loader_s, upstream_s)
        shares = {"server_share": server_s / took_s, "load_share": load_s / took_s}
        return Run(said, server_s, shares)

    def collect(self, load: str, size: int, through: str, figures: Figures) -> None:
        self.measured.add(Key(load, size, through), {name: round(value, 4) for name, value in figures.items()})
        said = " ".join(f"{name} {value:,.4g}" for name, value in figures.items())
        print(f"{load:<7} {size:>7} {through:<9} {said}", flush=True)

    def reference(self) -> None:
        """How fast this Python runs on the gateway's core, now."""
        command = pinned(self.cores.gateway, [sys.executable, "-m", "bench.reference"])
        said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        self.collect("python", 0, "reference", {"loop_ms": float(said)})


def children_cpu_s() -> float:
    """User and system time of the loads that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def first_answer(server: Server) -> float:
    """Seconds from the start of a server to its first 200; ends the run when it answers anything else."""
    body = b'{"model":"bench","messages":[{"role":"user","content":"Hello."}]}'
    lines = [line.partition(": ") for line in server.headers]
    headers = {"content-type": "application/json", "authorization": f"Bearer {CLIENT_KEY}"}
    headers |= {name: value for name, _, value in lines}
    while True:
        client = HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            client.request("POST", "/v1/chat/completions", body, headers)
            answer = client.getresponse()
            if answer.status == HTTPStatus.OK:
                return time.perf_counter() - server.started_s
            text = answer.read().decode(errors="replace")[:2000]
            raise SystemExit(f"{server.name} answers {answer.status}: {text}")
        except (OSError, HTTPException):
            server.accepts()
            time.sleep(0.005)
        finally:
            client.close()
