"""Providers with ``/responses`` of their own: what they are sent, and what is read of what they say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.call import Usage
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.responses.body import ResponsesBody
from penstock.dialects.responses.response import read_event, read_response, rename_event
from support.calls import make_call

# Shortened from a recorded answer (github.com/mrchantey/beet, skills/openresponses/compliance-suite.md, 2026-11-21).
ANSWER: dict[str, Any] = {
    "id": "resp_0969b02502f499e700697055b59cbc8190b9667eefb50289c3",
    "object": "response",
    "created_at": 1768969653,
    "status": "completed",
    "incomplete_details": None,
    "model": "gpt-4o-mini-2024-07-18",
    "output": [
        {
            "type": "message",
            "id": "msg_0969b02502f499e700697055b7750c8190a7847d642272dba1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello, how are you?", "annotations": [], "logprobs": []}],
        }
    ],
    "error": None,
    "usage": {
        "input_tokens": 15,
        "output_tokens": 7,
        "total_tokens": 22,
        "input_tokens_details": {"cached_tokens": 5},
        "output_tokens_details": {"reasoning_tokens": 3},
    },
}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


def encoded(**changes: Any) -> bytes:
    return msgspec.json.encode(ANSWER | changes)


def test_the_facts_of_an_answer() -> None:
    found = read_response(encoded())
    assert (found.finish_reason, found.tool_names) == ("stop", ())
    assert found.usage == Usage(15, 7, cached_tokens=5, reasoning_tokens=3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"output": [CALL]}, "tool_calls"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "stop"),
        ({"status": "incomplete"}, "stop"),
    ],
)
def test_why_it_ended_is_said_in_the_words_of_chat(changes: dict[str, Any], reason: str) -> None:
    assert read_response(encoded(**changes)).finish_reason == reason


@pytest.mark.parametrize(
    "usage", [None, {}, {"input_tokens": 2**50, "output_tokens": 1}, {"input_tokens_details": {"cached_tokens": 3}}]
)
def test_usage_that_says_nothing_is_none(usage: Any) -> None:
    assert read_response(encoded(usage=usage)).usage is None


def test_details_never_say_more_than_the_whole() -> None:
    usage = {"input_tokens": 4, "output_tokens": -1, "input_tokens_details": {"cached_tokens": 9}}
    assert read_response(encoded(usage=usage)).usage == Usage(4, 0, cached_tokens=4)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        encoded(status="failed", error={"code": "server_error", "message": "secret"}),
        encoded(error={"code": "server_error", "message": "secret"}),
        encoded(status="queued"),
        encoded(status="in_progress"),
        encoded(output=None),
        encoded()[:-1] + b',"x":"\xff"}',
    ],
)
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed) as caught:
        read_response(body)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "event",
    [
        # Both as OpenAI sends them (github.com/vercel/ai/pull/20022; prism-php, stream-unknown-error; 2026-11-21).
        {"type": "error", "error": {"type": "service_unavailable_error", "code": None, "message": "Retry."}},
        {"type": "response.failed", "response": ANSWER | {"status": "failed"}},
        {"type": "error", "code": "server_error", "message": "x", "param": None},
        {"type": "response.completed"},
        {"type": "a\ndata: b"},
        {"delta": "x"},
        [],
    ],
)
def test_an_error_in_a_stream_ends_it(event: Any) -> None:
    with pytest.raises(UpstreamMalformed):
        read_event(msgspec.json.encode(event))


def test_only_the_models_name_is_changed() -> None:
    inner = b'{"id":"r", "tools":[{"model":"gpt-4o"}],"model": "gpt-4o", "x": 1.50}'
    payload = b'{"type":"response.created","sequence_number":0,"response":' + inner + b"}"
    renamed = rename_event(payload, "fast", "gpt-4o")
    assert msgspec.json.decode(renamed)["response"]["model"] == "fast"
    assert b'"tools":[{"model":"gpt-4o"}]' in renamed
    assert b"1.50" in renamed


def test_a_provider_gets_the_fields_with_what_was_decided() -> None:
    body = {
        "model": "fast",
        "input": "Hi",
        "max_output_tokens": 500,
        "previous_response_id": "resp_1",
        "x": 1,
        "user": "ada",
    }
    call = make_call(body, dialect="responses", max_output_tokens=200, stream=True)
    write = ResponsesBody("gpt-4o", max_output_tokens=100, withhold=("user",)).write
    sent = {"model": "gpt-4o", "input": "Hi", "x": 1, "max_output_tokens": 100, "stream": True}
    assert msgspec.json.decode(write(call)) == sent
    uncapped = ResponsesBody("gpt-4o", max_output_tokens=None).write(make_call({"model": "fast", "input": "Hi"}))
    assert msgspec.json.decode(uncapped) == {"model": "gpt-4o", "input": "Hi"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "usage", "output", "status", "response", "delta", "item"]), inner)
    ),
    max_leaves=10,
)
NAMES = st.sampled_from(
    ["type", "status", "output", "usage", "error", "incomplete_details", "response", "delta", "item"]
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, JSON) | JSON | st.binary(max_size=20))
def test_anything_is_read_or_malformed(sent: Any) -> None:
    payload = sent if isinstance(sent, bytes) else msgspec.json.encode(sent)
    for reads in (read_response, read_event):
        try:
            found = reads(payload)
        except UpstreamMalformed:
            continue
        assert found is not None
