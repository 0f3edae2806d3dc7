"""Plays generated behaviours to the transport over real sockets, one after another, and reads what it makes of them."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from msgspec import Struct

from penstock.core.errors import UpstreamCut, UpstreamMalformed, UpstreamUnavailable
from penstock.core.ports import Endpoint, Origin
from penstock.transport import HttpTransport, TransportLimits
from support.behaviours import Behaviour
from support.oracle import Reading
from support.wire import Body, read_request

HEAD_BYTES = 4096
# The answer to what is asked after the behaviour: whatever that was, the next call is served, and by nothing else.
NEXT = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext"
CLOSED_WITHIN_S = 0.1
# Only where the oracle has an end and ours does not: no reader may wait for what cannot come.
PATIENCE_S = 1.0


class Played(Struct):
    """What came of one behaviour; ``reused`` when the next request went over the same connection."""

    reading: Reading
    reused: bool


class Stage:
    """A server that does as it is told and one transport, of one connection, that asks it."""

    def __init__(self) -> None:
        self._behaviour = Behaviour(b"POST", [], "hang")
        self._connections = 0
        self._scripts: set[asyncio.Task[None]] = set()
        self._played = asyncio.Event()
        self._left = asyncio.Event()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._origin = Origin("http", *self._server.sockets[0].getsockname()[:2])
        self._transport = HttpTransport(
            TransportLimits(max_connections_per_origin=1, head_bytes=HEAD_BYTES, wait_s=PATIENCE_S),
            named_origins=frozenset({self._origin}),
        )

    async def aclose(self) -> None:
        """Close every socket."""
        await self._transport.aclose()
        self._server.close()
        await self._clear()

    async def play(self, behaviour: Behaviour, *, patient: bool) -> Played:
        """Ask twice: the first request meets ``behaviour``. A reader that waits is cancelled, ``patient`` or not."""
        await self._clear()
        self._behaviour = behaviour
        self._connections = 0
        self._played.clear()
        self._left.clear()
        asking = asyncio.create_task(self._ask(behaviour.method))
        async with asyncio.timeout(PATIENCE_S):
            await self._played.wait()
        await _turns()
        if patient:
            await asyncio.wait({asking}, timeout=PATIENCE_S)
        if not asking.done():
            asking.cancel()
        reading = await asking
        if reading.end == "waiting":
            async with asyncio.timeout(CLOSED_WITHIN_S):
                await self._left.wait()
        async with asyncio.timeout(PATIENCE_S):
            following = await self._ask(b"POST")
        assert (following.end, following.body) == ("whole", b"next"), following
        return Played(reading, reused=self._connections == 1)

    async def _ask(self, method: bytes) -> Reading:
        reading = Reading()
        body = Body()
        try:
            response = await self._transport.bind(Endpoint(self._origin, method, b"/", ()))(b"{}")
            reading.status, reading.headers = response.status, list(response.headers)
            response.attach(body)
            try:
                await body.over.wait()
            finally:
                response.close()
            if body.error is not None:
                raise body.error
            reading.end = "whole"
        except UpstreamMalformed:
            reading.end = "refused"
        except (UpstreamCut, UpstreamUnavailable):
            reading.end = "cut"
        except asyncio.CancelledError:
            reading.end = "waiting"
        reading.body = body.data
        return reading

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        task = asyncio.create_task(self._serve(reader, writer, first=self._connections == 1))
        self._scripts.add(task)
        task.add_done_callback(self._scripts.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, first: bool) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                if first:
                    await read_request(reader)
                    await self._misbehave(writer)
                while True:
                    await read_request(reader)
                    writer.write(NEXT)
        finally:
            self._left.set()
            writer.transport.abort()

    async def _misbehave(self, writer: asyncio.StreamWriter) -> None:
        behaviour = self._behaviour
        try:
            for piece in behaviour.pieces:
                if writer.transport.is_closing():  # the transport has heard enough
                    return
                writer.write(piece)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            if writer.transport.is_closing():
                return
            if behaviour.ending == "rst":
                # Without this an aborted socket closes in order.
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            elif behaviour.ending == "fin":
                writer.write_eof()
        finally:
            self._played.set()

    async def _clear(self) -> None:
        for task in self._scripts:
            task.cancel()
        await asyncio.gather(*self._scripts, return_exceptions=True)
        await _turns()


async def _turns() -> None:
    """What was written on loopback is read within a few turns of the loop."""
    for _ in range(5):
        await asyncio.sleep(0)
