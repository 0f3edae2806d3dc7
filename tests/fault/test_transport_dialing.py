"""Which of several addresses a connection goes to, and what a dial leaves behind; over real sockets, on both loops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, cast

import pytest

from penstock.core.errors import UpstreamUnavailable
from penstock.core.ports import Endpoint, Origin
from penstock.transport import HttpTransport, TransportLimits
from penstock.transport.connection import Connection
from penstock.transport.dialing import Dialer
from penstock.transport.names import Lookup, Names
from penstock.transport.proxies import Proxies
from penstock.transport.tls import client_context
from support.wire import answering, peer_closed, scripted_server

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
NAME = "llm.test"


def standing_for(*addresses: str) -> Lookup:
    async def lookup(name: str) -> list[str]:
        assert name == NAME
        return list(addresses)

    return lookup


@asynccontextmanager
async def transport_to(
    port: int, lookup: Lookup, **limits: Any
) -> AsyncIterator[Callable[[], Coroutine[Any, Any, bytes]]]:
    origin = Origin("http", NAME, port)
    transport = HttpTransport(TransportLimits(**limits), named_origins=frozenset({origin}), lookup=lookup)
    send = transport.bind(Endpoint(origin, b"POST", b"/", ()))

    async def ask() -> bytes:
        return await (await send(b"{}")).read(100)

    try:
        yield ask
    finally:
        await transport.aclose()


def dialer_to(names: Names, *named: Origin) -> Dialer:
    limits = TransportLimits()
    return Dialer(client_context(), names, named_origins=frozenset(named), proxies=Proxies(), limits=limits)


@contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """A listener whose queue is full: the kernel drops what else would connect, as a dead host would."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind((address, port))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield


async def test_a_first_address_that_swallows_everything_costs_a_quarter_of_a_second_once() -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    async with scripted_server(answering(closing)) as (_, port), AsyncExitStack() as stack:
        stack.enter_context(black_hole("127.0.0.2", port))
        ask = await stack.enter_async_context(transport_to(port, standing_for("127.0.0.2", "127.0.0.1")))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await ask() == b"ok"
        assert 0.24 <= loop.time() - began_s < 2
        began_s = loop.time()
        assert [await ask() for _ in range(4)] == [b"ok"] * 4
        assert loop.time() - began_s < 0.9  # not four times a quarter


async def test_a_first_address_that_refuses_costs_nothing() -> None:
    async with scripted_server(answering(OK)) as (_, port):
        lookup = standing_for("127.0.0.2", "::1", "127.0.0.3", "127.0.0.1")
        async with asyncio.timeout(0.7), transport_to(port, lookup) as ask:  # three failures, no quarter for any
            assert await ask() == b"ok"


async def test_all_attempts_together_are_bounded_and_their_sockets_closed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with black_hole("127.0.0.2", port), black_hole("127.0.0.3", port):
        before = _open_files()
        async with transport_to(port, standing_for("127.0.0.2", "127.0.0.3"), connect_s=0.4) as ask:
            with pytest.raises(UpstreamUnavailable, match=r"no connection within 0\.4 s"):
                await ask()
            await asyncio.sleep(0)
            assert _open_files() == before


@pytest.mark.parametrize("turns", [1, 3, 6, 20])
async def test_cancelling_a_dial_leaves_no_socket(turns: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with black_hole("127.0.0.2", port):
        before = _open_files()
        async with transport_to(port, standing_for("127.0.0.2", "127.0.0.4")) as ask:
            asking = asyncio.create_task(ask())
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await asyncio.sleep(0)
            assert _open_files() == before


def _open_files() -> int:
    """Sockets of this process; duplicates of one file count."""
    count = 0
    for number in range(512):
        try:
            socket.socket(fileno=number).detach()
        except OSError:
            continue
        count += 1
    return count


async def test_cancelling_during_the_handshake_closes_the_socket_at_once() -> None:
    taken, closed = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        taken.set()
        await peer_closed(reader)
        closed.set()

    async with scripted_server(silent) as address:
        origin = Origin("https", *address)
        transport = HttpTransport(named_origins=frozenset({origin}))
        asking = asyncio.create_task(transport.bind(Endpoint(origin, b"POST", b"/", ()))(b"{}"))
        await taken.wait()
        asking.cancel()
        await asyncio.wait_for(closed.wait(), 0.1)
        await asyncio.gather(asking, return_exceptions=True)
        await transport.aclose()


async def test_whatever_the_resolver_says_and_whenever_no_private_address_is_connected_to() -> None:
    """DNS rebinding: what counts is the address that is used, also one that was kept."""
    connected = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader, writer
        connected.set()

    answers = [["127.0.0.1"], ["10.0.0.1", "::1"], ["::ffff:127.0.0.1"]]

    async def rebinding(name: str) -> list[str]:
        del name
        return answers.pop(0)

    async with scripted_server(script) as (_, port):
        now_s = 0.0
        dialer = dialer_to(Names(rebinding, lambda: now_s))
        for kept in (False, True) * len(answers):
            now_s += 0 if kept else 3600
            with pytest.raises(UpstreamUnavailable, match="its address is private"):
                await dialer.dial(Origin("http", NAME, port), _never)
    assert not answers
    assert not connected.is_set()


async def test_an_upstream_that_moves_is_found_with_the_next_attempt() -> None:
    addresses = ["127.0.0.2"]

    async def moving(name: str) -> list[str]:
        del name
        return list(addresses)

    async with scripted_server(answering(OK)) as (_, port), transport_to(port, moving) as ask:
        with pytest.raises(UpstreamUnavailable, match="connection refused"):
            await ask()
        addresses[:] = ["127.0.0.1"]
        assert await ask() == b"ok"


async def test_a_name_is_looked_up_once_for_many_connections() -> None:
    asked = 0

    async def lookup(name: str) -> list[str]:
        del name
        nonlocal asked
        asked += 1
        return ["127.0.0.1"]

    closing = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    async with scripted_server(answering(closing)) as (_, port), transport_to(port, lookup) as ask:
        assert await asyncio.gather(*(ask() for _ in range(20))) == [b"ok"] * 20
        assert await ask() == b"ok"
    assert asked == 1


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.1", "127.0.0.2"]], ids=["one", "several"])
async def test_small_writes_are_not_held_back_and_a_dead_peer_is_noticed(addresses: list[str]) -> None:
    async with scripted_server(answering(OK)) as (_, port):
        origin = Origin("http", NAME, port)
        opened = Opened()
        await dialer_to(Names(standing_for(*addresses), lambda: 0.0), origin).dial(origin, opened.itself)
        sock = opened.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        opened.transport.abort()


class Opened(asyncio.Protocol):
    """In a connection's place: keeps the transport."""

    transport: asyncio.Transport
    lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def itself(self) -> Connection:
        return cast("Connection", self)


def _never() -> Connection:
    raise AssertionError("nothing is connected to")
