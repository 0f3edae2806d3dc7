"""What an outage costs the callers: a provider that refuses, fails or hangs behind a served gateway, on real sockets.

``python -m bench.outage`` takes under two minutes and ends with status 1 where something was not reached. With
``--workers 2`` the gateway has that many; each has breakers and retry budgets of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import uvloop

from bench.chat import CLIENT_KEY, request
from bench.figures import percentile
from bench.process import Program, Server, free_port, pinned
from bench.upstream import ANSWER, FIRST, HEAD, LAST

ROOT = Path(__file__).parent.parent
CALLERS = 200
# Of the models that answer: a caller asks five times a second.
LATENCY_S = 0.2
ROUND_S, ROUNDS = 5.0, 2
HEALTHY_PER_S = 200
SOFT_S = 0.3
OPEN_S = 2.0
FLOOR = 3
CONFIG = """
server: {host: 127.0.0.1, port: GATEWAY, workers: WORKERS}
store: {url: "sqlite:///penstock.db"}
providers:
  dying: {kind: openai_compatible, base_url: "http://127.0.0.1:DYING/v1", api_key: sk-bench-upstream}
  standby: {kind: openai_compatible, base_url: "http://127.0.0.1:STANDBY/v1", api_key: sk-bench-upstream}
  healthy: {kind: openai_compatible, base_url: "http://127.0.0.1:HEALTHY/v1", api_key: sk-bench-upstream}
models:
  bench: {provider: healthy, model_id: bench-model, cost_per_1k_tokens_usd: 0.001}
  standby: {provider: standby, model_id: bench-model, cost_per_1k_tokens_usd: 0.001}
  dying_refuses: &dying {provider: dying, model_id: bench-model, cost_per_1k_tokens_usd: 0.001, breaker: {open_s: 1}}
  dying_fails: *dying
  dying_hangs: *dying
  dying_mended: {provider: dying, model_id: bench-model, cost_per_1k_tokens_usd: 0.001, breaker: {open_s: OPEN_S}}
  insistent: {provider: dying, model_id: bench-model, cost_per_1k_tokens_usd: 0.001, breaker: {failures: 1000000}}
routing:
  refuses: {primary: dying_refuses, fallback: standby}
  fails: {primary: dying_fails, fallback: standby}
  hangs: {primary: dying_hangs, fallback: standby, attempt_timeout_ms: 1000}
  mended: {primary: dying_mended, fallback: standby}
  retried: {primary: insistent, fallback: standby}
  race: {race: {main: insistent, fallback: standby, after_ms: SOFT_MS}}
tenant_tiers:
  all: {allowed_models: [bench, standby, dying_refuses, dying_fails, dying_hangs, dying_mended, insistent],
        daily_budget_usd: 1000000, requests_per_minute: 100000000, concurrent_requests: 100000}
tenants:
  bench: {tier: all, keys: [{name: load, key: CLIENT_KEY}]}
"""

Mood: TypeAlias = Literal["answers", "refuses", "fails", "hangs"]
TROUBLES: tuple[Mood, ...] = ("refuses", "fails", "hangs")
FAILURE = b"HTTP/1.1 500 x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Line(NamedTuple):
    """One line of the table; ``most`` where the bound is an upper one."""

    what: str
    measured: float
    must: float
    unit: str
    most: bool = True

    @property
    def reached(self) -> bool:
        return self.measured <= self.must if self.most else self.measured >= self.must


class Provider:
    """A model on a port, in one mood or another; ``asked`` counts the requests that it has seen."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mood: Mood = "refuses"
        self.asked = 0
        self.connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def be(self, mood: Mood) -> None:
        """Change the mood; what is connected stays so, unless it is refused from now on."""
        if mood == "refuses" and self._server is not None:
            self._server.close()
            self._server = None
            for connection in self.connections:
                connection.abort()
        elif mood != "refuses" and self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Exchange(self), "127.0.0.1", self.port, backlog=4096)
        self.mood = mood


