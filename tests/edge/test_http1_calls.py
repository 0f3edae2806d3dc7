"""Order, streams, slow and vanishing clients, and the end of the server."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from penstock.core.answer import Outcome
from penstock.core.errors import PenstockError, UpstreamCut
from penstock.edge.http1 import Head, HttpLimits, Reply, StreamReply
from support.calls import delta, finished
from support.faces import EchoFace, ScriptedFace
from support.gateways import Upstream
from support.http1 import WAIT_S, Served, request, serving

STREAM = b"content-type: text/event-stream\r\n"
TAIL = b"data: [DONE]\n\n"


def streaming(upstream: Upstream, *, first: str = "Hel") -> ScriptedFace:
    async def script(body: bytes) -> StreamReply:
        del body
        upstream.say(first)
        return StreamReply(200, STREAM, upstream.answer, TAIL)

    return ScriptedFace(script)


async def settled(served: Served, connections: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while len(served.server.server_state.connections) != connections:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)


async def test_a_connection_is_kept_and_each_request_counted() -> None:
    async with serving(EchoFace()) as served:
        client = await served.connect()
        for body in (b"one", b"two", b"three"):
            await client.send(request(body))
            response = await client.response()
            assert (response.status, response.body) == (200, body)
            assert "connection" not in response.headers
        assert served.server.server_state.total_requests == 3
        assert not served.server.server_state.tasks


async def test_a_request_in_single_bytes_is_read() -> None:
    async with serving(EchoFace()) as served:
        client = await served.connect()
        for byte in request(b"hello"):
            await client.send(bytes([byte]))
        assert (await client.response()).body == b"hello"


async def test_a_chunked_body_is_put_together() -> None:
    face = EchoFace()
    async with serving(face) as served:
        response = await served.ask(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\n\r\n"
            b"3\r\nabc\r\n2;x=y\r\nde\r\n1\r\nf\r\n0\r\nx-trailer: z\r\n\r\n"
        )
        assert response.body == b"abcdef"


async def test_a_large_body_arrives_whole() -> None:
    body = bytes(range(256)) * 8192
    async with serving(EchoFace()) as served:
        client = await served.connect()
        sending = asyncio.create_task(client.send(request(body)))
        assert (await client.response()).body == body
        await sending


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(EchoFace()) as served:
        client = await served.connect(b"".join(request(b"%d" % number) for number in range(500)))
        assert [int((await client.response()).body) for _ in range(500)] == list(range(500))


async def test_what_is_pipelined_behind_a_call_waits_within_a_bound() -> None:
    face = EchoFace()
    face.gate.clear()
    async with serving(face, limits=HttpLimits(held_bytes=1024)) as served:
        client = await served.connect(request(b"first"))
        more = request(b"a" * 200_000) * 40
        sending = asyncio.create_task(client.send(more))
        done, _ = await asyncio.wait([sending], timeout=0.1)
        assert not done
        assert face.bodies == [b"first"]
        face.gate.set()
        assert (await client.response()).body == b"first"
        for _ in range(40):
            assert len((await client.response()).body) == 200_000
        await sending


async def test_a_refusal_waits_for_the_answers_before_it() -> None:
    async with serving(EchoFace()) as served:
        client = await served.connect(request(b"good") + b"BAD\r\n\r\n")
        assert (await client.response()).body == b"good"
        assert (await client.response()).status == 400
        assert await client.closed()


async def test_connection_close_is_obeyed_and_what_follows_ignored() -> None:
    face = EchoFace()
    async with serving(face) as served:
        client = await served.connect(request(b"last", "connection: close") + request(b"after"))
        response = await client.response()
        assert (response.body, response.headers["connection"]) == (b"last", "close")
        assert await client.closed()
        assert face.bodies == [b"last"]


async def test_http_1_0_gets_its_answer_and_a_close() -> None:
    async with serving(EchoFace()) as served:
        client = await served.connect(b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi")
        assert (await client.response()).body == b"hi"
        assert await client.closed()


async def test_http_1_0_gets_a_stream_that_ends_with_the_connection() -> None:
    upstream = Upstream()
    async with serving(streaming(upstream)) as served:
        client = await served.connect(b"POST /v1/chat/completions HTTP/1.0\r\n\r\n")
        _, headers = await client.head()
        assert "transfer-encoding" not in headers
        upstream.finish()
        assert await client.rest() == delta("Hel").raw + finished().raw + TAIL


async def test_an_offered_upgrade_may_have_a_body_longer_than_a_head() -> None:
    async with serving(EchoFace(), limits=HttpLimits(head_bytes=1024)) as served:
        client = await served.connect(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
            b"content-length: 5000\r\n\r\n" + b"a" * 4000
        )
        await client.send(b"a" * 1000)
        assert (await client.response()).body == b"a" * 5000


@pytest.mark.parametrize(
    "framing", ["content-length: 3\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
)
async def test_an_offered_upgrade_is_answered_as_a_plain_request(framing: str) -> None:
    async with serving(EchoFace()) as served:
        client = await served.connect(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
            + framing.encode()
        )
        response = await client.response()
        assert (response.status, response.body) == (200, b"abc")
        assert await client.closed()


async def test_an_absolute_target_finds_its_face() -> None:
    async with serving(EchoFace()) as served:
        assert (await served.ask(request(b"a", path="http://gateway/v1/chat/completions?x=y"))).body == b"a"


async def test_a_stream_passes_events_as_they_come_and_ends_well() -> None:
    upstream = Upstream()
    async with serving(streaming(upstream)) as served:
        client = await served.connect(request(b"{}"))
        status, headers = await client.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream")
        assert await client.chunk() == delta("Hel").raw
        upstream.say("lo")
        assert await client.chunk() == delta("lo").raw
        upstream.say("a", "b")
        assert await client.chunk() == delta("a").raw + delta("b").raw
        upstream.finish()
        assert await client.chunk() == finished().raw
        assert await client.chunk() == TAIL
        assert await client.chunk() == b""
        assert upstream.outcomes == [Outcome("end")]
        await client.send(request(b"{}"))


async def test_a_broken_stream_says_so_and_never_ends_well() -> None:
    upstream = Upstream()
    async with serving(streaming(upstream)) as served:
        client = await served.connect(request(b"{}"))
        await client.head()
        await client.chunk()
        upstream.fail(UpstreamCut("The provider's stream broke off."))
        last = await client.chunk()
        assert b'"code":"upstream_cut"' in last
        assert await client.chunk() == b""
        assert TAIL not in last


async def test_a_stream_given_up_by_the_gateway_is_cut() -> None:
    upstream = Upstream()
    async with serving(streaming(upstream)) as served:
        client = await served.connect(request(b"{}"))
        await client.head()
        await client.chunk()
        upstream.answer.end(Outcome("cancel"))
        assert await client.closed()


async def test_a_client_that_goes_before_the_first_content_cancels_the_call() -> None:
    cancelled, asked = asyncio.Event(), asyncio.Event()

    async def script(body: bytes) -> Reply:
        del body
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    async with serving(ScriptedFace(script)) as served:
        client = await served.connect(request(b"{}"))
        await asked.wait()
        client.cut()
        async with asyncio.timeout(WAIT_S):
            await cancelled.wait()
        await settled(served, 0)


async def test_a_client_that_goes_in_a_stream_ends_the_answer_as_a_disconnect() -> None:
    upstream = Upstream()
    async with serving(streaming(upstream)) as served:
        client = await served.connect(request(b"{}"))
        await client.head()
        client.cut()
        async with asyncio.timeout(WAIT_S):
            await upstream.closed.wait()
        assert upstream.outcomes == [Outcome("disconnect")]


async def test_a_client_that_does_not_read_holds_the_upstream_back() -> None:
    upstream = Upstream()
    async with serving(streaming(upstream)) as served:
        client = await served.connect(request(b"{}"))
        await client.head()
        sent = 0
        while upstream.running.is_set():
            upstream.say("x" * 10_000)
            sent += 1
            await asyncio.sleep(0)
            assert sent < 2_000
        assert upstream.answer.paused
        upstream.finish()
        received = b""
        while chunk := await client.chunk():
            received += chunk
        assert received.endswith(TAIL)
        assert received.count(b"x" * 10_000) == sent


async def test_a_client_that_takes_nothing_is_dropped_in_time() -> None:
    upstream = Upstream()
    async with serving(streaming(upstream), limits=HttpLimits(write_s=0.05)) as served:
        client = await served.connect(request(b"{}"))
        await client.head()
        while upstream.running.is_set():
            upstream.say("x" * 10_000)
            await asyncio.sleep(0)
        async with asyncio.timeout(WAIT_S):
            await upstream.closed.wait()
        assert upstream.outcomes == [Outcome("disconnect")]


async def test_no_call_starts_for_a_client_that_does_not_read_its_answers() -> None:
    face = EchoFace()
    async with serving(face) as served:
        client = await served.connect()
        sending = asyncio.create_task(client.send(request(b"a" * 100_000) * 200))
        done, _ = await asyncio.wait([sending], timeout=0.2)
        assert not done
        assert len(face.bodies) < 150
        for _ in range(200):
            assert len((await client.response()).body) == 100_000
        await sending


async def test_a_connection_that_is_over_leaves_nothing_to_the_collector() -> None:
    async with serving(EchoFace()) as served:
        gc.disable()
        try:
            client = await served.connect(request(b"one"))
            await client.response()
            over = weakref.ref(next(iter(served.server.server_state.connections)))
            client.cut()
            async with asyncio.timeout(WAIT_S):
                while over() is not None:  # noqa: ASYNC110 - it is for nobody to tell
                    await asyncio.sleep(0)
        finally:
            gc.enable()


async def test_three_hundred_streams_at_once() -> None:
    upstreams: list[Upstream] = []

    async def script(body: bytes) -> StreamReply:
        upstream = Upstream()
        upstreams.append(upstream)
        upstream.say(body.decode())
        return StreamReply(200, STREAM, upstream.answer, TAIL)

    async with serving(ScriptedFace(script)) as served:
        clients = [await served.connect(request(b"stream-%d" % number)) for number in range(300)]
        for client in clients:
            await client.head()
        assert len(upstreams) == 300
        for upstream in upstreams:
            upstream.say("more")
            upstream.finish()
        for number, client in enumerate(clients):
            text = await client.until(TAIL)
            assert b"stream-%d" % number in text
            assert b"more" in text


async def test_a_shutdown_lets_a_stream_finish_and_closes_the_idle() -> None:
    upstream = Upstream()
    async with serving(streaming(upstream)) as served:
        idle = await served.connect()
        client = await served.connect(request(b"{}"))
        await client.head()
        await settled(served, 2)
        stopping = asyncio.create_task(served.stop())
        assert await idle.closed()
        assert not stopping.done()
        upstream.say("lo")
        upstream.finish()
        assert b"lo" in await client.until(TAIL)
        assert await client.rest() == b"\r\n0\r\n\r\n"
        async with asyncio.timeout(WAIT_S):
            await stopping


async def test_a_shutdown_lets_a_call_finish_with_a_close() -> None:
    face = EchoFace()
    face.gate.clear()
    async with serving(face) as served:
        client = await served.connect(request(b"abc"))
        async with asyncio.timeout(WAIT_S):
            await face.asked.wait()
        stopping = asyncio.create_task(served.stop())
        await asyncio.sleep(0)
        face.gate.set()
        response = await client.response()
        assert (response.body, response.headers["connection"]) == (b"abc", "close")
        assert await client.closed()
        async with asyncio.timeout(WAIT_S):
            await stopping


async def test_a_fault_of_a_face_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def script(body: bytes) -> Reply:
        raise ZeroDivisionError(body)

    class NamingFace(ScriptedFace):
        def render_error(self, error: PenstockError, head: Head) -> Reply:
            reply = super().render_error(error, head)
            return Reply(reply.status, reply.lines + b"x-request-id: req-7\r\n", reply.body)

    async with serving(NamingFace(script)) as served:
        client = await served.connect(request(b"secret"))
        response = await client.response()
        assert response.status == 500
        assert b"secret" not in response.body
        assert response.error["code"] == "internal_error"
    assert "unexpected ZeroDivisionError in request req-7" in caplog.text
    assert "secret" not in caplog.text


async def test_a_call_that_outlives_the_grace_period_is_cut() -> None:
    face = EchoFace()
    face.gate.clear()
    async with serving(face) as served:
        client = await served.connect(request(b"abc"))
        async with asyncio.timeout(WAIT_S):
            await face.asked.wait()
        for task in served.server.server_state.tasks:
            task.cancel()
        assert await client.closed()
