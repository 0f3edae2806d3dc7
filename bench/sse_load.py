"""Opens N streams over half a second, reads them to the end, and prints first-byte times and gaps as JSON.

``python bench/sse_load.py PORT STREAMS``. Raw sockets and no parser: the load must not be what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from typing import cast

import uvloop

BODY = json.dumps(
    {
        "model": "bench",
        "stream": True,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Tell me of water."}],
    }
).encode()
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    b"authorization: Bearer sk-bench-client-0000000000000000000000000000000000000000000\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
OPENING_S = 0.5
LIMIT_S = 60.0


class Stream(asyncio.Protocol):
    """One request; ``ended`` is done when its last chunk has come or the connection is lost.

    Times are of ``perf_counter``: uvloop's own clock ticks in milliseconds.
    """

    def __init__(self) -> None:
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.first_ms: float | None = None
        self.gaps_ms = array("d")
        self.chunks = 0
        self.refusal = b""
        self._last_s = 0.0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sent_s = time.perf_counter()
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if self._tail == b"" and not data.startswith(b"HTTP/1.1 200"):
            self.refusal = self.refusal or data[:1000]
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

    def _end(self, *, whole: bool) -> None:
        if not self.ended.done():
            self.ended.set_result(whole)


async def open_stream(port: int, delay_s: float) -> Stream:
    await asyncio.sleep(delay_s)
    _, stream = await asyncio.get_running_loop().create_connection(Stream, "127.0.0.1", port)
    await asyncio.wait_for(stream.ended, LIMIT_S)
    return stream


def percentile(values: list[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(len(values) * share))], 3) if values else -1.0


async def main() -> None:
    port, count = int(sys.argv[1]), int(sys.argv[2])
    streams = await asyncio.gather(*(open_stream(port, OPENING_S * number / count) for number in range(count)))
    refusal = next((stream.refusal for stream in streams if stream.refusal), b"")
    if refusal:
        raise SystemExit(f"not a stream: {refusal.decode(errors='replace')}")
    first_ms = sorted(stream.first_ms for stream in streams if stream.first_ms is not None)
    gaps_ms = sorted(gap for stream in streams for gap in stream.gaps_ms)
    figures = {
        "streams": count,
        "broken": sum(not stream.ended.result() or stream.first_ms is None for stream in streams),
        "chunks": sum(stream.chunks for stream in streams),
        "first_p50_ms": percentile(first_ms, 0.5),
        "first_p99_ms": percentile(first_ms, 0.99),
        "gap_p50_ms": percentile(gaps_ms, 0.5),
        "gap_p99_ms": percentile(gaps_ms, 0.99),
        "gap_max_ms": percentile(gaps_ms, 1.0),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    uvloop.run(main())
