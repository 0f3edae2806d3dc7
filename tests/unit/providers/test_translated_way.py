"""A deployment that answers in one dialect, for callers of another."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.core.answer import Event
from penstock.core.call import Call, Usage
from penstock.core.plan import Target
from penstock.providers import connect
from support.calls import make_call
from support.upstreams import ScriptedResponse, ScriptedTransport

TARGET = Target("alias", "acme", "m-1", max_output_tokens=100)
MESSAGES = {"model": "fast", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
BETAS = b"anthropic-beta: files-api-2025-04-14\r\n"


def asked_in(dialect: Any, **changes: Any) -> Call:
    return make_call(MESSAGES, dialect=dialect, **changes)


async def test_header_lines_of_a_body_go_no_further_than_the_body() -> None:
    whole = msgspec.json.encode({"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]})
    transport = ScriptedTransport([ScriptedResponse(body=whole)])
    gemini = connect("gemini", "acme", base_url=None, api_key="k", transport=transport)
    await gemini.bind(TARGET)(asked_in("anthropic", lines=BETAS))
    whole = msgspec.json.encode({"type": "message", "content": [], "stop_reason": "end_turn"})
    transport.responses.append(ScriptedResponse(body=whole))
    anthropic = connect("anthropic", "acme", base_url=None, api_key="k", transport=transport)
    await anthropic.bind(TARGET)(asked_in("anthropic", lines=BETAS))
    assert transport.lines == [b"", BETAS]


def test_what_a_stream_has_read_from_the_cache_is_known_though_it_breaks() -> None:
    provider = connect("anthropic", "acme", base_url=None, api_key="k", transport=ScriptedTransport([]))
    reader = provider.ways(TARGET)["openai"].reader(asked_in("openai", stream=True))
    usage = {"input_tokens": 3, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 7, "output_tokens": 1}
    events: list[Event] = []
    for told in (
        {"type": "message_start", "message": {"type": "message", "usage": usage}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello there"}},
    ):
        reader.read(b"data: " + msgspec.json.encode(told) + b"\n\n", events)
    tokens = reader.usage.output_tokens
    assert tokens > 1
    assert reader.usage == Usage(100, tokens, estimated=True, cached_tokens=90, cache_write_tokens=7)


def test_what_a_provider_does_not_count_is_estimated_whole_and_streamed() -> None:
    provider = connect("anthropic", "acme", base_url=None, api_key="k", transport=ScriptedTransport([]))
    way, call = provider.ways(TARGET)["openai"], asked_in("openai", input_tokens=50)
    message = {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
    whole = way.decode(msgspec.json.encode({**message, "usage": {"output_tokens": 7}}), call)
    assert whole.usage == Usage(50, 7, estimated=True)
    reader = way.reader(call)
    told = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
    reader.read(b"data: " + msgspec.json.encode(told) + b"\n\n", [])
    assert reader.usage == Usage(50, 7, estimated=True)
