"""Every other path: the ASGI app gets proper requests and keeps its own streams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.edge.http1 import HttpLimits
from support.faces import EchoFace
from support.http1 import WAIT_S, request, serving
from support.native_gateway import ADMIN, FakeGateway, make_app


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    headers = [(b"content-type", b"text/plain"), (b"x-path", scope["raw_path"]), (b"x-query", scope["query_string"])]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def test_the_app_gets_path_query_and_body() -> None:
    async with serving(EchoFace(), app=echo) as served:
        client = await served.connect(request(b"hello", path="/a%20b?c=d"))
        response = await client.response()
        assert (response.status, response.body) == (200, b"hello")
        assert (response.headers["x-path"], response.headers["x-query"]) == ("/a%20b", "c=d")


async def test_both_planes_share_a_connection_and_keep_their_order() -> None:
    async with serving(EchoFace(), app=echo) as served:
        client = await served.connect(
            b"".join(
                request(b"%d" % number, path="/app" if number % 2 else "/v1/chat/completions") for number in range(40)
            )
        )
        assert [int((await client.response()).body) for _ in range(40)] == list(range(40))


async def test_a_known_path_with_another_method_is_the_apps() -> None:
    async with serving(EchoFace(), app=echo) as served:
        response = await served.ask(request(method="GET"))
        assert response.headers["x-path"] == "/v1/chat/completions"


async def test_a_large_body_reaches_the_app_whole() -> None:
    body = b"0123456789abcdef" * 100_000
    async with serving(EchoFace(), app=echo) as served:
        client = await served.connect()
        sending = asyncio.create_task(client.send(request(body, path="/app")))
        assert (await client.response()).body == body
        await sending


async def test_the_app_streams() -> None:
    step = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await step.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": False})

    async with serving(EchoFace(), app=app) as served:
        client = await served.connect(request(method="GET", path="/events"))
        await client.head()
        assert await client.chunk() == b"one"
        step.set()
        assert await client.chunk() == b"two"
        assert await client.chunk() == b""


async def test_the_app_may_answer_before_the_body_has_come() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(EchoFace(), app=app) as served:
        client = await served.connect(request(path="/app")[:-2] + b"content-length: 5\r\n\r\n")
        assert (await client.response()).body == b"ok"
        await client.send(b"abcde" + request(b"next"))
        assert (await client.response()).body == b"next"


async def test_the_app_hears_of_a_client_that_goes() -> None:
    gone, asked = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, send
        await receive()
        asked.set()
        assert (await receive())["type"] == "http.disconnect"
        gone.set()

    async with serving(EchoFace(), app=app) as served:
        client = await served.connect(request(path="/app"))
        await asked.wait()
        client.cut()
        async with asyncio.timeout(WAIT_S):
            await gone.wait()


@pytest.mark.parametrize(
    ("limits", "rest", "status"),
    [
        (HttpLimits(body_bytes=100), b"c8\r\n" + b"a" * 200 + b"\r\n0\r\n\r\n", 413),
        (HttpLimits(body_s=0.05), b"3\r\nabc\r\n", 408),
        (HttpLimits(), b"zz\r\n", 400),
    ],
    ids=["too large", "too slow", "malformed"],
)
async def test_a_bad_body_is_refused_while_the_app_waits_for_it(limits: HttpLimits, rest: bytes, status: int) -> None:
    async with serving(EchoFace(), app=echo, limits=limits) as served:
        client = await served.connect(
            b"POST /app HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + rest,
        )
        assert (await client.response()).status == status
        assert await client.closed()


async def test_a_websocket_offer_is_answered_as_a_plain_request() -> None:
    async with serving(EchoFace(), app=echo) as served:
        client = await served.connect(
            request(b"", "connection: upgrade", "upgrade: websocket", "sec-websocket-key: x", method="GET", path="/ws")
        )
        response = await client.response()
        assert (response.status, response.headers["x-path"]) == (200, "/ws")
        assert await client.closed()


async def test_an_expecting_client_is_asked_for_its_body_when_the_app_wants_it() -> None:
    async with serving(EchoFace(), app=echo) as served:
        client = await served.connect(request(b"", "expect: 100-continue", "content-length: 3", path="/app"))
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.response()).body == b"abc"


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/health", "/health/liveness", "/health/readiness", "/metrics", "/v1/models", "/chat", "/nowhere"],
)
async def test_head_is_answered_as_get_is_but_for_the_body(path: str) -> None:
    async with serving(EchoFace(), app=make_app(FakeGateway())) as served:
        client = await served.connect(request(method="HEAD", path=path, key=ADMIN))
        status, headers = await client.head()
        await client.send(request(method="GET", path=path, key=ADMIN))
        got = await client.response()
        assert (status, headers["content-length"]) == (got.status, str(len(got.body)))
