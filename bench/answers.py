"""Cases of whole answers: as fast as they come, at a constant rate, and to large prompts."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from bench import machine
from bench.figures import Figures, Key
from bench.process import Server
from bench.stand import ROOT, Run, Stand
from bench.upstream import COMPLETION

CONNECTIONS = 32


def wrk(
    stand: Stand, server: Server, upstream: Server, *, connections: int, seconds: int, prompt_bytes: int = 0
) -> Run:
    command = [machine.path("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(ROOT / "bench" / "chat.lua")]
    command += [word for line in server.headers for word in ("-H", line)]
    command.append(f"http://127.0.0.1:{server.port}")
    return stand.drive(command, server, upstream, BENCH_PROMPT_BYTES=str(prompt_bytes))


def loop_figures(run: Run) -> Figures:
    requests = max(run.said["requests"], 1)
    return {
        "requests_per_s": requests / run.said["duration_us"] * 1e6,
        "cpu_us_per_request": run.server_cpu_s / requests * 1e6,
        "p50_us": run.said["p50_us"],
        "p99_us": run.said["p99_us"],
        "errors": run.said["errors"],
        **run.shares,
    }


def closed(stand: Stand) -> None:
    """Each connection asks again as soon as it was answered."""
    with ExitStack() as stack:
        upstream = stand.fixed_upstream(stack, COMPLETION)
        servers = stand.serve(stack, upstream)
        for server in servers[2:]:  # what compiles as it runs is given the time to
            wrk(stand, server, upstream, connections=CONNECTIONS, seconds=stand.plan.closed_s)
        for connections, server in stand.turns(stand.plan.connections, servers):
            run = wrk(stand, server, upstream, connections=connections, seconds=stand.plan.closed_s)
            stand.collect("closed", connections, server.name, loop_figures(run) | {"rss_mb": server.rss_mb()})


def steady(stand: Stand) -> None:
    """Half the rate that the gateway can do with 32 connections, sent by the clock: the latency that it adds."""
    with ExitStack() as stack:
        upstream = stand.fixed_upstream(stack, COMPLETION)
        servers = [server for server in stand.serve(stack, upstream) if server.name in {"direct", "nginx", "penstock"}]
        full = stand.measured.median(Key("closed", CONNECTIONS, "penstock"), "requests_per_s")
        if full is None:
            run = wrk(stand, servers[-1], upstream, connections=CONNECTIONS, seconds=2)
            full = loop_figures(run)["requests_per_s"]
        rate = round(full / 2)
        for connections, server in stand.turns([CONNECTIONS], servers):
            words = [server.port, connections, rate, stand.plan.steady_s]
            run = stand.drive([sys.executable, "-m", "bench.steady_load", *map(str, words)], server, upstream)
            stand.collect("steady", connections, server.name, {"requests_per_s": rate} | run.said | run.shares)


def prompts(stand: Stand) -> None:
    """Large bodies on one connection: the latency that they add."""
    with ExitStack() as stack:
        upstream = stand.upstream(stack, "answer")
        servers = [server for server in stand.serve(stack, upstream) if server.name in {"direct", "nginx", "penstock"}]
        for prompt_bytes, server in stand.turns(stand.plan.prompt_bytes, servers):
            run = wrk(stand, server, upstream, connections=1, seconds=stand.plan.prompt_s, prompt_bytes=prompt_bytes)
            stand.collect("prompt", prompt_bytes, server.name, loop_figures(run) | {"rss_mb": server.rss_mb()})
