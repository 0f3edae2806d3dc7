"""Every way in which a provider can fail on a real socket, through a whole gateway: what the caller sees, what is left."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from support import faults
from support.http1 import Client, request
from support.upstream_server import Reply, Upstream, at_first, complete_whole, upstream_server
from support.whole_gateway import Whole, whole_gateway

KEY = "sk-acme-" + "a" * 40
# No retry fits into the deadline of `chat`.
CONFIG = """
providers:
  main: {{kind: openai_compatible, base_url: "http://127.0.0.1:{port}/v1", api_key: $UPSTREAM_KEY}}
models:
  alias: {{provider: main, model_id: real-model, cost_per_1k_tokens_usd: 0.001}}
routing:
  chat: {{primary: alias, retry: patient, deadline_ms: 650, first_content_ms: 600, attempt_timeout_ms: 600, idle_gap_ms: 400}}
  again: {{primary: alias}}
  patient: {{primary: alias, deadline_ms: 9000, first_content_ms: 9000, attempt_timeout_ms: 9000, idle_gap_ms: 9000}}
tenant_tiers:
  pro: {{allowed_models: [alias], requests_per_minute: 100000, daily_budget_usd: 1, concurrent_requests: 8}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
"""
BODY = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}
CLOSED_WITHIN_S = 0.1


@asynccontextmanager
async def gateway_before(folder: Path, reply: Reply) -> AsyncIterator[tuple[Whole, Upstream]]:
    async with upstream_server() as upstream:
        upstream.reply = reply
        config = CONFIG.format(port=upstream.port)
        async with whole_gateway(folder, config, ACME_KEY=KEY, UPSTREAM_KEY="sk-up") as gateway:
            yield gateway, upstream


def chat(*, stream: bool, model: str = "chat") -> bytes:
    return request(json.dumps(BODY | {"model": model, "stream": stream}).encode(), key=KEY)


def texts_of(body: bytes) -> str:
    """What a stream said."""
    events = [json.loads(event) for event in re.findall(rb"data: (\{.*)\n\n", body)]
    return "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])


# --- before the first content: an error of its own status ---


class Expected(Struct, frozen=True):
    """``kept``: the provider has kept to HTTP's rules, so its connection may be kept for another call."""

    name: str
    reply: Reply
    codes: tuple[str, ...]
    stream: bool = False
    kept: bool = False


def expected(reply: Reply, *codes: str, stream: bool = False, kept: bool = False, name: str = "") -> Expected:
    return Expected(name or getattr(reply, "__name__", ""), reply, codes, stream, kept)


MALFORMED_OR_LATE = ("upstream_malformed", "upstream_timeout", "deadline_exceeded")
BEFORE_CONTENT = [
    expected(faults.silence, "upstream_timeout"),
    expected(faults.reset_at_once, "upstream_unavailable"),
    expected(faults.half_a_head_then_the_end, "upstream_unavailable"),
    expected(faults.half_a_head_then_silence, "upstream_timeout"),
    expected(faults.endless_headers, "upstream_malformed"),
    expected(faults.endless_body, *MALFORMED_OR_LATE),
    expected(faults.internal_error, "upstream_unavailable", kept=True),
    expected(faults.too_many_requests(0.01), "upstream_rate_limited", kept=True, name="too_many_requests"),
    expected(faults.error_in_200, "upstream_malformed", kept=True),
    expected(faults.html_page, "upstream_malformed", kept=True),
    expected(faults.malformed_json, "upstream_malformed", kept=True),
    expected(faults.too_short, "upstream_cut"),
    expected(faults.two_lengths, "upstream_malformed"),
    expected(faults.silence, "upstream_timeout", stream=True),
    expected(faults.reset_at_once, "upstream_unavailable", stream=True),
    expected(faults.internal_error, "upstream_unavailable", kept=True, stream=True),
    expected(faults.error_in_200, "upstream_malformed", kept=True, stream=True),
    expected(faults.html_page, "upstream_malformed", kept=True, stream=True),
    expected(complete_whole, "upstream_malformed", kept=True, stream=True),
    expected(faults.error_event, "upstream_malformed", stream=True, kept=True),
    expected(faults.head_then_silence, "upstream_timeout", stream=True),
    expected(faults.head_then_reset, "upstream_cut", stream=True),
    expected(faults.dripping(0.05), "upstream_timeout", stream=True, name="dripping"),
    expected(faults.endless_event, *MALFORMED_OR_LATE, stream=True),
]
STATUSES = {"upstream_timeout": 504, "deadline_exceeded": 504, "upstream_rate_limited": 429}


@pytest.mark.parametrize("case", BEFORE_CONTENT, ids=lambda case: f"{case.name}-{case.stream}")
async def test_a_fault_before_the_first_content_is_an_error_with_its_status(tmp_path: Path, case: Expected) -> None:
    async with gateway_before(tmp_path, case.reply) as (gateway, upstream):
        began_s = time.monotonic()
        answer = await gateway.served.ask(chat(stream=case.stream))
        assert answer.error["code"] in case.codes
        assert answer.status == STATUSES.get(answer.error["code"], 502)
        assert time.monotonic() - began_s < 3
        event = (await gateway.events())[0]
        assert (event["status"], event["error_code"]) == ("error", answer.error["code"])
        await nothing_left(gateway, upstream, kept=case.kept)


async def test_a_refused_connection_is_an_error_with_its_status_until_the_provider_is_back(tmp_path: Path) -> None:
    async with gateway_before(tmp_path, complete_whole) as (gateway, upstream):
        await upstream.stop()
        answer = await gateway.served.ask(chat(stream=True))
        assert (answer.status, answer.error["code"]) == (502, "upstream_unavailable")
        assert (await gateway.events())[0]["cost_nano_usd"] == 0
        await upstream.start()
        assert (await gateway.served.ask(chat(stream=False))).status == 200
        await nothing_left(gateway, upstream, kept=True)


async def test_a_provider_that_fails_at_first_is_asked_again_and_not_at_once(tmp_path: Path) -> None:
    async with gateway_before(tmp_path, at_first(1, faults.internal_error)) as (gateway, upstream):
        assert (await gateway.served.ask(chat(stream=False, model="again"))).status == 200
        first, second = (asked.at_s for asked in upstream.asked)
        assert second - first >= 0.1
        await nothing_left(gateway, upstream, kept=True)


# --- after it: the stream ends with an error ---


AFTER_CONTENT = [
    expected(faults.silence_midway, "upstream_timeout"),
    expected(faults.dripping_midway(0.05), "upstream_timeout", name="dripping_midway"),
    expected(faults.reset_midway, "upstream_cut"),
    expected(faults.an_end_without_done, "upstream_cut", kept=True),
    expected(faults.malformed_event, "upstream_malformed"),
    expected(faults.malformed_chunk, "upstream_malformed"),
    expected(faults.error_event_midway, "upstream_malformed"),
]


@pytest.mark.parametrize("case", AFTER_CONTENT, ids=lambda case: case.name)
async def test_a_fault_after_the_first_content_ends_the_stream_with_an_error(tmp_path: Path, case: Expected) -> None:
    async with gateway_before(tmp_path, case.reply) as (gateway, upstream):
        answer = await gateway.served.ask(chat(stream=True))
        events = re.findall(rb"data: (.*)\n\n", answer.body)
        assert answer.status == 200
        assert json.loads(events[0])["choices"][0]["delta"]["content"] == "half"
        assert json.loads(events[-1])["error"]["code"] in case.codes
        assert b"[DONE]" not in answer.body
        event = (await gateway.events())[0]
        assert (event["status"], event["error_code"]) == ("error", case.codes[0])
        assert event["cost_nano_usd"] > 0
        await nothing_left(gateway, upstream, kept=case.kept)


# --- odd, but an answer ---


async def test_a_slow_drip_is_relayed_whole(tmp_path: Path) -> None:
    async with gateway_before(tmp_path, faults.dripping(0, 4)) as (gateway, upstream):
        answer = await gateway.served.ask(chat(stream=True))
        assert texts_of(answer.body) == "half and half"
        assert answer.body.endswith(b"data: [DONE]\n\n")
        await nothing_left(gateway, upstream)


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
@pytest.mark.parametrize("usages", [[], [(5, 2)], [(5, 2), (5, 2)], [(5, 1), (5, 2)]], ids=str)
async def test_usage_is_billed_once_whether_it_is_told_never_or_twice_and_whatever_the_stream_calls_itself(
    tmp_path: Path, usages: list[tuple[int, int]], content_type: str
) -> None:
    reply = faults.counting(*usages, content_type=content_type)
    async with gateway_before(tmp_path, reply) as (gateway, upstream):
        answer = await gateway.served.ask(chat(stream=True))
        assert texts_of(answer.body) == "half"
        assert answer.body.endswith(b"data: [DONE]\n\n")
        event = (await gateway.events())[0]
        assert (event["status"], event["usage_estimated"]) == ("ok", not usages)
        assert event["cost_nano_usd"] == 1000 * (event["input_tokens"] + event["output_tokens"])
        assert not usages or (event["input_tokens"], event["output_tokens"]) == (5, 2)
        await nothing_left(gateway, upstream, kept=True)


# --- a caller that leaves ---


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "reply", [faults.silence, faults.half_a_head_then_silence, faults.endless_body, faults.head_then_silence]
)
async def test_leaving_before_the_answer_closes_the_providers_socket(
    tmp_path: Path,
    reply: Reply,
    stream: bool,  # noqa: FBT001 - a parameter
) -> None:
    async with gateway_before(tmp_path, reply) as (gateway, upstream):
        client = await gateway.served.connect(chat(stream=stream, model="patient"))
        await asyncio.wait_for(upstream.arrived.wait(), 1)
        await left_and_closed(gateway, upstream, client)
        assert (await gateway.events())[0]["status"] == "cancelled"


@pytest.mark.parametrize("reply", [faults.silence_midway, faults.endless_words])
async def test_leaving_a_stream_closes_the_providers_socket(tmp_path: Path, reply: Reply) -> None:
    async with gateway_before(tmp_path, reply) as (gateway, upstream):
        client = await gateway.served.connect(chat(stream=True, model="patient"))
        await client.until(b"half")
        await left_and_closed(gateway, upstream, client)
        event = (await gateway.events())[0]
        assert event["status"] == "disconnected"
        assert event["cost_nano_usd"] > 0


async def left_and_closed(gateway: Whole, upstream: Upstream, client: Client) -> None:
    client.cut()
    async with asyncio.timeout(CLOSED_WITHIN_S):
        await upstream.deserted()
    assert await gateway.left() == {}
    assert not gateway.served.server.server_state.connections


async def nothing_left(gateway: Whole, upstream: Upstream, *, kept: bool = False) -> None:
    if kept:
        await upstream.stop()
    async with asyncio.timeout(1):
        await upstream.deserted()
    assert await gateway.left() == {}
