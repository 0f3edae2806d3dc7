"""What another model is asked to go on with, and what is no text that could be gone on with."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.dialects.openai.continuation import continued, mark
from support.calls import delta, make_call


def event(part: dict[str, Any], finish_reason: str | None = None) -> bytes:
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": part, "finish_reason": finish_reason}]}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def test_the_text_so_far_is_the_last_message() -> None:
    call = make_call({"model": "fast", "messages": [{"role": "user", "content": "Hà Nội?"}], "seed": 7})
    rest = continued(call, [event({"role": "assistant", "content": ""}), delta("Thủ ").raw, delta("đô").raw])
    assert rest is not None
    assert msgspec.json.decode(rest.fields["messages"]) == [
        {"role": "user", "content": "Hà Nội?"},
        {"role": "assistant", "content": "Thủ đô"},
    ]
    assert rest.fields["seed"] == call.fields["seed"]
    assert rest.input_tokens > call.input_tokens


def test_without_text_the_question_is_asked_again() -> None:
    call = make_call()
    assert continued(call, [event({"role": "assistant", "content": None}), b""]) is call


@pytest.mark.parametrize(
    "raw",
    [
        event({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}),
        event({"function_call": {"name": "f"}}),
        event({"refusal": "No."}),
        event({"content": [{"type": "text", "text": "parts"}]}),
        event({"reasoning_content": "Hm."}),
        event({}, "stop"),
    ],
)
def test_what_is_more_than_text_is_not_continued(raw: bytes) -> None:
    assert continued(make_call(), [delta("first").raw, raw]) is None


def test_several_answers_are_not_continued() -> None:
    assert continued(make_call(choices=2), [delta("first").raw]) is None


def test_the_mark_is_a_chunk_without_text_that_names_who_goes_on() -> None:
    chunk = msgspec.json.decode(mark(event({"content": "x"}), "spare")[6:])
    assert chunk == {
        "id": "c",
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}],
        "penstock": {"continued_by": "spare"},
    }
