"""A real server around faces and an ASGI app, and a client that speaks raw bytes to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import uvicorn

from penstock.edge.http1 import Face, HttpLimits, protocol_factory

WAIT_S = 5.0
CHAT = (b"POST", b"/v1/chat/completions")


class Served:
    """A running server and the way to it."""

    def __init__(self, server: uvicorn.Server) -> None:
        self.server = server
        self.port = server.servers[0].sockets[0].getsockname()[1]
        self._clients: list[Client] = []

    async def connect(self, data: bytes = b"") -> Client:
        """Open a connection and send ``data``."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        client = Client(reader, writer)
        self._clients.append(client)
        if data:
            await client.send(data)
        return client

    async def ask(self, data: bytes) -> Response:
        """Send ``data`` on a new connection and read one response."""
        return await (await self.connect(data)).response()

    async def stop(self) -> None:
        """Shut down as uvicorn does on SIGTERM."""
        await self.server.shutdown()

    async def aclose(self) -> None:
        """Cut every client and wait until the server has noticed."""
        for listener in self.server.servers:
            listener.close()
        for client in self._clients:
            await client.aclose()
        state = self.server.server_state
        async with asyncio.timeout(WAIT_S):
            while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)


class Response:
    """One response as it came."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def error(self) -> dict[str, Any]:
        """The error object of OpenAI's form."""
        error: dict[str, Any] = msgspec.json.decode(self.body)["error"]
        return error


class Client:
    """A connection that reads responses one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        async with asyncio.timeout(WAIT_S):
            await self._writer.drain()

    def cut(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    async def aclose(self) -> None:
        """Be gone, for the loop too."""
        self.cut()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response."""
        lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = [line.split(": ", 1) for line in lines[1:] if line]
        return int(lines[0].split(" ")[1]), {name.lower(): value for name, value in fields}

    async def until(self, end: bytes) -> bytes:
        """Bytes up to and with ``end``."""
        async with asyncio.timeout(WAIT_S):
            return await self._reader.readuntil(end)

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int(await self.until(b"\r\n"), 16)
        async with asyncio.timeout(WAIT_S):
            return (await self._reader.readexactly(size + 2))[:-2]

    async def response(self) -> Response:
        """The next response, whole."""
        status, headers = await self.head()
        if "content-length" in headers:
            async with asyncio.timeout(WAIT_S):
                return Response(status, headers, await self._reader.readexactly(int(headers["content-length"])))
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while piece := await self.chunk():
                body += piece
            return Response(status, headers, body)
        return Response(status, headers, await self.rest())

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(WAIT_S):
            return await self._reader.read()

    async def closed(self) -> bool:
        """Whether the server closes without another byte."""
        try:
            return await self.rest() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def serving(
    face: Face | None = None,
    *,
    app: Any = None,
    limits: HttpLimits | None = None,
    paths: Mapping[tuple[bytes, bytes], Face] | None = None,
) -> AsyncIterator[Served]:
    """Serve ``face`` at the chat path, or ``paths``, with ``app`` behind it, on a free port of loopback."""
    factory: Any = protocol_factory(paths or ({CHAT: face} if face else {}), limits or HttpLimits())
    config = uvicorn.Config(
        app or not_found, http=factory, host="127.0.0.1", port=0, lifespan="off", log_config=None, ws="none"
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    served = Served(server)
    try:
        yield served
    finally:
        await served.aclose()


async def not_found(scope: Any, receive: Any, send: Any) -> None:
    """Say 404 to everything."""
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def request(
    body: bytes = b"",
    *headers: str,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    key: str | None = "sk-test",
) -> bytes:
    """A well-formed request; a ``body`` gets its content-length."""
    lines = [f"{method} {path} HTTP/1.1", "host: gateway", *headers]
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
