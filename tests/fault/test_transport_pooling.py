"""Reuse, bounds and queue of the transport's connections, over real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from penstock.core.errors import BulkheadFull, UpstreamCut, UpstreamUnavailable
from penstock.core.ports import Endpoint, Origin
from penstock.transport import HttpTransport, TransportLimits
from support.wire import Body, answering, peer_closed, read_request, scripted_server

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Upstream:
    """Answers ``ok`` on every connection for ``per_connection`` requests, and counts; holds answers until ``gate``."""

    def __init__(self, *, per_connection: int | None = None, answer: bytes = OK) -> None:
        self.per_connection = per_connection
        self.answer = answer
        self.connections = 0
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed = asyncio.Event()

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for count in itertools.count():
                if count == self.per_connection:
                    return
                await read_request(reader)
                self.requests += 1
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                await self.gate.wait()
                self.in_flight -= 1
                writer.write(self.answer)
        finally:
            self.closed.set()


async def ask(transport: HttpTransport, origin: Origin) -> bytes:
    response = await transport.bind(Endpoint(origin, b"POST", b"/", ()))(b"{}")
    return await response.read(1000)


def transport_to(origin: Origin, limits: TransportLimits | None = None) -> HttpTransport:
    return HttpTransport(limits or TransportLimits(), named_origins=frozenset({origin}))


async def test_one_connection_serves_one_request_after_another() -> None:
    upstream = Upstream()
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        for _ in range(5):
            assert await ask(transport, origin) == b"ok"
        await transport.aclose()
    assert (upstream.connections, upstream.requests) == (1, 5)


async def test_a_pushed_body_gives_its_connection_back_by_itself() -> None:
    upstream = Upstream()
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin, TransportLimits(max_connections_per_origin=1))
        for _ in range(3):
            body = Body()
            response = await transport.bind(Endpoint(origin, b"POST", b"/", ()))(b"{}")
            response.attach(body)
            await body.over.wait()
            response.close()
        await transport.aclose()
    assert upstream.connections == 1


async def test_a_stale_connection_is_replaced_once_without_the_caller_noticing() -> None:
    upstream = Upstream()
    served = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the first request of a connection and closes on seeing the second, as a racing peer would."""
        nonlocal served
        upstream.connections += 1
        await read_request(reader)
        writer.write(OK)
        served += 1
        await read_request(reader)

    async with scripted_server(script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin, TransportLimits(max_connections_per_origin=1))
        for _ in range(3):
            assert await ask(transport, origin) == b"ok"
        await transport.aclose()
    assert (upstream.connections, served) == (3, 3)


async def test_a_request_that_the_peer_has_worked_on_is_not_sent_again() -> None:
    requests = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        requests += 1
        await asyncio.sleep(0.1)

    async with scripted_server(script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin, TransportLimits(stale_s=0.02))
        assert await ask(transport, origin) == b"ok"
        with pytest.raises(UpstreamCut, match="while it worked"):
            await ask(transport, origin)
        await transport.aclose()
    assert requests == 1


async def test_a_fresh_connection_that_closes_too_is_the_callers_error() -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        if connections == 1:
            writer.write(OK)
            await read_request(reader)

    async with scripted_server(script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        assert await ask(transport, origin) == b"ok"
        with pytest.raises(UpstreamUnavailable, match="before it answered"):
            await ask(transport, origin)
        await transport.aclose()
    assert connections == 2


async def test_a_request_is_not_sent_again_once_a_byte_of_the_answer_has_come() -> None:
    requests = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        for answer in (OK, b"H"):
            await read_request(reader)
            requests += 1
            writer.write(answer)

    async with scripted_server(script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        await ask(transport, origin)
        with pytest.raises(UpstreamUnavailable):
            await ask(transport, origin)
        await transport.aclose()
    assert requests == 2


@pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"noise"])
async def test_a_connection_that_brought_more_than_its_answer_is_not_reused(surplus: bytes) -> None:
    upstream = Upstream(answer=OK + surplus)
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        assert [await ask(transport, origin) for _ in range(2)] == [b"ok", b"ok"]
        await transport.aclose()
    assert upstream.connections == 2


async def test_bytes_on_an_idle_connection_close_it() -> None:
    closed = asyncio.Event()
    speak = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await speak.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await peer_closed(reader)
        closed.set()

    async with scripted_server(script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        await ask(transport, origin)
        speak.set()
        await asyncio.wait_for(closed.wait(), 1)
        await transport.aclose()


async def test_an_idle_connection_is_closed_after_its_keep_alive_time() -> None:
    upstream = Upstream()
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin, TransportLimits(keep_alive_s=0.02))
        await ask(transport, origin)
        await asyncio.wait_for(upstream.closed.wait(), 1)
        await ask(transport, origin)
        await transport.aclose()
    assert upstream.connections == 2


async def test_the_pool_is_bounded_and_the_queue_moves_on() -> None:
    upstream = Upstream()
    upstream.gate.clear()
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin, TransportLimits(max_connections_per_origin=4))
        asked = [asyncio.create_task(ask(transport, origin)) for _ in range(20)]
        while upstream.in_flight < 4:  # noqa: ASYNC110 - the server's count is the event
            await asyncio.sleep(0.001)
        upstream.gate.set()
        assert await asyncio.gather(*asked) == [b"ok"] * 20
        await transport.aclose()
    assert (upstream.connections, upstream.most_in_flight) == (4, 4)


async def test_the_queue_moves_on_where_connections_cannot_be_reused() -> None:
    upstream = Upstream(per_connection=1, answer=OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin, TransportLimits(max_connections_per_origin=2))
        assert await asyncio.gather(*(ask(transport, origin) for _ in range(9))) == [b"ok"] * 9
        await transport.aclose()
    assert upstream.connections == 9


async def test_the_queue_is_bounded_in_depth_and_time_and_says_what_to_do() -> None:
    upstream = Upstream()
    upstream.gate.clear()
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        limits = TransportLimits(max_connections_per_origin=1, max_waiting_per_origin=1, wait_s=0.05)
        transport = transport_to(origin, limits)
        first, second = (asyncio.create_task(ask(transport, origin)) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(BulkheadFull, match="connections to the provider are busy"):
            async with asyncio.timeout(0.02):
                await ask(transport, origin)
        with pytest.raises(BulkheadFull, match="connections to the provider are busy"):
            await second
        upstream.gate.set()
        assert await first == b"ok"
        assert await ask(transport, origin) == b"ok"
        await transport.aclose()
    assert upstream.connections == 1


async def test_a_failed_connect_hands_its_slot_to_the_next() -> None:
    async with scripted_server(answering(OK)) as address:
        origin = Origin("http", *address)
    transport = transport_to(origin, TransportLimits(max_connections_per_origin=1))
    outcomes = await asyncio.gather(*(ask(transport, origin) for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UpstreamUnavailable] * 5


async def test_three_hundred_at_once() -> None:
    upstream = Upstream()
    async with scripted_server(upstream.script) as address:
        origin = Origin("http", *address)
        transport = transport_to(origin)
        for _ in range(2):
            assert await asyncio.gather(*(ask(transport, origin) for _ in range(300))) == [b"ok"] * 300
        await transport.aclose()
    assert upstream.requests == 600
    assert upstream.connections <= 300
