"""An OpenAI-shaped upstream on a real socket that keeps what it was sent and does what a test tells it to."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeAlias

from support.wire import scripted_server

Reply: TypeAlias = Callable[["Upstream", "Asked", asyncio.StreamWriter], Awaitable[None]]

DONE = b"data: [DONE]\n\n"


class Asked:
    """One request as it arrived; ``at_s`` is when (monotonic seconds)."""

    def __init__(self, head: str, headers: dict[str, str], body: bytes, reader: asyncio.StreamReader) -> None:
        self.head = head
        self.reader = reader
        self.headers = headers
        self.body = body
        self.at_s = time.monotonic()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Upstream:
    """Answers with ``reply`` (``faults.py`` has bad ones). ``asked`` has every request, ``connections`` is how many are open.

    ``arrived`` is set by a request, ``dropped`` when a client leaves in the middle.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.reply: Reply = complete
        self.arrived = asyncio.Event()
        self.dropped = asyncio.Event()
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._listening = AsyncExitStack()

    def reset(self) -> None:
        """As new, for the next test."""
        self.asked.clear()
        self.arrived.clear()
        self.dropped.clear()
        self.reply = complete

    async def start(self) -> None:
        """Listen on loopback: on the same port as before, after ``stop``."""
        server = scripted_server(self._serve, tls=self._tls, port=self.port)
        _, self.port = await self._listening.enter_async_context(server)

    async def stop(self) -> None:
        """Be gone: what is connected is cut, and whoever comes is refused."""
        await self._listening.aclose()

    async def deserted(self) -> None:
        """Wait until every connection is gone."""
        while self.connections:  # noqa: ASYNC110 - the count is the event
            await asyncio.sleep(0.005)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                self.arrived.set()
                await self.reply(self, asked, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.dropped.set()
        finally:
            self.connections -= 1


@asynccontextmanager
async def upstream_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Listens on loopback until the block ends."""
    upstream = Upstream(tls)
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.stop()


async def complete(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A short completion, as a stream for who asks for one."""
    if not asked.json.get("stream"):
        await complete_whole(upstream, asked, writer)
        return
    await begin_stream(writer)
    await send(writer, text_event("Hi.") + text_event("", "stop") + usage_event(5, 2) + DONE)
    await end_stream(writer)


async def complete_whole(_: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A short completion in one piece, whatever was asked for."""
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


def at_first(times: int, fault: Reply, then: Reply = complete) -> Reply:
    """A reply that does ``fault`` with the first so many requests, and answers well ``then``."""
    left = times

    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        left -= 1
        await (fault if left >= 0 else then)(upstream, asked, writer)

    return reply


async def respond(
    writer: asyncio.StreamWriter, status: int, body: bytes, *headers: str, content_type: str = "application/json"
) -> None:
    """One whole response."""
    lines = [f"HTTP/1.1 {status} x", f"content-type: {content_type}", f"content-length: {len(body)}", *headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()


async def begin_stream(writer: asyncio.StreamWriter, content_type: str = "text/event-stream") -> None:
    """The head of a stream of events."""
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    await writer.drain()


async def end_stream(writer: asyncio.StreamWriter) -> None:
    """The last chunk."""
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """One HTTP chunk."""
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    await writer.drain()


def text_event(text: str, finish_reason: str | None = None) -> bytes:
    """One event with a piece of text."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish_reason}
    return _event(choices=[choice])


def usage_event(input_tokens: int, output_tokens: int) -> bytes:
    """The event with what the stream has used."""
    usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
    usage["total_tokens"] = input_tokens + output_tokens
    return _event(choices=[], usage=usage)


async def watch_until_gone(upstream: Upstream, asked: Asked) -> None:
    """Write nothing more, and notice when the client has left."""
    with suppress(ConnectionError):
        assert await asked.reader.read(1) == b""
    upstream.dropped.set()


def _event(**fields: Any) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "real-model"}
    return f"data: {json.dumps(chunk | fields)}\n\n".encode()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(first, headers, await reader.readexactly(int(headers.get("content-length", "0"))), reader)
