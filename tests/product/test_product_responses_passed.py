"""A provider that has OpenAI's Responses API itself, for callers who speak it: bytes in, bytes out, over sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support import faults
from support.chat_callers import SCHEMA, Messages, Responses
from support.every_provider import KEY, SECRETS, Every, every_provider, understood
from support.provider_speech import speaking
from support.upstream_server import Asked, Reply, Upstream, begin_stream, end_stream, respond, send, watch_until_gone

CALLER = Responses()
# What only OpenAI has, and what nobody here knows.
OWN = {"truncation": "auto", "tools": [{"type": "web_search"}], "future_option": {"deep": [1, 2.50]}}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Every]:
    async with every_provider(tmp_path_factory.mktemp("responses")) as every:
        yield every
        await every.nothing_left()


@pytest.fixture
def every(running: Every) -> Every:
    running.upstream.reset()
    running.upstream.reply = speaking()
    return running


def response(status: str = "completed", **fields: Any) -> dict[str, Any]:
    # openai 3.54, ``types/responses/response.py``, 2026-11-21
    part = {"type": "output_text", "text": "Grüße!", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 80},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 7},
        "total_tokens": 120,
    }
    told = {"id": "resp_1", "object": "response", "created_at": 1, "model": "r-1", "status": status, "error": None}
    return told | {"output": [item], "usage": usage, "vendor_extra": {"kept": True}} | fields


def events() -> list[bytes]:
    first = response("in_progress", output=[], usage=None)
    item = response()["output"][0]
    told: list[dict[str, Any]] = [
        {"type": "response.created", "response": first},
        {"type": "response.in_progress", "response": first},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
        {
            "type": "response.output_text.delta",
            "item_id": "msg_1",
            "output_index": 0,
            "content_index": 0,
            "delta": "Grü",
        },
        {
            "type": "response.output_text.delta",
            "item_id": "msg_1",
            "output_index": 0,
            "content_index": 0,
            "delta": "ße!",
        },
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response()},
    ]
    return [
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event | {"sequence_number": number}).encode())
        for number, event in enumerate(told)
    ]


def streaming(data: bytes, then: Reply | None = None) -> Reply:
    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer)
        await send(writer, data)
        if then is None:
            await end_stream(writer)
        else:
            await then(upstream, asked, writer)

    return reply


async def whole(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 200, json.dumps(response()).encode())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_it_passes_but_for_model_and_credentials(every: Every, stream: bool) -> None:  # noqa: FBT001
    every.upstream.reply = streaming(b"".join(events())) if stream else whole
    body = CALLER.body("native", stream=stream) | OWN
    answer = await every.post(CALLER, body)
    heard = understood(CALLER, answer)
    assert (heard.text, heard.model) == ("Grüße!", "native")
    counted = (heard.input_tokens, heard.cached_tokens, heard.output_tokens, heard.reasoning_tokens)
    assert counted == (100, 80, 20, 7)
    assert b'"vendor_extra"' in answer.body
    assert b"r-1" not in answer.body
    (asked,) = every.upstream.asked
    assert asked.head == "POST /v1/responses HTTP/1.1"
    assert asked.headers["authorization"] == f"Bearer {SECRETS['OPENAI_KEY']}"
    assert asked.json == body | {"model": "r-1"}
    event = await every.event_of(answer)
    assert (event["endpoint"], event["cost_nano_usd"], event["usage_estimated"]) == ("/v1/responses", 480_000, False)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (b"", "upstream_cut"),
        (b"event: error\ndata: {not json\n\n", "upstream_malformed"),
        (b'event: error\ndata: {"type":"error","code":"x","message":"burnt out"}\n\n', "upstream_malformed"),
        (
            b'event: response.failed\ndata: {"type":"response.failed","response":{"status":"failed"}}\n\n',
            "upstream_malformed",
        ),
    ],
    ids=["cut", "no json", "error", "failed"],
)
async def test_a_stream_that_breaks_ends_with_an_error_of_ours(every: Every, told: bytes, code: str) -> None:
    every.upstream.reply = streaming(b"".join(events()[:4]) + told)
    answer = await every.post(CALLER, CALLER.body("native", stream=True))
    assert CALLER.hear_break(answer.body) == "Grü"
    assert b"burnt out" not in answer.body
    event = await every.event_of(answer)
    assert (event["status"], event["error_code"], event["usage_estimated"]) == ("error", code, True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_another_dialect_stands_in_for_it(every: Every, stream: bool) -> None:  # noqa: FBT001
    every.upstream.reply = speaking(others={"openai": faults.internal_error})
    heard = await every.hear(CALLER, CALLER.with_schema(CALLER.body("native-anthropic", stream=stream)))
    assert (heard.text, heard.model) == ("Grüße!", "native-anthropic")
    assert every.upstream.asked[1].json["output_config"]["format"]["schema"] == SCHEMA


async def test_who_leaves_takes_it_along(every: Every) -> None:
    async def silent(upstream: Upstream, asked: Asked, _: asyncio.StreamWriter) -> None:
        await watch_until_gone(upstream, asked)

    every.upstream.reply = streaming(b"".join(events()[:4]), silent)
    client = await every.gateway.served.connect(CALLER.ask(CALLER.body("native", stream=True), KEY))
    await client.until(b"output_text.delta")
    client.cut()
    async with asyncio.timeout(2):
        await every.upstream.dropped.wait()


async def test_other_callers_ask_it_for_chat_completions(every: Every) -> None:
    caller = Messages()
    answer = await every.post(caller, caller.body("native"))
    assert caller.hear(msgspec.json.decode(answer.body)).text == "Grüße!"
    (asked,) = every.upstream.asked
    assert asked.head == "POST /v1/chat/completions HTTP/1.1"
    assert asked.json["max_completion_tokens"] == 64
