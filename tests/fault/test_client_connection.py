"""What stands between a client and its gateway fails: told as such, with nothing left behind."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Client
from penstock.client.incoming import Incoming
from penstock.client.told import Told
from penstock.core.answer import Event, Outcome
from penstock.core.call import Trail
from penstock.core.errors import GatewayUnreachable, PenstockError
from support import faults
from support.calls import ListSink
from support.upstream_server import Asked, Reply, Upstream, respond, send, upstream_server, watch_until_gone

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-penstock-provider: sim\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "half"}}]}\n\n'
END = (
    b": x-penstock-cost-usd: 0.000012000\n: x-penstock-model: large\n\n"
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)
COMPLETION = b'{"choices": [{"message": {"content": "Hi."}}]}'


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with upstream_server() as upstream:
        yield upstream


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[Client]:
    async with Client.connect(f"http://127.0.0.1:{upstream.port}", api_key="sk-test") as client:
        yield client


async def read(client: Client) -> str:
    return "".join([part async for part in client.stream("Hello", model="chat")])


async def half_a_stream(upstream: Upstream, asked: Asked, writer: Any) -> None:
    writer.write(STREAM_HEAD)
    await send(writer, EVENT)
    await watch_until_gone(upstream, asked)


async def half_a_stream_then_reset(_: Upstream, __: Asked, writer: Any) -> None:
    writer.write(STREAM_HEAD)
    await send(writer, EVENT)
    faults.reset(writer)


async def half_a_stream_then_the_end(_: Upstream, __: Asked, writer: Any) -> None:
    writer.write(STREAM_HEAD)
    await send(writer, EVENT)
    writer.write(b"0\r\n\r\n")


async def a_page(_: Upstream, __: Asked, writer: Any) -> None:
    await respond(writer, 200, b"<html>Welcome</html>", content_type="text/html")


async def a_bad_gateway(_: Upstream, __: Asked, writer: Any) -> None:
    await respond(writer, 502, b"<html>Bad Gateway</html>", content_type="text/html")


async def well(_: Upstream, __: Asked, writer: Any) -> None:
    await respond(writer, 200, COMPLETION, "x-penstock-provider: sim", "x-request-id: req_1")


async def test_a_gateway_that_does_not_run_is_unreachable(client: Client, upstream: Upstream) -> None:
    await upstream.stop()
    for asking in (client.generate("Hello", model="chat"), read(client)):
        with pytest.raises(GatewayUnreachable, match="The gateway cannot be reached"):
            await asking


@pytest.mark.parametrize("reply", [faults.reset_at_once, a_page, a_bad_gateway])
async def test_what_is_no_gateway_is_told_so(client: Client, upstream: Upstream, reply: Reply) -> None:
    upstream.reply = reply
    for asking in (client.generate("Hello", model="chat"), read(client)):
        with pytest.raises(GatewayUnreachable) as told:
            await asking
        assert "provider" not in str(told.value)


@pytest.mark.parametrize("reply", [half_a_stream_then_reset, half_a_stream_then_the_end])
async def test_a_stream_whose_connection_breaks_does_not_end_well(
    client: Client, upstream: Upstream, reply: Reply
) -> None:
    upstream.reply = reply
    stream = client.stream("Hello", model="chat")
    assert await anext(stream) == "half"
    with pytest.raises(GatewayUnreachable):
        await anext(stream)
    with pytest.raises(RuntimeError):
        _ = stream.result


async def test_who_stops_reading_hangs_up(client: Client, upstream: Upstream) -> None:
    upstream.reply = half_a_stream
    async with client.stream("Hello", model="chat") as stream:
        assert await anext(stream) == "half"
    async with asyncio.timeout(5):
        await upstream.dropped.wait()
    task = asyncio.create_task(read(client))
    upstream.dropped.clear()
    async with asyncio.timeout(5):
        while len(upstream.asked) < 2:  # noqa: ASYNC110 - the count is the event
            await asyncio.sleep(0.001)
        task.cancel()
        await upstream.dropped.wait()


async def test_calls_share_a_connection(client: Client, upstream: Upstream) -> None:
    upstream.reply = well
    for _ in range(3):
        answer = await client.generate("Hello", model="chat")
        assert (answer.text, answer.request_id, answer.cost_usd) == ("Hi.", "req_1", None)
    assert upstream.connections == 1
    assert len(upstream.asked) == 3
    assert upstream.asked[0].headers["authorization"] == "Bearer sk-test"


async def a_whole_stream(_: Upstream, __: Asked, writer: Any) -> None:
    writer.write(STREAM_HEAD)
    await send(writer, EVENT + END)
    writer.write(b"0\r\n\r\n")


async def test_a_stream_that_has_ended_leaves_its_connection_to_the_next(client: Client, upstream: Upstream) -> None:
    upstream.reply = a_whole_stream
    for _ in range(3):
        stream = client.stream("Hello", model="chat")
        assert [part async for part in stream] == ["half"]
        assert (stream.result.model, stream.result.cost_usd) == ("large", 0.000012)
    assert (upstream.connections, len(upstream.asked)) == (1, 3)


@pytest.mark.parametrize(
    ("path", "asked"),
    [("", "/v1"), ("/", "/v1"), ("/v1", "/v1"), ("/v1/", "/v1"), ("/llm", "/llm/v1"), ("/llm/v1/", "/llm/v1")],
)
async def test_an_address_may_have_a_path(upstream: Upstream, path: str, asked: str) -> None:
    upstream.reply = well
    async with Client.connect(f"http://127.0.0.1:{upstream.port}{path}") as client:
        await client.generate("Hello", model="chat")
    assert upstream.asked[0].head == f"POST {asked}/chat/completions HTTP/1.1"
    assert "authorization" not in upstream.asked[0].headers


@pytest.mark.parametrize(("url", "key"), [("127.0.0.1:8000", None), ("http://a", "sk\r\nx: y"), ("http://a/b c", None)])
def test_what_cannot_be_used_is_told_at_once(url: str, key: str | None) -> None:
    with pytest.raises(ValueError, match=re.compile("must look like|hold no CR")):
        Client.connect(url, api_key=key)


# --- bytes ---


def incoming() -> tuple[Incoming, ListSink]:
    response: Any = SimpleNamespace(close=lambda: None, pause=lambda: None, resume=lambda: None)
    stream, sink = Incoming(response), ListSink()
    stream.told = Told(answer=stream.answer, trail=Trail(received_at_s=0.0), request_id="", priced=False)
    stream.answer.attach(sink)
    return stream, sink


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(place % len(data) for place in places)})
    for start, end in itertools.pairwise(edges):
        yield data[start:end]


@given(st.lists(st.integers(0, 1000), max_size=8))
async def test_a_stream_is_read_alike_however_it_is_split(places: list[int]) -> None:
    stream, sink = incoming()
    for piece in cut(EVENT + END, places):
        stream.body_received(piece)
    stream.body_ended()
    assert [event.raw for event in sink.events] == [line for line in (EVENT + END).split(b"\n") if b"{" in line]
    assert sink.outcome == Outcome("end")
    assert stream.told is not None
    assert (stream.told.trail.cost_nano_usd, stream.told.trail.model, stream.told.priced) == (12_000, "large", True)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([EVENT, END, b": x-penstock-", b"\n", b": ", b"data: {"])))
async def test_any_bytes_end_in_an_error_of_the_tree(pieces: list[bytes]) -> None:
    stream, sink = incoming()
    for piece in pieces:
        stream.body_received(piece)
    stream.body_ended()
    assert sink.outcome is not None
    assert sink.outcome.kind == "end" or isinstance(sink.outcome.error, PenstockError)
    assert all(isinstance(event, Event) for event in sink.events)
