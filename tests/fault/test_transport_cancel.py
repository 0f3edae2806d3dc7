"""Cancellation and back-pressure of the transport, over real sockets, on both event loops."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from penstock.core.errors import UpstreamCut, UpstreamUnavailable
from penstock.core.ports import Endpoint, Origin
from penstock.transport import HttpTransport, TransportLimits
from penstock.transport.response import Response
from support.wire import Body, Script, peer_closed, read_request, scripted_server

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CLOSED_WITHIN_S = 0.1


def post(transport: HttpTransport, origin: Origin) -> Coroutine[Any, Any, Response]:
    return transport.bind(Endpoint(origin, b"POST", b"/", ()))(b"{}")


def transport_to(origin: Origin, connections: int = 1) -> HttpTransport:
    return HttpTransport(
        TransportLimits(max_connections_per_origin=connections, wait_s=0.5), named_origins=frozenset({origin})
    )


class Hanging:
    """Sends ``start`` to the first connection and then nothing; answers ``ok`` on every other."""

    def __init__(self, start: bytes = b"") -> None:
        self.start = start
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()
        self.connections = 0

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        hangs = self.connections == 1
        while True:
            await read_request(reader)
            if hangs:
                writer.write(self.start)
                self.asked.set()
                await peer_closed(reader)
                self.closed.set()
                return
            writer.write(OK)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["nothing", "half a head"])
async def test_cancelling_before_the_head_closes_the_socket_and_frees_the_slot(start: bytes) -> None:
    upstream = Hanging(start)
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        sending = asyncio.create_task(post(transport, origin))
        await upstream.asked.wait()
        sending.cancel()
        await asyncio.wait_for(upstream.closed.wait(), CLOSED_WITHIN_S)
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert await (await post(transport, origin)).read(10) == b"ok"
        await transport.aclose()


async def test_the_callers_timeout_closes_the_socket() -> None:
    upstream = Hanging()
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await post(transport, origin)
        await asyncio.wait_for(upstream.closed.wait(), CLOSED_WITHIN_S)
        await transport.aclose()


@pytest.mark.parametrize("how", ["close", "cancel read", "close while pushed"])
async def test_leaving_a_body_that_hangs_closes_the_socket_and_frees_the_slot(how: str) -> None:
    upstream = Hanging(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        response = await post(transport, origin)
        body = Body()
        if how == "cancel read":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await response.read(100)
        else:
            if how == "close while pushed":
                response.attach(body)
            response.close()
            response.close()
        await asyncio.wait_for(upstream.closed.wait(), CLOSED_WITHIN_S)
        assert not body.over.is_set(), "nothing is delivered after close"
        assert await (await post(transport, origin)).read(10) == b"ok"
        await transport.aclose()


async def test_reading_what_was_closed_is_an_error() -> None:
    upstream = Hanging(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        response = await post(transport, origin)
        response.close()
        with pytest.raises(UpstreamCut):
            await response.read(100)
        await transport.aclose()


async def test_cancelling_while_queued_leaves_the_queue() -> None:
    upstream = Hanging()
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        first, second, third = (asyncio.create_task(post(transport, origin)) for _ in range(3))
        await upstream.asked.wait()
        second.cancel()
        first.cancel()
        assert await (await third).read(10) == b"ok"
        assert await (await post(transport, origin)).read(10) == b"ok"
        await transport.aclose()
    assert upstream.connections == 2


async def test_cancelling_the_moment_after_a_grant_hands_it_on() -> None:
    """A response closes and the first waiter is cancelled before it wakes: the second must get the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(OK[:-2])
            await asyncio.sleep(0)
            writer.write(OK[-2:])

    async with scripted_server(script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        holder = await post(transport, origin)
        first, second = (asyncio.create_task(post(transport, origin)) for _ in range(2))
        await asyncio.sleep(0)

        class CancelFirst(Body):
            def body_ended(self) -> None:
                super().body_ended()
                first.cancel()

        holder.attach(CancelFirst())
        assert await (await second).read(10) == b"ok"
        with pytest.raises(asyncio.CancelledError):
            await first
        await transport.aclose()


@pytest.mark.parametrize("reused", [True, False], ids=["kept alive", "fresh"])
async def test_cancelling_at_any_step_leaks_no_slot_and_no_socket(reused: bool) -> None:  # noqa: FBT001 - a parameter
    """A task that is cancelled after k turns of the loop, for every k until it is done, over a pool of one."""
    sockets = 0
    changed = asyncio.Event()
    answer = OK if reused else OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sockets
        sockets += 1
        try:
            while True:
                await read_request(reader)
                writer.write(answer)
        finally:
            sockets -= 1
            changed.set()

    async with scripted_server(script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)

        async def whole() -> bytes:
            response = await post(transport, origin)
            return await response.read(10)

        for turns in range(25):
            task = asyncio.create_task(whole())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await whole() == b"ok"
        async with asyncio.timeout(1):
            while sockets > int(reused):
                changed.clear()
                await changed.wait()
        await transport.aclose()


async def test_cancelling_a_connect_that_hangs_frees_the_slot() -> None:
    """The server takes the connection and never answers the TLS handshake."""
    async with scripted_server(_silent) as address:
        origin = Origin("https", *address)
        transport = HttpTransport(
            TransportLimits(max_connections_per_origin=1, connect_s=0.1), named_origins=frozenset({origin})
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await post(transport, origin)
        with pytest.raises(UpstreamUnavailable, match=r"no connection within 0\.1 s"):
            await post(transport, origin)
        await transport.aclose()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del writer
    await peer_closed(reader)


# --- back-pressure ---

TOTAL_BYTES = 64 * 1024 * 1024


def flooding(progress: Callable[[int], None]) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % TOTAL_BYTES)
        piece = b"x" * 262_144
        for sent in range(0, TOTAL_BYTES, len(piece)):
            writer.write(piece)
            await writer.drain()
            progress(sent + len(piece))
        await peer_closed(reader)

    return script


async def _standstill(progress: list[int]) -> int:
    """Wait until the server has not got on for a while; how far it got."""
    before = -1
    while progress[-1] != before:
        before = progress[-1]
        await asyncio.sleep(0.1)
    return before


async def test_pausing_a_receiver_really_stops_the_server() -> None:
    progress = [0]
    async with scripted_server(flooding(progress.append)) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        response = await post(transport, origin)

        class SlowBody(Body):
            received = 0

            def body_received(self, data: bytes) -> None:
                self.received += len(data)
                response.pause()

        body = SlowBody()
        response.attach(body)
        assert await _standstill(progress) < TOTAL_BYTES / 2, "the rest waits in the server"
        assert body.received < 2 * 1024 * 1024, "about one read of the socket came through"
        while not body.over.is_set():
            response.resume()
            await asyncio.sleep(0)
        assert body.received == TOTAL_BYTES
        assert body.error is None
        await transport.aclose()


async def test_a_body_that_nobody_claims_is_bounded() -> None:
    progress = [0]
    async with scripted_server(flooding(progress.append)) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        response = await post(transport, origin)
        assert await _standstill(progress) < TOTAL_BYTES / 2
        assert len(await response.read(TOTAL_BYTES)) == TOTAL_BYTES
        await transport.aclose()


async def test_a_flood_leaves_the_others_their_turn() -> None:
    progress = [0]
    async with scripted_server(flooding(progress.append)) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        response = await post(transport, origin)
        response.pause()
        await _standstill(progress)
        turn = 0
        received: Counter[int] = Counter()

        class CountingBody(Body):
            def body_received(self, data: bytes) -> None:
                received[turn] += len(data)

        body = CountingBody()
        response.attach(body)
        while not body.over.is_set():
            turn += 1
            await asyncio.sleep(0)
        assert received.total() == TOTAL_BYTES
        assert max(received.values()) < 1024 * 1024
        await transport.aclose()


async def test_a_connection_paused_at_the_end_of_its_answer_serves_the_next() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(OK)

    async with scripted_server(script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        for _ in range(3):
            response = await post(transport, origin)
            response.pause()
            body = Body()
            response.attach(body)
            response.pause()
            response.resume()
            await asyncio.wait_for(body.over.wait(), 1)
            response.pause()  # too late to mean this connection's next answer
        await transport.aclose()


async def test_a_receiver_that_closes_from_within_hears_nothing_more() -> None:
    upstream = Hanging(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        response = await post(transport, origin)

        class Leaving(Body):
            def body_received(self, data: bytes) -> None:
                super().body_received(data)
                response.close()

        body = Leaving()
        response.attach(body)
        assert body.data == b"hello"
        assert not body.over.is_set()
        await transport.aclose()
