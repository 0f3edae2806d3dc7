"""A stream of chat completions item by item, read and written."""

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
    RefusalGrown,
    TextGrown,
    ThoughtGrown,
    ThoughtSealed,
    ThoughtSigned,
    ToolBegun,
    ToolGrown,
    Used,
)
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.openai.items import ChunkItems
from penstock.dialects.openai.sides import ChatCaller
from penstock.dialects.sse import SseSplitter
from support.calls import make_call

BEGUN = Begun(id="c-1", model="m-1")
GIVEN_BACK = ThoughtSigned("reasoning_content", "openai")


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return msgspec.json.encode({"id": "c-1", "model": "m-1", "choices": [choice]} | fields)


def read(*payloads: bytes) -> list[Item]:
    reader = ChunkItems()
    return [item for payload in payloads for item in reader.read(payload)]


def call(function: dict[str, Any] | None = None, **fields: Any) -> bytes:
    said = fields | ({"function": function} if function is not None else {})
    return chunk({"tool_calls": [said]})


def test_a_text() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    assert read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo", "refusal": None, "tool_calls": None}),
        chunk({}, "stop"),
        chunk(None, choices=[], usage=usage),
        b"[DONE]",
    ) == [BEGUN, TextGrown("Hel"), TextGrown("lo"), Ended(finish="stop"), Used(Usage(3, 2))]


def test_usage_beside_the_finish_comes_before_it() -> None:
    last = chunk({"content": "Hi"}, "length", usage={"prompt_tokens": 3, "completion_tokens": 2})
    assert read(last) == [BEGUN, TextGrown("Hi"), Used(Usage(3, 2)), Ended(finish="length")]


def test_what_a_filter_found_does_not_begin_a_stream() -> None:
    assert read(msgspec.json.encode({"id": "", "model": "", "choices": [], "prompt_filter_results": []})) == []


def test_only_the_first_choice_is_read_and_nothing_after_its_end() -> None:
    other = [{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}]
    both = [{"index": 0, "delta": {"content": "a"}}, *other]
    assert read(
        chunk(None, choices=other), chunk(None, choices=both), chunk({}, "stop"), chunk({"content": "x"}, "stop")
    ) == [BEGUN, TextGrown("a"), Ended(finish="stop")]


def test_thoughts_that_are_given_back_say_so_when_they_are_over() -> None:
    assert read(chunk({"reasoning_content": "h"}), chunk({"reasoning_content": "m"}), chunk({"content": "Hi"})) == [
        BEGUN,
        ThoughtGrown("h"),
        ThoughtGrown("m"),
        GIVEN_BACK,
        TextGrown("Hi"),
    ]
    assert read(chunk({"reasoning_content": "h"}, "length"))[2:] == [GIVEN_BACK, Ended(finish="length")]
    assert read(chunk({"reasoning": "h"}), chunk({"content": "Hi"}))[1:] == [ThoughtGrown("h"), TextGrown("Hi")]


def test_thoughts_in_parts_and_in_blocks() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    assert read(chunk({"content": thinking}), chunk({"content": "Hi"}))[1:] == [ThoughtGrown("hm"), TextGrown("Hi")]
    block = {"type": "thinking", "thinking": "hm", "signature": "s"}
    piece = {"type": "thinking", "thinking": "h", "signature": ""}
    signed = ThoughtSigned("s", "anthropic")
    assert read(
        chunk({"reasoning_content": "h", "thinking_blocks": [piece]}),
        chunk({"reasoning_content": "m"}),
        chunk({"reasoning_content": "", "thinking_blocks": [block]}),
        chunk({"thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]}),
        chunk({"thinking_blocks": [block]}),
    )[1:] == [ThoughtGrown("h"), ThoughtGrown("m"), signed, ThoughtSealed("x", "anthropic"), ThoughtGrown("hm"), signed]


def test_a_refusal_ends_as_one() -> None:
    assert read(chunk({"refusal": "No."}), chunk({}, "stop"))[1:] == [RefusalGrown("No."), Ended(finish="refused")]


def test_tools_beside_one_another() -> None:
    assert read(
        call({"name": "a", "arguments": ""}, index=0, id="1", type="function"),
        call({"arguments": '{"x":'}, index=0),
        call({"name": "b", "arguments": ""}, index=1, id="2"),
        call({"arguments": "1}"}, index=0),
        call({"arguments": "{}"}, index=1),
        call(index=2, id="3", custom={"name": "sql", "input": "SEL"}),
        call(index=2, custom={"input": "ECT"}),
        chunk({}, "tool_calls"),
    )[1:] == [
        ToolBegun(slot=0, id="1", name="a"),
        ToolGrown(0, '{"x":'),
        ToolBegun(slot=1, id="2", name="b"),
        ToolGrown(0, "1}"),
        ToolGrown(1, "{}"),
        ToolBegun(slot=2, id="3", name="sql", freeform=True),
        ToolGrown(2, "SEL"),
        ToolGrown(2, "ECT"),
        Ended(finish="tools"),
    ]


@pytest.mark.parametrize(
    ("first", "more", "second"),
    [
        ({"index": 0, "id": "1"}, {"index": 0}, {"index": 0, "id": "2"}),  # one index for all
        ({"id": "1"}, {}, {"id": "2"}),  # no index
        ({"id": "1"}, {"id": "1"}, {"id": "2"}),
        ({"index": 0, "id": "1"}, {"index": 0, "id": "1"}, {"index": 1, "id": "2"}),  # an id every time
        ({"index": 3, "id": "1"}, {"index": 3}, {"index": 1, "id": "2"}),  # in no order
    ],
)
def test_tools_that_are_counted_in_their_own_way(
    first: dict[str, Any], more: dict[str, Any], second: dict[str, Any]
) -> None:
    assert read(
        call({"name": "a", "arguments": "{"}, **first),
        call({"arguments": "}"}, **more),
        call({"name": "a", "arguments": "{}"}, **second),
        chunk({}, "stop"),
    )[1:] == [
        ToolBegun(slot=0, id="1", name="a"),
        ToolGrown(0, "{"),
        ToolGrown(0, "}"),
        ToolBegun(slot=1, id="2", name="a"),
        ToolGrown(1, "{}"),
        Ended(finish="tools"),
    ]


def test_a_name_that_is_said_again_begins_nothing() -> None:
    assert read(
        call({"name": "a", "arguments": "{"}, index=0, id="1"), call({"name": "a", "arguments": "}"}, index=0, id="1")
    )[2:] == [ToolGrown(0, "{"), ToolGrown(0, "}")]


def test_calls_without_ids_and_of_old_and_signed() -> None:
    assert read(call({"name": "a", "arguments": {"x": 1}}))[1:] == [
        ToolBegun(slot=0, id="call_c-1_0", name="a"),
        ToolGrown(0, '{"x":1}'),
    ]
    old = [chunk({"function_call": {"name": "a", "arguments": ""}}), chunk({"function_call": {"arguments": "{}"}})]
    assert read(*old)[1:] == [ToolBegun(slot=0, id="call_c-1_0", name="a"), ToolGrown(0, "{}")]
    google = {"google": {"thought_signature": "s"}}
    (begun,) = read(call({"name": "a"}, id="1", extra_content=google))[1:]
    assert begun == ToolBegun(slot=0, id="1", name="a", signature="s", signer="openai")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nonsense",
        b'"x"',
        b'{"error":{"message":"overloaded"}}',
        b'{"choices":[{"delta":{"content":"\xff"}}]}',
        b'{"choices":[{"delta":{},"finish_reason":"error"}]}',
        b'{"choices":5}',
    ],
)
def test_what_is_no_chunk_is_malformed(payload: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        read(chunk({"content": "Hi"}), payload)


# --- written ---------------------------------------------------------------------------------------------------------


def written(*items: Item, body: dict[str, Any] | None = None, include_usage: bool = False) -> list[dict[str, Any]]:
    writer = ChatCaller(now_s=lambda: 7.0).writer(make_call(body, stream=True, include_usage=include_usage))
    sent = b"".join(map(writer.write, items))
    sent += writer.end(Usage(10, 5, cached_tokens=4, reasoning_tokens=3))
    return [msgspec.json.decode(payload) for payload in SseSplitter(1 << 20).feed(sent)]


def deltas(*items: Item, body: dict[str, Any] | None = None) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in written(*items, body=body)]


