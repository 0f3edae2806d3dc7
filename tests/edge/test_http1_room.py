"""Bodies of many connections share a bound."""

from __future__ import annotations

import asyncio
from typing import Any

from penstock.edge.http1 import HttpLimits
from support.faces import EchoFace
from support.http1 import WAIT_S, request, serving

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
NARROW = HttpLimits(body_bytes=600, bodies_bytes=1000, app_bodies_bytes=1000)


async def test_a_body_that_finds_no_room_is_told_to_come_back_and_then_does() -> None:
    face = EchoFace()
    face.gate.clear()
    async with serving(face, limits=NARROW) as served:
        first = await served.connect(request(b"a" * 600))
        async with asyncio.timeout(WAIT_S):
            await face.asked.wait()
        second = await served.connect(HEAD + b"expect: 100-continue\r\ncontent-length: 600\r\n\r\n")
        response = await second.response()
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        assert response.error["code"] == "unavailable"
        assert response.headers["connection"] == "close"
        assert await second.closed()
        face.gate.set()
        assert (await first.response()).body == b"a" * 600
        assert (await served.ask(request(b"b" * 600))).body == b"b" * 600


async def test_a_small_body_finds_room_beside_a_large_one() -> None:
    face = EchoFace()
    face.gate.clear()
    async with serving(face, limits=NARROW) as served:
        await served.connect(request(b"a" * 600))
        async with asyncio.timeout(WAIT_S):
            await face.asked.wait()
        face.gate.set()
        assert (await served.ask(request(b"b" * 400))).status == 200


async def test_a_chunked_body_that_outgrows_the_room_is_refused() -> None:
    face = EchoFace()
    face.gate.clear()
    async with serving(face, limits=NARROW) as served:
        first = await served.connect(request(b"a" * 600))
        async with asyncio.timeout(WAIT_S):
            await face.asked.wait()
        chunk = b"12c\r\n%b\r\n" % (b"b" * 300)
        other = await served.connect(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk)
        await other.send(chunk)
        assert (await other.response()).status == 503
        assert await other.closed()
        face.gate.set()
        assert (await first.response()).body == b"a" * 600
        assert face.bodies == [b"a" * 600]


async def test_the_refusal_reaches_a_client_that_is_still_sending() -> None:
    face = EchoFace()
    face.gate.clear()
    mib = 1024 * 1024
    async with serving(face, limits=HttpLimits(body_bytes=10 * mib, bodies_bytes=10 * mib)) as served:
        first = await served.connect(request(b"a" * (6 * mib)))
        async with asyncio.timeout(WAIT_S):
            await face.asked.wait()
        second = await served.connect(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(6):
            await second.send(b"100000\r\n%b\r\n" % (b"b" * mib))
        assert (await second.response()).status == 503
        first.cut()


async def test_a_client_that_goes_leaves_its_room_to_others() -> None:
    face = EchoFace()
    face.gate.clear()
    async with serving(face, limits=NARROW) as served:
        gone = await served.connect(request(b"a" * 600))
        async with asyncio.timeout(WAIT_S):
            await face.asked.wait()
        refused = await served.ask(request(b"b" * 600))
        assert refused.status == 503
        await gone.aclose()
        async with asyncio.timeout(WAIT_S):
            while served.server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        face.gate.set()
        assert (await served.ask(request(b"b" * 600))).status == 200


async def test_callers_of_the_app_cannot_take_the_room_of_the_faces() -> None:
    reading = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        while (await receive())["more_body"]:
            reading.set()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async with serving(EchoFace(), app=app, limits=NARROW) as served:
        waiting = await served.connect(request(path="/app")[:-2] + b"content-length: 600\r\n\r\n" + b"a" * 599)
        async with asyncio.timeout(WAIT_S):
            await reading.wait()
        refused = await served.ask(request(b"b" * 600, path="/app"))
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert (await served.ask(request(b"c" * 600))).status == 200
        await waiting.send(b"a")
        assert (await waiting.response()).status == 200
        assert (await served.ask(request(b"b" * 600, path="/app"))).status == 200
