"""What a client may not send, and how slowly."""

from __future__ import annotations

import asyncio

import pytest

from penstock.core.errors import Unauthenticated
from penstock.edge.http1 import HttpLimits
from support.faces import EchoFace
from support.http1 import request, serving

SMALL = HttpLimits(head_bytes=1024, headers_count=10, body_bytes=1000)
QUICK = HttpLimits(head_s=0.05, body_s=0.05, keep_alive_s=0.05, write_s=0.05, linger_s=0.05)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"

SMUGGLED = {
    "content-length with transfer-encoding": HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding with content-length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "a list of lengths": HEAD + b"content-length: 3, 3\r\n\r\nabc",
    "a signed length": HEAD + b"content-length: +3\r\n\r\nabc",
    "a chunk size that is no number": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a negative chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
    "an overflowing chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    "a chunk longer than its size": HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n",
    "bare line feeds in chunks": HEAD + b"transfer-encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    "another transfer-encoding": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a folded header": HEAD + b"x-a: b\r\n c\r\n\r\n",
    "a space before the colon": HEAD + b"x-a : b\r\n\r\n",
    "a bare line feed": HEAD + b"x-a: b\nx-c: d\r\n\r\n",
    "a NUL": HEAD + b"x-a: b\x00c\r\n\r\n",
    "no host": b"POST /v1/chat/completions HTTP/1.1\r\n\r\n",
    "two hosts": HEAD + b"host: b\r\n\r\n",
    "two keys": HEAD + b"authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
    "chunks on HTTP/1.0": b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method with no space behind it": b"GET\t/ HTTP/1.1\r\nhost: a\r\n\r\n",
    "an unknown method in another protocol": b"FOO / SIP/2.0\r\nhost: a\r\n\r\n",
    "no method": b'{"model": "fast"} HTTP/1.1\r\nhost: a\r\n\r\n',
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a target that is no path": b"GET a:b HTTP/1.1\r\nhost: a\r\n\r\n",
}


