"""Every way in which a provider can fail on a real socket, through a whole gateway: what the caller sees, what is left."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from msgspec import Struct

from support.http1 import Client, request
from support.upstream_server import begin_stream, respond, send, text_event
from support.whole_gateway import Whole, whole_gateway
from support.wire import peer_closed, read_request, scripted_server

KEY = "sk-acme-" + "a" * 40
CONFIG = """
providers:
  main: {{kind: openai_compatible, base_url: "http://127.0.0.1:{port}/v1", api_key: $UPSTREAM_KEY}}
models:
  alias: {{provider: main, model_id: real-model, cost_per_1k_tokens_usd: 0.001}}
routing:
  chat: {{primary: alias, deadline_ms: 650, first_content_ms: 600, attempt_timeout_ms: 600, idle_gap_ms: 400}}
  patient: {{primary: alias, deadline_ms: 9000, first_content_ms: 9000, attempt_timeout_ms: 9000, idle_gap_ms: 9000}}
tenant_tiers:
  pro: {{allowed_models: [alias], requests_per_minute: 100000, daily_budget_usd: 1, concurrent_requests: 8}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
"""
BODY = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}
CLOSED_WITHIN_S = 0.1

Fault: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


class Provider:
    """Does ``fault`` with every request; counts its connections."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.open = 0
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await read_request(reader)
            self.asked.set()
            await self._fault(reader, writer)
        finally:
            self.open -= 1
            self.closed.set()


@asynccontextmanager
async def gateway_before(folder: Path, provider: Provider) -> AsyncIterator[Whole]:
    async with scripted_server(provider.script) as (_, port):
        config = CONFIG.format(port=port)
        async with whole_gateway(folder, config, ACME_KEY=KEY, UPSTREAM_KEY="sk-up") as gateway:
            yield gateway


def chat(*, stream: bool, model: str = "chat") -> bytes:
    return request(json.dumps(BODY | {"model": model, "stream": stream}).encode(), key=KEY)


# --- what a provider does ---


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await peer_closed(reader)


async def half_a_head_then_the_end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-")


async def half_a_head_then_silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-")
    await peer_closed(reader)


async def endless_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await endlessly(writer, b"x: " + b"y" * 1000 + b"\r\n")


async def endless_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    await endlessly(writer, b" " * 65536)


async def endless_event(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await endlessly(writer, b"10000\r\n" + b"x" * 65536 + b"\r\n")


async def malformed_json(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 200, b'{"choices": [')


async def too_short(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{}")


async def two_lengths(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}")
    await peer_closed(reader)


async def head_then_silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await peer_closed(reader)


async def silence_midway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, text_event("half"))
    await peer_closed(reader)


async def endless_words(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    words = text_event("half" + "x" * 1000)
    await endlessly(writer, b"%x\r\n%b\r\n" % (len(words), words))


async def reset_midway(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, text_event("half"))
    await asyncio.sleep(0.02)  # a reset may overtake what was sent before it
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def an_end_without_done(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, text_event("half"))
    writer.write(b"0\r\n\r\n")


async def malformed_event(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, text_event("half"))
    await send(writer, b"data: {not json\n\n")
    await peer_closed(reader)


async def malformed_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, text_event("half"))
    await asyncio.sleep(0.02)  # so that the first event is through
    writer.write(b"zz\r\n")
    await peer_closed(reader)


async def slow_drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    whole = text_event("half") + text_event(" and half") + text_event("", "stop") + b"data: [DONE]\n\n"
    for at in range(0, len(whole), 4):
        await send(writer, whole[at : at + 4])
        await asyncio.sleep(0)
    writer.write(b"0\r\n\r\n")


async def endlessly(writer: asyncio.StreamWriter, data: bytes) -> None:
    while not writer.transport.is_closing():
        writer.write(data)
        await writer.drain()


# --- before the first content: an error of its own status ---


class Expected(Struct, frozen=True):
    fault: Fault
    codes: tuple[str, ...]
    stream: bool = False


BEFORE_CONTENT = [
    Expected(silence, ("upstream_timeout",)),
    Expected(half_a_head_then_the_end, ("upstream_unavailable",)),
    Expected(half_a_head_then_silence, ("upstream_timeout",)),
    Expected(endless_headers, ("upstream_malformed",)),
    Expected(endless_body, ("upstream_malformed", "upstream_timeout", "deadline_exceeded")),
    Expected(malformed_json, ("upstream_malformed",)),
    Expected(too_short, ("upstream_cut",)),
    Expected(two_lengths, ("upstream_malformed",)),
    Expected(silence, ("upstream_timeout",), stream=True),
    Expected(head_then_silence, ("upstream_timeout",), stream=True),
    Expected(endless_event, ("upstream_malformed", "upstream_timeout", "deadline_exceeded"), stream=True),
]
STATUSES = {"upstream_timeout": 504, "deadline_exceeded": 504}


@pytest.mark.parametrize("case", BEFORE_CONTENT, ids=lambda case: f"{case.fault.__name__}-{case.stream}")
async def test_a_fault_before_the_first_content_is_an_error_with_its_status(tmp_path: Path, case: Expected) -> None:
    provider = Provider(case.fault)
    async with gateway_before(tmp_path, provider) as gateway:
        began_s = time.monotonic()
        answer = await gateway.served.ask(chat(stream=case.stream))
        assert answer.error["code"] in case.codes
        assert answer.status == STATUSES.get(answer.error["code"], 502)
        assert time.monotonic() - began_s < 3
        event = (await gateway.events())[0]
        assert (event["status"], event["error_code"]) == ("error", answer.error["code"])
        assert await gateway.left() == {}
        await all_closed(provider)


async def test_a_refused_connection_is_an_error_with_its_status(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config = CONFIG.format(port=closed.getsockname()[1])
        async with whole_gateway(tmp_path, config, ACME_KEY=KEY, UPSTREAM_KEY="sk-up") as gateway:
            answer = await gateway.served.ask(chat(stream=True))
            assert (answer.status, answer.error["code"]) == (502, "upstream_unavailable")
            assert (await gateway.events())[0]["cost_nano_usd"] == 0
            assert await gateway.left() == {}


# --- after it: the stream ends with an error ---


AFTER_CONTENT = [
    Expected(silence_midway, ("upstream_timeout",)),
    Expected(reset_midway, ("upstream_cut",)),
    Expected(an_end_without_done, ("upstream_cut",)),
    Expected(malformed_event, ("upstream_malformed",)),
    Expected(malformed_chunk, ("upstream_malformed",)),
]


@pytest.mark.parametrize("case", AFTER_CONTENT, ids=lambda case: case.fault.__name__)
async def test_a_fault_after_the_first_content_ends_the_stream_with_an_error(tmp_path: Path, case: Expected) -> None:
    provider = Provider(case.fault)
    async with gateway_before(tmp_path, provider) as gateway:
        answer = await gateway.served.ask(chat(stream=True))
        events = re.findall(rb"data: (.*)\n\n", answer.body)
        assert answer.status == 200
        assert json.loads(events[0])["choices"][0]["delta"]["content"] == "half"
        assert json.loads(events[-1])["error"]["code"] in case.codes
        assert b"[DONE]" not in answer.body
        event = (await gateway.events())[0]
        assert (event["status"], event["error_code"]) == ("error", case.codes[0])
        assert event["cost_nano_usd"] > 0
        assert await gateway.left() == {}
        await all_closed(provider)


async def test_a_slow_drip_is_relayed_whole(tmp_path: Path) -> None:
    async with gateway_before(tmp_path, Provider(slow_drip)) as gateway:
        answer = await gateway.served.ask(chat(stream=True))
        texts = [json.loads(event) for event in re.findall(rb"data: (\{.*)\n\n", answer.body)]
        assert "".join(text["choices"][0]["delta"].get("content", "") for text in texts) == "half and half"
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert await gateway.left() == {}


# --- a caller that leaves ---


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", [silence, half_a_head_then_silence, endless_body, head_then_silence])
async def test_leaving_before_the_answer_closes_the_providers_socket(
    tmp_path: Path,
    fault: Fault,
    stream: bool,  # noqa: FBT001 - a parameter
) -> None:
    provider = Provider(fault)
    async with gateway_before(tmp_path, provider) as gateway:
        client = await gateway.served.connect(chat(stream=stream, model="patient"))
        await asyncio.wait_for(provider.asked.wait(), 1)
        await left_and_closed(gateway, provider, client)
        assert (await gateway.events())[0]["status"] == "cancelled"


@pytest.mark.parametrize("fault", [silence_midway, endless_words])
async def test_leaving_a_stream_closes_the_providers_socket(tmp_path: Path, fault: Fault) -> None:
    provider = Provider(fault)
    async with gateway_before(tmp_path, provider) as gateway:
        client = await gateway.served.connect(chat(stream=True, model="patient"))
        await client.until(b"half")
        await left_and_closed(gateway, provider, client)
        event = (await gateway.events())[0]
        assert event["status"] == "disconnected"
        assert event["cost_nano_usd"] > 0


async def left_and_closed(gateway: Whole, provider: Provider, client: Client) -> None:
    client.cut()
    async with asyncio.timeout(CLOSED_WITHIN_S):
        await provider.closed.wait()
    assert await gateway.left() == {}
    assert not gateway.served.server.server_state.connections
    await all_closed(provider)


async def all_closed(provider: Provider) -> None:
    async with asyncio.timeout(1):
        while provider.open:  # noqa: ASYNC110 - the server's count is the event
            await asyncio.sleep(0.005)