class Exchange(asyncio.Protocol):
    """One connection to a provider, with one request at a time."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._provider.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._provider.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < body_bytes(head):
            return
        self._received = b""
        self._provider.asked += 1
        if self._provider.mood == "fails":
            self._transport.write(FAILURE)
        elif self._provider.mood == "answers":
            answer = HEAD + FIRST + LAST if b'"stream":true' in body.replace(b" ", b"") else ANSWER
            asyncio.get_running_loop().call_later(LATENCY_S, self._transport.write, answer)


class Told(NamedTuple):
    """What a caller was told: the status, by whom, and how long it took in all."""

    status: int
    fallback: bool
    took_s: float


class Caller:
    """One connection to the gateway, kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def at(cls, port: int) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, route: str, *, stream: bool = False) -> Told:
        """One call, to the end of its answer."""
        began_s = time.perf_counter()
        self._writer.write(request("Hello.", stream=stream, model=route))
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if b"\r\ntransfer-encoding: chunked" in head:
            await self._reader.readuntil(b"\r\n0\r\n\r\n")
        else:
            await self._reader.readexactly(body_bytes(head))
        took_s = time.perf_counter() - began_s
        return Told(int(head.split(b" ", 2)[1]), b"\r\nx-penstock-fallback: true" in head, took_s)

    def close(self) -> None:
        self._writer.close()