@pytest.mark.parametrize("data", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_a_request_of_two_readings_is_refused_and_the_connection_closed(data: bytes) -> None:
    face = EchoFace()
    async with serving(face) as served:
        client = await served.connect(data)
        response = await client.response()
        assert response.status == 400
        assert response.error["type"] == "invalid_request_error"
        assert response.headers["connection"] == "close"
        assert await client.closed()
        assert face.bodies == []


@pytest.mark.parametrize("method", ["FOO", "get", "GETT", "X-MINE"])
async def test_a_method_that_nobody_knows_is_not_allowed_rather_than_malformed(method: str) -> None:
    face = EchoFace()
    async with serving(face) as served:
        client = await served.connect(f"{method} /health HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        response = await client.response()
        assert (response.status, response.error["code"]) == (405, "method_not_allowed")
        assert response.headers["allow"] == "GET, HEAD, POST"
        assert await client.closed()
    assert face.bodies == []


async def test_connect_is_refused() -> None:
    async with serving(EchoFace()) as served:
        response = await served.ask(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n")
        assert response.status == 405
        assert response.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"x-long: " + b"a" * 2000 + b"\r\n\r\n",
        HEAD + b"x-endless: " + b"a" * 200_000,
        b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        HEAD + b"".join(b"x-%d: a\r\n" % number for number in range(20)) + b"\r\n",
        b"\r\n" * 20_000,
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx-trailer: " + b"a" * 200_000,
        HEAD + b"transfer-encoding: chunked\r\n\r\n3;extension=" + b"a" * 200_000,
    ],
    ids=["header", "endless header", "target", "count", "empty lines", "trailers", "chunk extension"],
)
async def test_a_head_over_the_bound_is_refused(data: bytes) -> None:
    async with serving(EchoFace(), limits=SMALL) as served:
        response = await served.ask(data)
        assert response.status == 431
        assert response.error["code"] == "headers_too_large"


@pytest.mark.parametrize("data", [HEAD + b"x-long: " + b"a" * 2000 + b"\r\n\r\n", b"NOT HTTP\r\n\r\n"])
async def test_what_no_face_can_take_is_refused_under_an_id(data: bytes) -> None:
    async with serving(EchoFace(), limits=SMALL) as served:
        assert (await served.ask(data)).headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/other"])
async def test_a_body_over_the_bound_is_refused_on_every_path(path: str) -> None:
    asked = []

    async def app(scope: object, receive: object, send: object) -> None:
        asked.append((scope, receive, send))

    async with serving(EchoFace(), app=app, limits=SMALL) as served:
        client = await served.connect(request(b"a" * 1001, path=path))
        response = await client.response()
        assert response.status == 413
        assert response.error["code"] == "body_too_large"
        assert await client.closed()
        assert asked == []


async def test_a_chunked_body_over_the_bound_is_refused() -> None:
    face = EchoFace()
    async with serving(face, limits=SMALL) as served:
        response = await served.ask(
            HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"1f4\r\n%b\r\n" % (b"a" * 500) * 3 + b"0\r\n\r\n"
        )
        assert response.status == 413
        assert face.bodies == []


async def test_the_refusal_of_a_large_body_reaches_a_client_that_is_still_sending() -> None:
    async with serving(EchoFace()) as served:
        client = await served.connect(HEAD + b"content-length: 30000000\r\n\r\n")
        for _ in range(64):
            await client.send(b"a" * 65536)
        assert (await client.response()).status == 413


async def test_a_head_that_trickles_is_timed_out() -> None:
    async with serving(EchoFace(), limits=QUICK) as served:
        client = await served.connect(b"POST /v1/chat/comple")
        response = await client.response()
        assert response.status == 408
        assert response.error["code"] == "request_timeout"
        assert await client.closed()


async def test_a_body_that_trickles_is_timed_out() -> None:
    async with serving(EchoFace(), limits=QUICK) as served:
        client = await served.connect(HEAD + b"content-length: 10\r\n\r\nabc")
        assert (await client.response()).status == 408
        assert await client.closed()


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with serving(EchoFace(), limits=QUICK) as served:
        assert await (await served.connect()).closed()


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with serving(EchoFace(), limits=QUICK) as served:
        client = await served.connect(request(b"a"))
        assert (await client.response()).status == 200
        assert await client.closed()


async def test_one_connection_too_many_is_told_so() -> None:
    async with serving(EchoFace(), limits=HttpLimits(connections=1)) as served:
        first = await served.connect(request(b"a"))
        assert (await first.response()).status == 200
        second = await served.connect()
        response = await second.response()
        assert response.status == 503
        await first.send(request(b"b"))
        assert (await first.response()).body == b"b"


class _Doorman(EchoFace):
    def authorize(self, head: object) -> None:
        del head
        raise Unauthenticated("Who are you?")


async def test_an_unknown_caller_is_refused_before_the_body_is_read() -> None:
    async with serving(_Doorman()) as served:
        client = await served.connect(HEAD + b"content-length: 1000\r\n\r\n")
        response = await client.response()
        assert response.status == 401
        assert response.headers["connection"] == "close"
        assert await client.closed()


async def test_an_unknown_caller_is_told_so_whatever_the_body_is() -> None:
    async with serving(_Doorman()) as served:
        client = await served.connect(HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5000 + b"zz\r\n")
        assert (await client.response()).status == 401
        assert await client.closed()


async def test_an_unknown_caller_without_a_body_keeps_the_connection() -> None:
    async with serving(_Doorman()) as served:
        client = await served.connect(request())
        assert (await client.response()).status == 401
        await client.send(request())
        assert (await client.response()).status == 401


async def test_the_body_is_asked_for_only_when_the_caller_may_send_it() -> None:
    async with serving(EchoFace()) as served:
        client = await served.connect(HEAD + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.response()).body == b"abc"
    async with serving(_Doorman()) as served:
        response = await served.ask(HEAD + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert response.status == 401


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"transfer-encoding: chunked\r\n\r\n", b"c8\r\n" + b"x" * 200],
        [b"POST /v1/chat/completions HTTP/1.1\r\n", b"no header\r\n\r\n"],
    ],
    ids=["body", "head"],
)
async def test_a_request_refused_in_a_later_read_does_not_linger_longer(pieces: list[bytes]) -> None:
    limits = HttpLimits(body_bytes=100, linger_s=0.1, body_s=30.0, head_s=30.0)
    async with serving(EchoFace(), limits=limits) as served:
        client = await served.connect()
        for piece in pieces:
            await client.send(piece)
            await asyncio.sleep(0.02)
        assert (await client.response()).status in {400, 413}
        async with asyncio.timeout(5.0):
            while served.server.server_state.connections:  # noqa: ASYNC110 - uvicorn tells nobody
                await asyncio.sleep(0.01)
