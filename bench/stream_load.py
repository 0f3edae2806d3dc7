"""Opens N streams together, reads them to the end, and prints first-byte times and gaps as JSON.

``python -m bench.stream_load PORT STREAMS [HEADER...]``. Raw sockets and no parser: the load must not be what is
measured. What it used of its core is printed too, because it may be.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from functools import partial
from typing import cast

import uvloop

from bench.chat import request
from bench.figures import Figures, percentile

LIMIT_S = 90.0
SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


class Stream(asyncio.Protocol):
    """One request; ``ended`` is done when its last chunk has come or the connection is lost.

    Times are of ``perf_counter``: uvloop's own clock ticks in milliseconds.
    """

    def __init__(self, message: bytes) -> None:
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.first_ms: float | None = None
        self.gaps_ms = array("d")
        self.chunks = 0
        self.refusal = b""
        self._message = message
        self._last_s = 0.0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sent_s = time.perf_counter()
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        if self._tail == b"" and not data.startswith(b"HTTP/1.1 200"):
            self.refusal = data[:1000]
            self._transport.close()
        found = data.count(b"data: {")
        if found:
            now_s = time.perf_counter()
            if self.first_ms is None:
                self.first_ms = (now_s - self._sent_s) * 1e3
            else:
                self.gaps_ms.append((now_s - self._last_s) * 1e3)
            self._last_s = now_s
            self.chunks += found
        # The end of the body, wherever the pieces were split.
        self._tail = (self._tail + data)[-7:]
        if self._tail.endswith(b"\r\n0\r\n\r\n"):
            self._end(whole=True)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._end(whole=False)

    def close(self) -> None:
        self._transport.close()

    def _end(self, *, whole: bool) -> None:
        if not self.ended.done():
            self.ended.set_result(whole and self.first_ms is not None)


async def read_streams(port: int, count: int, message: bytes, limit_s: float = LIMIT_S) -> tuple[list[Stream], float]:
    """The streams, all ended or given up, and the seconds from the first to the last of them."""
    loop = asyncio.get_running_loop()
    began_s = time.perf_counter()
    opening = (loop.create_connection(partial(Stream, message), "127.0.0.1", port) for _ in range(count))
    streams = [stream for _, stream in await asyncio.gather(*opening)]
    await asyncio.wait([stream.ended for stream in streams], timeout=limit_s)
    took_s = time.perf_counter() - began_s
    for stream in streams:
        stream.close()
    return streams, took_s


def summary(streams: list[Stream]) -> Figures:
    figures: Figures = {
        "broken": sum(not (stream.ended.done() and stream.ended.result()) for stream in streams),
        "chunks": sum(stream.chunks for stream in streams),
    }
    first_ms = sorted(stream.first_ms for stream in streams if stream.first_ms is not None)
    gaps_ms = sorted(gap for stream in streams for gap in stream.gaps_ms)
    if gaps_ms:
        figures |= {f"first_{name}_ms": percentile(first_ms, share) for name, share in SHARES.items()}
        figures |= {f"gap_{name}_ms": percentile(gaps_ms, share) for name, share in SHARES.items()}
    return figures


async def main() -> None:
    port, count, headers = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    streams, took_s = await read_streams(port, count, request("Tell me of water.", headers, stream=True))
    used = {"took_s": took_s, "cpu_s": time.process_time()}
    refusal = next((stream.refusal for stream in streams if stream.refusal), b"")
    if refusal:
        lines = refusal.decode(errors="replace").splitlines()
        print(f"a stream was refused: {lines[0]} {lines[-1]}", file=sys.stderr)
    print(json.dumps(summary(streams) | used))


if __name__ == "__main__":
    uvloop.run(main())