def test_chunks_of_a_text() -> None:
    envelope = {"id": "chatcmpl-call-1", "object": "chat.completion.chunk", "created": 7, "model": "fast"}

    def one(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return envelope | {"choices": [choice]}

    chunks = [
        one({"role": "assistant", "content": "", "refusal": None}),
        one({"content": "Hi"}),
        one({}, "stop"),
    ]
    items = (Begun(), TextGrown("Hi"), PartEnded(), Used(Usage(1, 1)), Ended(finish="stop"))
    assert written(*items) == chunks
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    asked = [*(each | {"usage": None} for each in chunks), envelope | {"choices": [], "usage": usage}]
    assert written(*items, include_usage=True) == asked
    assert {chunk["id"] for chunk in written(Begun(id="msg_1"), *items[1:])} == {"msg_1"}


def test_a_thought_is_told_in_pieces_and_proved_as_a_whole() -> None:
    assert deltas(
        ThoughtGrown("h"),
        ThoughtGrown("m"),
        ThoughtSigned("s", "anthropic"),
        ThoughtSealed("x", "anthropic"),
        ThoughtGrown("…"),
        ThoughtSigned("g", "gemini"),
        ThoughtGrown("!"),
        GIVEN_BACK,
    ) == [
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
        {"thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]},
        {"reasoning_content": "…"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "…", "signature": "g", "signer": "gemini"}]},
        {"reasoning_content": "!"},
    ]


CALLS = (
    ToolBegun(slot=0, id="1", name="a", signature="s", signer="gemini"),
    ToolBegun(slot=1, id="2", name="b", freeform=True),
    ToolGrown(0, "{}"),
    ToolGrown(1, "x"),
    Ended(finish="tools"),
)


def test_tools_are_told_by_their_index() -> None:
    google = {"google": {"thought_signature": "s"}}
    begun = {"index": 0, "id": "1", "type": "function", "function": {"name": "a", "arguments": ""}}
    assert [delta.get("tool_calls") for delta in deltas(*CALLS)] == [
        [begun | {"extra_content": google}],
        [{"index": 1, "id": "2", "type": "custom", "custom": {"name": "b", "input": ""}}],
        [{"index": 0, "function": {"arguments": "{}"}}],
        [{"index": 1, "custom": {"input": "x"}}],
        None,
    ]
    assert written(*CALLS)[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_who_asked_with_functions_is_told_of_one() -> None:
    body: dict[str, Any] = {"messages": [], "functions": []}
    assert deltas(*CALLS, body=body) == [
        {"function_call": {"name": "a", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
        {},
    ]
    assert written(*CALLS, body=body)[-1]["choices"][0]["finish_reason"] == "function_call"


def test_a_refusal_in_words_is_no_filter() -> None:
    told = written(Begun(), RefusalGrown("No."), Ended(finish="refused"))
    assert [chunk["choices"][0]["delta"].get("refusal") for chunk in told] == [None, "No.", None]
    assert told[-1]["choices"][0]["finish_reason"] == "stop"
    assert written(Ended(finish="refused"))[-1]["choices"][0]["finish_reason"] == "content_filter"
