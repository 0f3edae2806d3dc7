"""Loopback servers scripted byte by byte, and what a test needs to look at the other end of a transport."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

Script: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted_server(
    script: Script, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[tuple[str, int]]:
    """Run ``script`` once for each connection and close the connection when it returns; yields (host, port).

    Scripts still running at the end are cancelled; an assertion that failed in one fails the test.
    """
    tasks: set[asyncio.Task[None]] = set()
    failures: list[BaseException] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A transport that goes away is what many scripts are about.
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(reader, writer)
            if not writer.transport.is_closing():
                writer.close()
        except AssertionError as failure:
            failures.append(failure)
        finally:
            if not writer.transport.is_closing():
                writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(run(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=tls, backlog=512)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield host, port
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # sockets close in the loop's next turn
    if failures:
        raise failures[0]


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head (with its empty line) and body of the next request. Raises ``IncompleteReadError`` at the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head, await reader.readexactly(length)


def answering(*pieces: bytes) -> Script:
    """Answer every request with ``pieces``, each written by itself; close when the client does."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    return script


async def peer_closed(reader: asyncio.StreamReader) -> None:
    """Return when the other side has closed, in order or not."""
    with suppress(ConnectionError):
        while await reader.read(65536):
            pass


class Body:
    """A receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.error: Exception | None = None
        self.over = asyncio.Event()

    @property
    def data(self) -> bytes:
        """Everything so far."""
        return b"".join(self.pieces)

    def body_received(self, data: bytes) -> None:
        """See ``core.ports.Receiver``."""
        self.pieces.append(data)

    def body_ended(self) -> None:
        """See ``core.ports.Receiver``."""
        assert not self.over.is_set(), "a body ends once"
        self.over.set()

    def body_failed(self, error: Exception) -> None:
        """See ``core.ports.Receiver``."""
        assert not self.over.is_set(), "a body ends once"
        self.error = error
        self.over.set()