class Stand:
    """The gateway and its providers; ``dying`` is the one in trouble."""

    def __init__(self, gateway: Server, dying: Provider, load_core: int, workers: int) -> None:
        self.gateway = gateway
        self.workers = workers
        self.dying = dying
        self.load_core = load_core

    async def crowd(self, route: str, seconds: float) -> list[Told]:
        """``CALLERS`` who ask again as soon as they were answered, evenly spread over a model's latency."""
        until_s = time.perf_counter() + seconds

        async def call(number: int) -> list[Told]:
            caller, told = await Caller.at(self.gateway.port), []
            await asyncio.sleep(LATENCY_S * number / CALLERS)
            while time.perf_counter() < until_s:
                told.append(await caller.ask(route))
            caller.close()
            return told

        return [each for one in await asyncio.gather(*map(call, range(CALLERS))) for each in one]

    async def steady(self) -> dict[str, Any]:
        """A constant rate on the healthy route for a round, by a process of its own."""
        words = [sys.executable, "-m", "bench.steady_load", str(self.gateway.port), "8", str(HEALTHY_PER_S)]
        load = await asyncio.create_subprocess_exec(
            *pinned(self.load_core, [*words, str(ROUND_S)]), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        said: dict[str, Any] = json.loads((await load.communicate())[0])
        return said

    async def mend(self, route: str, caller: Caller) -> int:
        """Let the dying model answer, and ask until it is used again; how often it was asked until then."""
        await self.dying.be("answers")
        asked = self.dying.asked
        while (await caller.ask(route)).fallback:
            pass
        return self.dying.asked - asked


async def dead_primary(stand: Stand, trouble: Mood) -> list[Line]:
    """A crowd whose model dies, beside a healthy route: who is answered, and what the neighbours feel."""
    added_ms, told, asked = [], [], 0
    for _ in range(ROUNDS):
        await mended(stand, trouble)
        p99_us = []
        moods: tuple[Mood, ...] = ("answers", trouble)
        for mood in moods:
            await stand.dying.be(mood)
            before = stand.dying.asked
            beside, answers = await asyncio.gather(stand.steady(), stand.crowd(trouble, ROUND_S))
            p99_us.append(beside["p99_us"])
            if mood == trouble:
                told += answers
                asked += stand.dying.asked - before
        added_ms.append((p99_us[1] - p99_us[0]) / 1000)
        print(f"{trouble}: healthy route p99 {p99_us[0] / 1000:.1f} ms, in the outage {p99_us[1] / 1000:.1f} ms")
    good = sum(each.status == 200 for each in told) / len(told)
    name = f"primary {trouble}, {CALLERS} callers"
    return [
        Line(f"{name}: answered, of {len(told)} calls", 100 * good, 99.9, "%", most=False),
        Line(f"{name}: p99 of a healthy route, more than without", median(added_ms), 10, "ms"),
        Line(f"{name}: requests that it saw, for each call", asked / len(told), 1.2, ""),
    ]


async def mended(stand: Stand, route: str) -> None:
    """Every worker uses the dying model again; a connection stays with the worker that took it."""
    for _ in range(4 * stand.workers):
        caller = await Caller.at(stand.gateway.port)
        await stand.mend(route, caller)
        caller.close()


async def retried(stand: Stand) -> list[Line]:
    """Without a breaker, the retry budget alone stands between a crowd and a failing model."""
    await stand.dying.be("fails")
    before = stand.dying.asked
    told = await stand.crowd("retried", ROUND_S)
    asked = stand.dying.asked - before
    return [
        Line(
            f"no breaker, {len(told)} calls: requests that the failing model saw",
            asked,
            1.2 * len(told) + FLOOR * stand.workers,
            "",
        )
    ]


async def raced(stand: Stand) -> list[Line]:
    """The worst of calls whose main model hangs."""
    await stand.dying.be("hangs")
    caller, lines = await Caller.at(stand.gateway.port), []
    for kind in ("whole", "stream"):
        own_s = median([(await caller.ask("standby", stream=kind == "stream")).took_s for _ in range(10)])
        told = [await caller.ask("race", stream=kind == "stream") for _ in range(20)]
        assert all(each.status == 200 for each in told), told
        worst_ms, must_ms = 1000 * max(each.took_s for each in told), 1000 * (SOFT_S + own_s + 0.1)
        lines.append(
            Line(f"main model hangs in a race ({kind}): slowest of {len(told)} answers", worst_ms, must_ms, "ms")
        )
    caller.close()
    return lines


async def outage(stand: Stand) -> list[Line]:
    """One caller through an outage and out of it."""
    caller = await Caller.at(stand.gateway.port)
    await stand.mend("mended", caller)
    await stand.dying.be("refuses")
    while not (await caller.ask("mended")).took_s < LATENCY_S + 0.05:  # retries of the first few
        pass
    pairs = [(await caller.ask("mended"), await caller.ask("standby")) for _ in range(40)]
    through_ms, alone_ms = (sorted(1000 * each.took_s for each in told) for told in zip(*pairs, strict=True))
    probes = await stand.mend("mended", caller)
    after = [await caller.ask("mended") for _ in range(10)]
    caller.close()
    return [
        Line("breaker open: added to a call, median", median(through_ms) - median(alone_ms), 5, "ms"),
        Line("breaker open: added to a call, p95", percentile(through_ms, 0.95) - percentile(alone_ms, 0.95), 5, "ms"),
        Line("mended: probes until it is used again", probes, 1, ""),
        Line("mended: of the next ten calls, those that go elsewhere", sum(each.fallback for each in after), 0, ""),
    ]


def body_bytes(head: bytes) -> int:
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


def gateway_of(folder: Path, ports: dict[str, int]) -> Program:
    """The gateway under test, which keeps its store in ``folder``."""
    text = CONFIG.replace("CLIENT_KEY", CLIENT_KEY).replace("OPEN_S", str(OPEN_S))
    text = text.replace("SOFT_MS", str(round(1000 * SOFT_S)))
    for name, port in ports.items():
        text = text.replace(name, str(port))
    config = folder / "gateway.yaml"
    config.write_text(text)
    words = ["-c", "from penstock.cli import app; app()", "serve", "--config", str(config)]
    return Program("penstock", [sys.executable, *words], {"PYTHONPATH": str(ROOT / "src")})


async def measure(folder: Path, gateway_core: int, load_core: int, workers: int) -> list[Line]:
    dying, standby = Provider(), Provider()
    await standby.be("answers")
    ports = {
        "GATEWAY": free_port(),
        "DYING": dying.port,
        "STANDBY": standby.port,
        "HEALTHY": free_port(),
        "WORKERS": workers,
    }
    lines = []
    with ExitStack() as stack:
        words = [sys.executable, "-m", "bench.upstream", str(ports["HEALTHY"]), "answer"]
        healthy = Program("healthy", words, {"PYTHONPATH": str(ROOT)})
        stack.enter_context(Server(healthy, core=load_core, port=ports["HEALTHY"], folder=folder))
        program = gateway_of(folder, ports)
        gateway = stack.enter_context(Server(program, core=gateway_core, port=ports["GATEWAY"], folder=folder))
        stand = Stand(gateway, dying, load_core, workers)
        for trouble in TROUBLES:
            lines += await dead_primary(stand, trouble)
        lines += await retried(stand) + await raced(stand) + await outage(stand)
    return lines


def table(lines: Sequence[Line]) -> str:
    rows = ["| Measured | Figure | Must be | Reached |", "|---|---|---|---|"]
    for line in lines:
        bound = f"{'at most' if line.most else 'at least'} {line.must:.4g}".replace("at most 0", "0")
        verdict = "yes" if line.reached else "**no**"
        rows.append(
            f"| {line.what} | {line.measured:.4g} {line.unit} | {bound} {line.unit} | {verdict} |".replace("  ", " ")
        )
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1, help="worker processes of the gateway (default: 1)")
    workers = parser.parse_args().workers
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    with tempfile.TemporaryDirectory() as folder:
        lines = uvloop.run(measure(Path(folder), cores[0], cores[-1], workers))
    print(table(lines))
    return 0 if all(line.reached for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
