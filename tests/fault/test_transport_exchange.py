"""One request and its answer, over real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from penstock.core.errors import UpstreamCut, UpstreamMalformed, UpstreamUnavailable
from penstock.core.ports import Endpoint, Origin
from penstock.transport import HttpTransport, TransportLimits
from penstock.transport.connection import Connection
from penstock.transport.response import Response
from support.wire import Body, Script, answering, peer_closed, read_request, scripted_server

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNKED = CHUNKED_HEAD + b"9\r\ndata: \xc3\xa9\n\r\n1\r\n\n\r\nC\r\ndata: [DONE]\r\n0\r\n\r\n"
CHUNKED_BODY = b"data: \xc3\xa9\n\ndata: [DONE]"


def post(transport: HttpTransport, origin: Origin, body: bytes = b"{}") -> Coroutine[Any, Any, Response]:
    return transport.bind(Endpoint(origin, b"POST", b"/v1", ((b"content-type", b"application/json"),)))(body)


@asynccontextmanager
async def upstream(
    script: Script, limits: TransportLimits | None = None
) -> AsyncIterator[tuple[HttpTransport, Origin]]:
    async with scripted_server(script) as (host, port):
        origin = Origin("http", host, port)
        transport = HttpTransport(limits or TransportLimits(), named_origins=frozenset({origin}))
        try:
            yield transport, origin
        finally:
            await transport.aclose()


async def test_the_server_sees_one_request_with_its_framing() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)
        await peer_closed(reader)

    async with upstream(script) as (transport, origin):
        response = await post(transport, origin, b'{"a":1}')
        assert (response.status, await response.read(10)) == (200, b"ok")
    head, body = seen[0]
    assert head.startswith(b"POST /v1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % origin.port)
    assert body == b'{"a":1}'


async def test_a_chunked_answer_split_at_every_byte() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for cut in range(1, len(CHUNKED)):
            await read_request(reader)
            writer.write(CHUNKED[:cut])
            await asyncio.sleep(0)
            writer.write(CHUNKED[cut:])

    async with upstream(script) as (transport, origin):
        for _ in range(1, len(CHUNKED)):
            response = await post(transport, origin)
            assert await response.read(100) == CHUNKED_BODY


async def test_a_chunked_answer_byte_by_byte_is_pushed_whole_to_a_receiver() -> None:
    async with upstream(answering(*(CHUNKED[i : i + 1] for i in range(len(CHUNKED))))) as (transport, origin):
        body = Body()
        (await post(transport, origin)).attach(body)
        await body.over.wait()
        assert (body.data, body.error) == (CHUNKED_BODY, None)


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, 200, b"ok"),
        (CHUNKED[:-2] + b"x-trailer: 1\r\n\r\n", 200, CHUNKED_BODY),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b""),
    ],
    ids=["plain", "interim answers", "trailers", "204", "304"],
)
async def test_where_an_answer_ends_is_known_without_waiting_and_its_connection_serves_the_next(
    answer: bytes, status: int, body: bytes
) -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            for cut in range(0, len(answer), 7):
                writer.write(answer[cut : cut + 7])
                await asyncio.sleep(0)

    async with upstream(script) as (transport, origin), asyncio.timeout(5):
        for _ in range(3):
            response = await post(transport, origin)
            assert (response.status, await response.read(100)) == (status, body)
            assert all(name != b"x-trailer" for name, _ in response.headers)
            pushed = Body()
            (await post(transport, origin)).attach(pushed)
            await pushed.over.wait()
            assert (pushed.data, pushed.error) == (body, None)
    assert connections == 1


async def test_compressed_answers_are_not_asked_for() -> None:
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await read_request(reader))[0])
        writer.write(OK)

    async with upstream(script) as (transport, origin):
        await (await post(transport, origin)).read(10)
    assert b"\r\naccept-encoding: identity\r\n" in seen[0]


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")

    async with upstream(script) as (transport, origin):
        assert await (await post(transport, origin)).read(100) == b"hello"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\ncontent-"])
async def test_closing_before_the_head_is_unavailable_and_not_asked_again(start: bytes) -> None:
    requests = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        writer.write(start)

    async with upstream(script) as (transport, origin):
        with pytest.raises(UpstreamUnavailable, match="The provider closed the connection before it answered"):
            await post(transport, origin)
    assert requests == 1


@pytest.mark.parametrize(
    "start", [CHUNKED_HEAD + b"5\r\nhello\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"]
)
async def test_closing_inside_the_body_is_a_cut(start: bytes) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(start)

    async with upstream(script) as (transport, origin):
        with pytest.raises(UpstreamCut):
            await (await post(transport, origin)).read(100)
        body = Body()
        (await post(transport, origin)).attach(body)
        await body.over.wait()
        assert body.data == b"hello"
        assert isinstance(body.error, UpstreamCut)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
        b"<html>",
    ],
    ids=["oversized", "two lengths", "length and chunked", "gzip", "not http"],
)
async def test_a_malformed_head_closes_the_connection(head: bytes) -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(head)
        await peer_closed(reader)
        closed.set()

    async with upstream(script) as (transport, origin):
        with pytest.raises(UpstreamMalformed):
            await post(transport, origin)
        await asyncio.wait_for(closed.wait(), 1)


async def test_a_bad_chunk_inside_a_stream_fails_it_and_closes() -> None:
    closed, sent = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED_HEAD + b"5\r\nhello\r\n")
        await sent.wait()
        writer.write(b"zz\r\n")
        await peer_closed(reader)
        closed.set()

    async with upstream(script) as (transport, origin):
        body = Body()
        (await post(transport, origin)).attach(body)
        sent.set()
        await body.over.wait()
        assert isinstance(body.error, UpstreamMalformed)
        await asyncio.wait_for(closed.wait(), 1)


@pytest.mark.parametrize("pieces", [[b"x" * 200], [b"x" * 100, b"x" * 100]])
async def test_a_body_over_the_callers_limit_is_refused_and_the_connection_closed(pieces: list[bytes]) -> None:
    async with upstream(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", *pieces)) as (transport, origin):
        with pytest.raises(UpstreamMalformed, match="150 bytes"):
            await (await post(transport, origin)).read(150)


async def test_a_body_exactly_at_the_limit_is_read() -> None:
    async with upstream(answering(OK)) as (transport, origin):
        assert await (await post(transport, origin)).read(2) == b"ok"
        with pytest.raises(UpstreamMalformed):
            await (await post(transport, origin)).read(1)


async def test_redirects_are_answers_like_any_other() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    async with upstream(answering(moved)) as (transport, origin):
        response = await post(transport, origin)
        assert (response.status, await response.read(0)) == (302, b"")
        assert (b"location", b"http://169.254.169.254/") in response.headers


async def test_blanks_around_a_header_are_no_part_of_its_value() -> None:
    async with upstream(answering(b"HTTP/1.1 429 x\r\nRetry-After: \t 7 \t\r\ncontent-length: 0\r\n\r\n")) as (
        transport,
        origin,
    ):
        response = await post(transport, origin)
        assert response.headers == [(b"retry-after", b"7"), (b"content-length", b"0")]
        response.close()


async def test_an_answer_that_comes_before_the_request_is_read_is_still_the_answer() -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with upstream(script) as (transport, origin):
        for _ in range(2):
            assert (await post(transport, origin, b"x" * 8_000_000)).status == 413
    assert connections == 2, "a connection in the middle of a request is not reused"


async def test_small_writes_are_not_held_back_by_the_kernel() -> None:
    async with scripted_server(answering(OK)) as address:
        loop = asyncio.get_running_loop()
        connection = Connection(TransportLimits(head_bytes=1024), lambda _connection, _reusable: None, loop)
        opened, _ = await loop.create_connection(lambda: connection, *address)
        assert opened.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.abort()


async def test_a_refused_connection_says_why() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        origin = Origin("http", "127.0.0.1", closed.getsockname()[1])
    transport = HttpTransport(named_origins=frozenset({origin}))
    with pytest.raises(UpstreamUnavailable, match="The provider cannot be reached: connection refused"):
        await post(transport, origin)


async def test_an_unnamed_private_origin_is_never_connected_to() -> None:
    connected = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader, writer
        connected.set()

    async with scripted_server(script) as (_, port):
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(UpstreamUnavailable, match="its address is private"):
                await post(HttpTransport(), Origin("http", host, port))
    assert not connected.is_set()


async def test_after_aclose_everything_is_refused_and_every_socket_closed() -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED_HEAD)
        await peer_closed(reader)
        closed.set()

    async with upstream(script, TransportLimits(max_connections_per_origin=1)) as (transport, origin):
        body = Body()
        (await post(transport, origin)).attach(body)
        waiting = asyncio.create_task(post(transport, origin))
        await asyncio.sleep(0)
        await transport.aclose()
        await asyncio.wait_for(closed.wait(), 1)
        await body.over.wait()
        assert isinstance(body.error, UpstreamCut)
        for late in (waiting, post(transport, origin), post(transport, Origin("http", "other", 80))):
            with pytest.raises(UpstreamUnavailable, match="shutting down"):
                await late
