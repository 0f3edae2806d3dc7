"""``MessagesProvider.reply`` and ``reader``: what answers and streams of the Messages API say.

Recorded: anthropic 0.121 ``tests/lib/streaming/fixtures`` and ``tests/fixtures``, shortened, and
platform.claude.com/docs/en/build-with-claude/streaming; 2026-11-21.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.call import Usage
from penstock.core.conversation import (
    Begun,
    Ended,
    Item,
    PartEnded,
    Text,
    TextGrown,
    Thought,
    ThoughtGrown,
    ThoughtSigned,
    ToolBegun,
    ToolGrown,
    ToolUse,
    Used,
)
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.anthropic import MessagesProvider

# --- answers ---

ANSWER = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-20250514",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "Sig"},
        {"type": "text", "text": "I'll check.", "citations": None},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"location": "Paris"}},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 377,
        "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6},
        "cache_read_input_tokens": 20,
        "output_tokens": 65,
        "output_tokens_details": {"thinking_tokens": 7},
        "service_tier": "standard",
    },
}


def test_an_answer_is_read() -> None:
    reply = MessagesProvider("claude-x", provider="acme", max_output_tokens=None).reply(msgspec.json.encode(ANSWER))
    assert reply.parts == (
        Thought(text="Hm.", signature="Sig", signer="anthropic"),
        Text(text="I'll check."),
        ToolUse(id="toolu_1", name="get_weather", arguments='{"location":"Paris"}'),
        ToolUse(id="toolu_2", name="now", arguments="{}"),
    )
    assert (reply.finish, reply.id, reply.model) == ("tools", "msg_01", "claude-sonnet-4-20250514")
    assert reply.usage == Usage(
        407, 65, cached_tokens=20, cache_write_tokens=10, cache_write_1h_tokens=6, reasoning_tokens=7
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"id":"x"}',
        b'{"type":"error","error":{"type":"api_error"}}',
        b'{"type":"message","content":5}',
    ],
)
def test_what_is_no_answer_is_told(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        MessagesProvider("claude-x", provider="acme", max_output_tokens=None).reply(body)


# --- streams ---

TOOL_STREAM: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-20250514",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 377, "cache_read_input_tokens": 3, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "get_weather",
            "caller": {"type": "direct"},
            "input": {},
        },
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"at":"Par'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": 'is"}'}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 65},
    },
    {"type": "message_stop"},
]


def told(events: list[dict[str, Any]]) -> list[Item]:
    reader = MessagesProvider("claude-x", provider="acme", max_output_tokens=None).reader()
    items = [item for event in events for item in reader.read(msgspec.json.encode(event))]
    assert reader.done is (events[-1]["type"] == "message_stop")
    return items


def test_a_stream_is_read() -> None:
    assert told(TOOL_STREAM) == [
        Begun(id="msg_01", model="claude-sonnet-4-20250514", usage=Usage(380, cached_tokens=3)),
        TextGrown("I"),
        PartEnded(),
        ToolBegun(slot=0, id="toolu_1", name="get_weather"),
        ToolGrown(0, '{"at":"Par'),
        ToolGrown(0, 'is"}'),
        PartEnded(),
        Used(Usage(380, 65, cached_tokens=3)),
        Ended(finish="tools"),
    ]


def test_thoughts_refusals_and_what_nobody_asked_for() -> None:
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    delta = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": {"type": "refusal", "category": "cyber"}}
    assert told(
        [
            {"type": "content_block_start", "index": 0, "content_block": thinking},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Simple."}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "Sig="}},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {"type": "server_tool_use", "id": "s", "name": "w"},
            },
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {}}},
            {"type": "an_event_of_next_year"},
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 0}},
            {"type": "message_stop"},
        ]
    ) == [
        ThoughtGrown("Simple."),
        ThoughtSigned("Sig=", "anthropic"),
        PartEnded(),
        Used(Usage()),
        Ended(finish="refused"),
    ]


def test_a_tool_without_arguments_is_called_with_an_empty_object() -> None:
    block = {"type": "tool_use", "id": "t", "name": "now", "input": {}}
    items = told(
        [
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_stop", "index": 0},
        ]
    )
    assert items == [ToolBegun(slot=0, id="t", name="now"), ToolGrown(0, "{}"), PartEnded()]


def test_an_error_in_a_stream_is_told() -> None:
    with pytest.raises(UpstreamMalformed, match="began as a success"):
        told([*TOOL_STREAM[:4], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}])
    with pytest.raises(UpstreamMalformed, match="lacks what it is about"):
        told([{"type": "content_block_delta", "index": 0}])
