"""A model as the bench needs it: streams at a model's pace, or one fixed answer after the whole request has come.

``python -m bench.upstream PORT stream SECONDS`` answers a request for a stream with 50 chat chunks a second for so long;
one whose text holds "Flood" gets chunks as fast as they are taken, without end. ``python -m bench.upstream PORT answer``
answers with one completion. Content-Length bodies only; it serves the bench and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import uvloop

CHUNKS_PER_S = 50
GAP_MS = 1000 // CHUNKS_PER_S
KEPT_BYTES = 4096
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-bench0000000000000000",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "bench-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "About as many as the gate lets through."},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 41},
        "system_fingerprint": "fp_bench",
    }
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(COMPLETION),
    COMPLETION.encode(),
)
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
FLOOD = WORD * 100


class Pace:
    """Wakes streams, with one timer for all that are due in a millisecond: one for each chunk made it a third dearer."""

    def __init__(self) -> None:
        self._due: dict[int, list[Upstream]] = {}

    def now_ms(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e3)

    def wake(self, stream: Upstream, due_ms: int) -> None:
        streams = self._due.get(due_ms)
        if streams is None:
            streams = self._due[due_ms] = []
            asyncio.get_running_loop().call_at(due_ms / 1e3, self._tick, due_ms)
        streams.append(stream)

    def _tick(self, due_ms: int) -> None:
        for stream in self._due.pop(due_ms):
            stream.tick(due_ms)


class Upstream(asyncio.Protocol):
    """Answers one request after another on a connection; ``chunks`` is a stream's length, 0 for the fixed answer."""

    def __init__(self, chunks: int, pace: Pace) -> None:
        self._chunks = chunks
        self._pace = pace
        self._left = 0
        self._head = b""
        self._text = b""
        self._missing = 0
        self._writable = asyncio.Event()
        self._flood: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._left = 0
        if self._flood is not None:
            self._flood.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Count the body and keep its beginning: a megabyte is not worth keeping."""
        if self._missing == 0:
            self._head += data
            head, blank, data = self._head.partition(b"\r\n\r\n")
            if not blank:
                return
            lines = head.lower().split(b"\r\n")
            self._missing = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            self._head, self._text = b"", b""
        if len(self._text) < KEPT_BYTES:
            self._text += data
        self._missing -= len(data)
        if self._missing == 0 and self._chunks and b'"stream"' in self._text:
            self._stream(flood=b"Flood" in self._text)
        elif self._missing == 0:
            self._transport.write(ANSWER)

    def _stream(self, *, flood: bool) -> None:
        self._transport.write(HEAD + FIRST)
        if flood:
            self._flood = asyncio.get_running_loop().create_task(self._pour())
        else:
            self._left = self._chunks
            self._pace.wake(self, self._pace.now_ms() + GAP_MS)

    async def _pour(self) -> None:
        while True:
            self._transport.write(FLOOD)
            await asyncio.sleep(0)
            await self._writable.wait()

    def tick(self, due_ms: int) -> None:
        """Send what is due, and come back a gap after that was due: a late tick does not slow the stream."""
        self._left -= 1
        if self._left > 0:
            self._transport.write(WORD)
            self._pace.wake(self, due_ms + GAP_MS)
        elif self._left == 0:
            self._transport.write(LAST)


async def main() -> None:
    port, kind = int(sys.argv[1]), sys.argv[2]
    chunks = round(float(sys.argv[3]) * CHUNKS_PER_S) if kind == "stream" else 0
    pace, loop = Pace(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(chunks, pace), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
