"""A proxy for tests."""

from __future__ import annotations

import asyncio

from support.wire import read_request


class Tunnels:
    """A proxy that connects every CONNECT to ``port`` of this machine, whatever it asks for; keeps the heads."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heads: list[bytes] = []

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        self.heads.append(head)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.port)
        for byte in b"HTTP/1.1 200 Connection established\r\nvia: a proxy\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        try:
            await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer))
        finally:
            inner_writer.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
