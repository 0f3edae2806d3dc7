"""Answers and streams as a client of the Messages API reads them, and errors.

Events and their order: platform.claude.com/docs/en/build-with-claude/streaming, 2026-11-21.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.call import Usage
from penstock.core.conversation import (
    Begun,
    Ended,
    Finish,
    Item,
    Part,
    PartEnded,
    Refusal,
    RefusalGrown,
    Reply,
    Text,
    TextGrown,
    Thought,
    ThoughtGrown,
    ThoughtSealed,
    ThoughtSigned,
    ToolBegun,
    ToolGrown,
    ToolUse,
    Used,
)
from penstock.core.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    InvalidParameter,
    ModelNotFound,
    PenstockError,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UpstreamMalformed,
    UpstreamUnavailable,
)
from penstock.dialects.anthropic import MessagesCaller, error_body, error_event
from penstock.dialects.anthropic.writer import KEPT_LIMIT_CHARACTERS, MessageWriter
from support.calls import make_call

USAGE = Usage(100, 20, cached_tokens=60, cache_write_tokens=10, reasoning_tokens=5)


def message(*parts: Part, finish: Finish = "stop", **changes: Any) -> dict[str, Any]:
    body = MessagesCaller().reply(Reply(parts=parts, finish=finish, **changes), make_call(), USAGE)
    decoded: dict[str, Any] = msgspec.json.decode(body)
    return decoded


def writer() -> MessageWriter:
    return MessagesCaller().writer(make_call(dialect="anthropic"))


def events(*items: Item, usage: Usage = USAGE) -> list[dict[str, Any]]:
    written = writer()
    stream = b"".join(written.write(item) for item in items) + written.end(usage)
    return [msgspec.json.decode(block.split(b"data: ", 1)[1]) for block in stream.split(b"\n\n")[:-1]]


def deltas(*items: Item) -> list[tuple[int, str]]:
    """Index and what is added, of the events that add something."""
    told = events(Begun(), *items)
    return [
        (event["index"], next(value for key, value in event["delta"].items() if key != "type"))
        for event in told
        if event["type"] == "content_block_delta"
    ]


# --- whole answers ---


def test_a_whole_answer() -> None:
    assert message(
        Thought(text="Hm.", signature="Sig", signer="anthropic"),
        Text(text="Hello"),
        ToolUse(id="call_1", name="look_up", arguments='{"q": 1}'),
        finish="tools",
        id="msg_01",
        model="claude-x",
    ) == {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "fast",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "Sig"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "call_1", "name": "look_up", "input": {"q": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 30,
            "cache_creation_input_tokens": 10,
            "cache_read_input_tokens": 60,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
        },
    }


def test_an_id_of_another_kind_is_replaced_by_ours() -> None:
    assert message(id="chatcmpl-1")["id"] == "msg_call-1"


@pytest.mark.parametrize(
    ("finish", "stop", "reason"),
    [
        ("stop", "", "end_turn"),
        ("stop", "END", "stop_sequence"),
        ("length", "", "max_tokens"),
        ("filtered", "", "refusal"),
        ("refused", "", "refusal"),
        ("paused", "", "pause_turn"),
        ("context", "", "model_context_window_exceeded"),
    ],
)
def test_why_it_ended(finish: Finish, stop: str, reason: str) -> None:
    told = message(Text(text="x"), finish=finish, stop=stop)
    assert (told["stop_reason"], told["stop_sequence"]) == (reason, stop or None)
    delta = events(Begun(), TextGrown("x"), Ended(finish=finish, stop=stop))[-2]["delta"]
    assert (delta["stop_reason"], delta["stop_sequence"]) == (reason, stop or None)


def test_a_refusal_is_text_and_the_reason() -> None:
    told = message(Refusal(text="No."))
    assert (told["content"], told["stop_reason"]) == ([{"type": "text", "text": "No."}], "refusal")
    assert events(Begun(), RefusalGrown("No."), Ended(finish="stop"))[-2]["delta"]["stop_reason"] == "refusal"


def test_a_tools_input_is_an_object_whatever_the_model_wrote() -> None:
    def given(arguments: str, *, freeform: bool = False) -> Any:
        return message(ToolUse(id="t", name="n", arguments=arguments, freeform=freeform))["content"][0]["input"]

    assert given("") == {}
    assert given('{"half') == {"input": '{"half'}
    assert given("[1]") == {"input": "[1]"}
    assert given("SELECT 1", freeform=True) == {"input": "SELECT 1"}


# --- streams ---


def test_a_stream_event_by_event() -> None:
    told = events(
        Begun(id="msg_01", usage=Usage(100, 1, cached_tokens=60)),
        ThoughtGrown("Hm."),
        ThoughtSigned("Sig", "anthropic"),
        TextGrown("Hel"),
        TextGrown("lo"),
        ToolBegun(slot=0, id="t0", name="look_up"),
        ToolGrown(0, '{"q":'),
        ToolGrown(0, "1}"),
        Used(USAGE),
        Ended(finish="tools"),
    )
    usage = {
        "input_tokens": 40,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 60,
        "output_tokens": 1,
        "output_tokens_details": {"thinking_tokens": 0},
    }
    begun = {"id": "msg_01", "type": "message", "role": "assistant", "model": "fast", "content": []}
    assert told == [
        {"type": "message_start", "message": begun | {"stop_reason": None, "stop_sequence": None, "usage": usage}},
        {"type": "ping"},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "Sig"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "t0", "name": "look_up", "input": {}},
        },
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"q":'}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "1}"}},
        {"type": "content_block_stop", "index": 2},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": message()["usage"],
        },
        {"type": "message_stop"},
    ]


def test_every_event_is_named_before_its_data() -> None:
    assert writer().write(TextGrown("x")).startswith(b'event: message_start\ndata: {"type":"message_start",')
    assert writer().end(USAGE).endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


def test_input_is_estimated_where_the_provider_has_not_counted_yet() -> None:
    assert events(Begun())[0]["message"]["usage"]["input_tokens"] == 10


def test_a_tool_whose_arguments_are_whole_does_not_hold_the_next_one_back() -> None:
    written = writer()
    for item in (Begun(), ToolBegun(slot=0, id="a", name="a"), ToolGrown(0, '{"x":'), ToolGrown(0, "1}")):
        written.write(item)
    assert b'"name":"b"' in written.write(ToolBegun(slot=1, id="b", name="b"))
    assert b'"index":1' in written.write(ToolGrown(1, "{"))


def test_arguments_that_alternate_are_told_one_tool_after_the_other() -> None:
    assert deltas(
        ToolBegun(slot=0, id="a", name="a"),
        ToolGrown(0, '{"x":'),
        ToolBegun(slot=1, id="b", name="b"),
        ToolGrown(1, '{"y":'),
        ToolGrown(0, "1}"),
        ToolGrown(1, "2}"),
        TextGrown("done"),
        Ended(finish="tools"),
    ) == [(0, '{"x":'), (0, "1}"), (1, '{"y":2}'), (2, "done")]


def test_no_more_is_held_back_than_a_bound() -> None:
    written = writer()
    written.write(ToolBegun(slot=0, id="a", name="a"))
    written.write(ToolBegun(slot=1, id="b", name="b"))
    written.write(ToolGrown(1, "x" * KEPT_LIMIT_CHARACTERS))
    with pytest.raises(UpstreamMalformed, match="longer than this gateway takes"):
        written.write(ToolGrown(1, "x"))


def test_free_text_for_a_tool_streams_inside_an_object() -> None:
    told = deltas(
        ToolBegun(slot=0, id="a", name="sql", freeform=True),
        ToolGrown(0, 'SELECT "'),
        ToolGrown(0, 'x"\n'),
        Ended(finish="tools"),
    )
    assert msgspec.json.decode("".join(text for _, text in told)) == {"input": 'SELECT "x"\n'}


def test_parts_of_one_kind_are_blocks_of_their_own() -> None:
    assert deltas(TextGrown("a"), PartEnded(), TextGrown("b")) == [(0, "a"), (1, "b")]
    assert deltas(TextGrown("a"), RefusalGrown("b")) == [(0, "a"), (1, "b")]


def test_a_sealed_thought_is_a_block_without_a_delta() -> None:
    block = events(Begun(), ThoughtSealed("Data", "anthropic"))[2]["content_block"]
    assert block == {"type": "redacted_thinking", "data": "Data"}


# --- errors ---


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidParameter, "invalid_request_error"),
        (Unauthenticated, "authentication_error"),
        (PermissionDenied, "permission_error"),
        (ModelNotFound, "not_found_error"),
        (BodyTooLarge, "request_too_large"),
        (RateLimited, "rate_limit_error"),
        (UpstreamUnavailable, "api_error"),
        (DeadlineExceeded, "timeout_error"),
        (Unavailable, "overloaded_error"),
        (PenstockError, "api_error"),
    ],
)
def test_errors_are_of_the_type_that_their_status_has(error: type[PenstockError], kind: str) -> None:
    told = {"type": "error", "error": {"type": kind, "message": "Why."}}
    assert msgspec.json.decode(error_body(error("Why."), "req_1")) == told | {"request_id": "req_1"}
    assert error_event(error("Why.")) == b"event: error\ndata: " + msgspec.json.encode(told) + b"\n\n"


@pytest.mark.parametrize("proof", [ThoughtSealed("cHJvb2Y=", "gemini"), ThoughtSigned("cHJvb2Y=", "gemini")])
def test_no_message_ends_with_a_proof_behind_its_words(proof: Item) -> None:
    def kinds(*items: Item) -> list[str]:
        told = events(Begun(), *items, Ended(finish="stop"))
        return [event["content_block"]["type"] for event in told if event["type"] == "content_block_start"]

    kind = "redacted_thinking" if isinstance(proof, ThoughtSealed) else "thinking"
    tool = ToolBegun(slot=0, id="t", name="f")
    assert kinds(TextGrown("Hi"), proof) == ["text"]
    assert kinds(tool, proof) == ["tool_use"]
    assert kinds(TextGrown("Hi"), proof, TextGrown("Ho")) == ["text", kind, "text"]
    assert kinds(TextGrown("Hi"), proof, tool) == ["text", kind, "tool_use"]
    assert kinds(proof) == [kind]
    assert kinds(ThoughtGrown("Hm"), proof) == (["thinking", kind] if kind != "thinking" else ["thinking"])
    part = (
        Thought(sealed="cHJvb2Y=", signer="gemini") if kind != "thinking" else Thought(signature="x", signer="gemini")
    )
    assert [block["type"] for block in message(Text(text="Hi"), part, part)["content"]] == ["text"]
    assert [block["type"] for block in message(part)["content"]] == [kind]
