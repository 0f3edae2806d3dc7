"""What is read of completions and chunks, and how they are made the caller's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.call import Usage
from penstock.core.errors import InvalidParameter, RateLimited, UpstreamMalformed
from penstock.dialects.openai import (
    Chunk,
    error_body,
    error_event,
    read_chunk,
    read_completion,
    rename_model,
)
from penstock.dialects.openai.response import ChunkRewriter


def encoded(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


def completion(message: dict[str, Any], **fields: Any) -> bytes:
    return encoded(model="m-1", choices=[{"index": 0, "message": message, "finish_reason": "stop"}], **fields)


def chunk(*deltas: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> bytes:
    choices = [{"index": i, "delta": delta, "finish_reason": finish_reason} for i, delta in enumerate(deltas)]
    return encoded(id="c", model="m-1", choices=choices, **fields)


def test_the_facts_of_a_completion() -> None:
    body = completion({"role": "assistant", "content": "Hi"}, usage={"prompt_tokens": 3, "completion_tokens": 1})
    found = read_completion(body)
    assert (found.text, found.finish_reason, found.usage, found.tool_names) == ("Hi", "stop", Usage(3, 1), ())


@pytest.mark.parametrize(
    ("total", "details", "output_tokens"),
    [
        (135, {"reasoning_tokens": 94}, 103),  # xAI: 32 + 9 + 94
        (41, {"reasoning_tokens": 4}, 9),  # OpenAI: reasoning is part of the 9
        (None, {"reasoning_tokens": 94}, 9),
        (135, None, 9),
        (135, {}, 9),
        (135, {"reasoning_tokens": None}, 9),
        ("135", [], 9),
    ],
)
def test_reasoning_that_is_counted_beside_the_output_is_output(total: Any, details: Any, output_tokens: int) -> None:
    usage = {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": total, "completion_tokens_details": details}
    for found in (
        read_completion(completion({"content": "Hi"}, usage=usage)).usage,
        read_chunk(chunk(usage=usage)).usage,
    ):
        assert found is not None
        assert (found.input_tokens, found.output_tokens) == (32, output_tokens)


@pytest.mark.parametrize(
    ("said", "cached", "written", "reasoning"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 20}}, 80, 20, 0),
        ({"completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0}}, 0, 0, 30),
        ({"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, 64, 0, 0),
        ({"prompt_cache_hit_tokens": 64, "prompt_tokens_details": {"cached_tokens": 60}}, 60, 0, 0),
        ({"prompt_tokens_details": {"cached_tokens": 80.0}}, 80, 0, 0),
        ({"prompt_tokens_details": {"cached_tokens": 101}}, 100, 0, 0),  # a part is no more than the whole
        ({"completion_tokens_details": {"reasoning_tokens": -1}}, 0, 0, 0),
        ({"prompt_tokens_details": None, "completion_tokens_details": None}, 0, 0, 0),
        ({"prompt_tokens_details": [], "completion_tokens_details": "none", "prompt_cache_hit_tokens": "all"}, 0, 0, 0),
        ({"prompt_tokens_details": {"cached_tokens": "80"}}, 0, 0, 0),
    ],
)
def test_what_was_cached_and_what_was_thought_is_told_apart(
    said: dict[str, Any], cached: int, written: int, reasoning: int
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140} | said
    expected = Usage(100, 40, cached_tokens=cached, cache_write_tokens=written, reasoning_tokens=reasoning)
    assert read_completion(completion({"content": "Hi"}, usage=usage)).usage == expected
    assert read_chunk(chunk(usage=usage)).usage == expected


def test_tool_calls_parts_refusals_and_missing_usage_are_read() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]
    assert read_completion(completion({"content": None, "tool_calls": calls})).tool_names == ("look_up",)
    assert read_completion(completion({"content": [{"type": "text", "text": "a"}, {"type": "thinking"}]})).text == "a"
    assert read_completion(completion({"content": None, "refusal": "No."})).text == "No."
    assert read_completion(completion({"content": "Hi"}, usage=None)).usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><h1>502</h1>",
        b"",
        b"[]",
        b'{"choices":[',
        b'{"choices":[]}',
        b'{"object":"list"}',
        b'{"error":{"message":"overloaded"}}',
        b'{"error":"overloaded","choices":[{"message":{"content":"x"}}]}',
        b'{"choices":"none"}',
        b"\xff",
    ],
)
def test_anything_else_in_a_200_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        read_completion(body)


def test_the_alias_replaces_the_model_alone() -> None:
    body = b'{"id":"1","model":"m-1","choices":[{"x": 1.0}],"new":"\\u00e9"}'
    assert rename_model(body, 'my "alias"') == body.replace(b'"m-1"', b'"my \\"alias\\""')
    assert msgspec.json.decode(rename_model(b"{}", "fast")) == {"model": "fast"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"x","model":"m-1","choices":[]}',
        b'{ "id": "x",\n "model": "m-1", "choices": [] }',
        b'{"model":"m-1","usage":null,"model":"m-1"}',
        b'{"a":{"model":"m-1"},"model":"m-1"}',
        b'{"a":{"model":"m-1"}}',
        b'{"a":["model","m-1"],"model":"m-1"}',
        b'{"text":"\\"model\\":\\"m-1\\"{","model":"m-1"}',
        b'{"model"  :"m-1"}',
        b'{"model":"m-12"}',
        b'{"model":7}',
    ],
)
def test_a_known_model_is_renamed_as_an_unknown_one(body: bytes) -> None:
    model = msgspec.json.decode(body).get("model")
    told = msgspec.json.decode(rename_model(body, "fast", model))
    assert told == msgspec.json.decode(rename_model(body, "fast"))
    assert told["model"] == "fast"


@pytest.mark.parametrize(
    ("delta", "content"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"tool_calls": []}, False),
        ({"tool_calls": None, "content": None}, False),
        ({}, False),
        ({"content": "a"}, True),
        ({"refusal": "no"}, True),
        ({"reasoning_content": "hm"}, True),
        ({"reasoning": "hm"}, True),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"function_call": {"name": "f"}}, True),
    ],
)
def test_content_is_what_a_client_sees(delta: dict[str, Any], content: bool) -> None:  # noqa: FBT001 - a column of the table
    assert [bool(choice.delta) for choice in read_chunk(chunk(delta)).choices or ()] == [content]


def test_the_facts_of_a_chunk() -> None:
    last = read_chunk(chunk({}, finish_reason="length", usage={"prompt_tokens": 3, "completion_tokens": 2}))
    assert (last.model, last.usage) == ("m-1", Usage(3, 2))
    assert [choice.finish_reason for choice in last.choices or ()] == ["length"]
    usage_only = read_chunk(chunk(usage={"prompt_tokens": 3, "completion_tokens": 2}))
    assert usage_only.choices == []
    assert read_chunk(b"{}").usage is None


@pytest.mark.parametrize(
    "payload", [b"", b"nonsense", b'{"id":"x', b'"x"', b'{"error":{"message":"x"}}', b'{"choices":5}']
)
def test_what_is_no_chunk_is_malformed(payload: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        read_chunk(payload)


def rewritten(payload: bytes, *, keep_usage: bool = False) -> bytes:
    return ChunkRewriter("fast", keep_usage=keep_usage).rewrite(payload, read_chunk(payload))


def test_a_chunk_is_rewritten_in_place() -> None:
    payload = b'{"id":"c","model":"m-1","choices":[{"delta":{"content":"a  b"}, "x":1.0}],"usage":null}'
    assert rewritten(payload, keep_usage=True) == payload.replace(b"m-1", b"fast")
    assert rewritten(payload) == payload.replace(b"m-1", b"fast").replace(b',"usage":null', b"")
    assert rewritten(payload.replace(b'"model":', b'"model": ')).startswith(b'{"id":"c","model": "fast"')


def test_a_key_of_the_same_name_within_is_left_alone() -> None:
    payload = b'{"choices":[{"delta":{"content":"x"},"model":"m-1"}],"model" : "m-1"}'
    assert msgspec.json.decode(rewritten(payload)) == {
        "choices": [{"delta": {"content": "x"}, "model": "m-1"}],
        "model": "fast",
    }


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_rewriting_changes_the_model_and_nothing_else(content: str, model: str) -> None:
    fields = {"note": content, "model": model, "choices": [{"index": 0, "delta": {"content": content + '"model":"x"'}}]}
    payload = msgspec.json.encode(fields)
    rewriter = ChunkRewriter("fast", keep_usage=True)
    for _ in range(2):
        assert msgspec.json.decode(rewriter.rewrite(payload, read_chunk(payload))) == fields | {"model": "fast"}


def test_usage_beside_content_is_cut_out_and_a_chunk_of_its_own_is_kept_for_who_asked() -> None:
    said = {"prompt_tokens": 1, "completion_tokens": 1}
    for keep_usage in (False, True):
        beside = rewritten(chunk({"content": "a"}, usage=said), keep_usage=keep_usage)
        assert "usage" not in msgspec.json.decode(beside)
        alone = encoded(model="m-1", choices=[], usage=said)
        assert ("usage" in msgspec.json.decode(rewritten(alone, keep_usage=keep_usage))) is keep_usage


@pytest.mark.parametrize(
    "payload",
    [
        b'{"model":"m-1","model":"m-1","choices":[]}',
        b'{"choices":[],"model":"m-1","usage":{"prompt_tokens":1},"usage":null}',
        b'{"model": "m-1", "choices": [], "usage": null}',
    ],
)
def test_neither_a_key_given_twice_nor_spaces_show_what_is_hidden(payload: bytes) -> None:
    seen = ChunkRewriter("fast", keep_usage=False).rewrite(payload, read_chunk(payload))
    assert b"m-1" not in seen
    assert b"usage" not in seen


@pytest.mark.parametrize("key", [b'"\xff"', b'"reasoning_content"'])
def test_bytes_that_are_no_text_are_malformed_wherever_they_stand(key: bytes) -> None:
    said = b'"role":"assistant",%b:"\xff"' % key
    with pytest.raises(UpstreamMalformed):
        read_chunk(b'{"choices":[{"index":0,"delta":{%b}}]}' % said)
    with pytest.raises(UpstreamMalformed):
        read_completion(b'{"choices":[{"message":{%b}}]}' % said)


def test_a_count_that_no_answer_can_have_is_none() -> None:
    payload = encoded(choices=[], usage={"prompt_tokens": 1e308, "completion_tokens": 2})
    assert read_chunk(payload).usage is None


def test_a_model_that_changes_midway_is_still_hidden() -> None:
    rewriter = ChunkRewriter("fast", keep_usage=True)
    for model in ("m-1", "m-2", None):
        payload = encoded(model=model, choices=[])
        assert msgspec.json.decode(rewriter.rewrite(payload, Chunk(model=model)))["model"] == "fast"


def test_errors_have_openais_shape() -> None:
    error = InvalidParameter("`n` must be an integer from 1 to 128.", param="n")
    assert msgspec.json.decode(error_body(error)) == {
        "error": {
            "message": "`n` must be an integer from 1 to 128.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_parameter",
        }
    }
    event = error_event(RateLimited("Wait a minute."))
    assert event == b"data: " + error_body(RateLimited("Wait a minute.")) + b"\n\n"
