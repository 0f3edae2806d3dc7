"""An OpenAI-shaped upstream on a real socket that keeps what it was sent and does what a test tells it to."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

Reply: TypeAlias = Callable[["Upstream", "Asked", asyncio.StreamWriter], Awaitable[None]]


class Asked:
    """One request as it arrived."""

    def __init__(self, head: str, headers: dict[str, str], body: bytes, reader: asyncio.StreamReader) -> None:
        self.head = head
        self.reader = reader
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Upstream:
    """Answers with ``reply``; ``asked`` has every request, ``dropped`` is set when a client leaves in the middle."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.reply: Reply = complete
        self.dropped = asyncio.Event()
        self.port = 0

    def reset(self) -> None:
        """As new, for the next test."""
        self.asked.clear()
        self.dropped.clear()
        self.reply = complete

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                await self.reply(self, asked, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.dropped.set()
        finally:
            writer.close()


@asynccontextmanager
async def upstream_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Listens on loopback until the block ends."""
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()


async def complete(_: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A short completion."""
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": asked.json["model"],
            "vendor_extra": {"kept": True},
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        }
    ).encode()
    await respond(writer, 200, body)


async def respond(writer: asyncio.StreamWriter, status: int, body: bytes, *headers: str) -> None:
    """One whole response."""
    lines = [f"HTTP/1.1 {status} x", "content-type: application/json", f"content-length: {len(body)}", *headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()


async def begin_stream(writer: asyncio.StreamWriter) -> None:
    """The head of a stream of events."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    await writer.drain()


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """One HTTP chunk."""
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    await writer.drain()


def text_event(text: str, finish_reason: str | None = None) -> bytes:
    """One event with a piece of text."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish_reason}
    return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'real-model', 'choices': [choice]})}\n\n".encode()


async def watch_until_gone(upstream: Upstream, asked: Asked) -> None:
    """Write nothing more, and notice when the client has left."""
    with suppress(ConnectionError):
        assert await asked.reader.read(1) == b""
    upstream.dropped.set()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(first, headers, await reader.readexactly(int(headers.get("content-length", "0"))), reader)
