"""Cases of streams: at a model's pace, and beside clients that read slowly."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack

from bench.figures import Figures
from bench.process import MemoryWatch, Server, pinned
from bench.stand import ROOT, Stand

BESIDE = 100
HEADSTART_S = 0.5
DIRECT_FROM = 1000


def load(stand: Stand, server: Server, upstream: Server, streams: int) -> Figures:
    command = [sys.executable, "-m", "bench.stream_load", str(server.port), str(streams), *server.headers]
    with MemoryWatch(server) as memory:
        run = stand.drive(command, server, upstream)
    chunks = run.said.pop("chunks")
    figures = {"rss_mb": memory.peak_mb} | run.said | run.shares
    return {"cpu_us_per_chunk": run.server_cpu_s / chunks * 1e6, **figures} if chunks else figures


def paced(stand: Stand) -> None:
    """Streams of 50 chunks/s, opened together: cost of a chunk, first bytes, gaps, memory."""
    with ExitStack() as stack:
        upstream = stand.upstream(stack, "stream", stand.plan.stream_s)
        servers = stand.serve(stack, upstream)
        load(stand, servers[2], upstream, 10)
        for streams, server in stand.turns(stand.plan.streams, servers):
            if server is upstream and streams < DIRECT_FROM:
                continue  # so few do not stall the load itself
            stand.collect("streams", streams, server.name, load(stand, server, upstream, streams))


def slow(stand: Stand) -> None:
    """Such streams beside clients that read 2 KB every 50 ms of a model that writes without end."""
    with ExitStack() as stack:
        upstream = stand.upstream(stack, "stream", stand.plan.stream_s)
        servers = stand.serve(stack, upstream)[1:3]
        for slow_streams, server in stand.turns(stand.plan.slow_streams, servers):
            before_mb = server.rss_mb()
            words = [server.port, slow_streams, stand.plan.stream_s + HEADSTART_S]
            command = pinned(stand.cores.load, [sys.executable, "-m", "bench.slow_load", *map(str, words)])
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as readers:
                time.sleep(HEADSTART_S)
                figures = load(stand, server, upstream, BESIDE)
                figures |= json.loads(readers.communicate()[0])
            figures["grown_mb"] = figures["rss_mb"] - before_mb
            stand.collect("slow", slow_streams, server.name, figures)
