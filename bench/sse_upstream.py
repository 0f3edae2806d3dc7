"""A paced upstream: every POST is answered by a stream of 50 chat chunks a second, of a given length.

``python bench/sse_upstream.py PORT SECONDS``. Content-Length bodies only; it serves the bench and nothing else.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

CHUNKS_PER_S = 50
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"


def item(choice: str, usage: str = "null") -> bytes:
    """One server-sent event in one HTTP chunk."""
    text = (
        'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench-model",'
        f'"choices":[{choice}],"usage":{usage}}}\n\n'
    )
    return framed(text.encode())


def framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


WORD = item('{"index":0,"delta":{"content":"water "},"finish_reason":null}')
FIRST = item('{"index":0,"delta":{"role":"assistant","content":"water "},"finish_reason":null}')
LAST = (
    item('{"index":0,"delta":{},"finish_reason":"stop"}')
    + item("", '{"prompt_tokens":32,"completion_tokens":250,"total_tokens":282}')
    + framed(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


class Upstream(asyncio.Protocol):
    """Answers one request after another on a connection."""

    def __init__(self, chunks: int) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(body) < length:
            return
        self._buffer = body[length:]
        self._transport.write(HEAD + FIRST)
        self._tick(self._chunks, asyncio.get_running_loop().time())

    def _tick(self, left: int, start_s: float) -> None:
        if left == 0:
            self._transport.write(LAST)
            return
        if left < self._chunks:
            self._transport.write(WORD)
        # Counted from the start, so that a late tick does not slow the stream.
        due_s = start_s + (self._chunks - left + 1) / CHUNKS_PER_S
        self._timer = asyncio.get_running_loop().call_at(due_s, self._tick, left - 1, start_s)


async def main() -> None:
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    chunks = round(seconds * CHUNKS_PER_S)
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(chunks), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
