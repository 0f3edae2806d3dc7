"""A whole answer of chat completions, read and written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.call import Usage
from penstock.core.conversation import Part, Refusal, Reply, Text, Thought, ToolUse
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.openai.sides import ChatCaller, ChatProvider
from support.calls import make_call

SIDE = ChatProvider("m-1", provider="service", max_output_tokens=None, max_tokens_field="max_tokens", asks_usage=True)
FUNCTION = {"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}}


def read(message: dict[str, Any], finish_reason: str | None = "stop", **fields: Any) -> Reply:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return SIDE.reply(msgspec.json.encode({"id": "c-1", "model": "m-1", "choices": [choice]} | fields))


def written(*parts: Part, finish: Any = "stop", body: dict[str, Any] | None = None, **reply: Any) -> dict[str, Any]:
    said = Reply(parts=parts, finish=finish, **reply)
    usage = Usage(10, 5, cached_tokens=4, cache_write_tokens=2, reasoning_tokens=3)
    caller = ChatCaller(now_s=lambda: 1_795_219_200.9)
    return msgspec.json.decode(caller.reply(said, make_call(body), usage))  # type: ignore[no-any-return]


def test_a_plain_answer() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
    told = Reply(parts=(Text(text="Hi"),), finish="stop", id="c-1", model="m-1", usage=Usage(10, 5, cached_tokens=4))
    assert read({"role": "assistant", "content": "Hi"}, usage=usage) == told


def test_the_first_of_several_choices_is_the_answer() -> None:
    choices = [{"message": {"content": text}, "finish_reason": "length"} for text in ("one", "two")]
    told = read({}, choices=choices)
    assert (told.parts, told.finish) == ((Text(text="one"),), "length")


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": None}, ()),
        ({}, ()),
        ({"content": ""}, ()),
        ({"content": None, "refusal": "No."}, (Refusal(text="No."),)),
        (
            {"content": "Hi", "reasoning_content": "hm", "reasoning": "hm"},
            (Thought(text="hm", signature="reasoning_content", signer="openai"), Text(text="Hi")),
        ),
        ({"content": "Hi", "reasoning": "hm"}, (Thought(text="hm"), Text(text="Hi"))),
        ({"content": "Hi", "reasoning": {"effort": "low"}}, (Text(text="Hi"),)),
        (  # Mistral's
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"type": "text", "text": "…"}]},
                    {"type": "text", "text": "Hi"},
                    {"type": "reference", "reference_ids": [1]},
                ]
            },
            (Thought(text="hm…"), Text(text="Hi")),
        ),
        (
            {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}], "reasoning_content": "hm"},
            (Thought(text="hm", signature="s", signer="anthropic"),),
        ),
        (
            {"tool_calls": [FUNCTION, {"id": "2", "custom": {"name": "b", "input": "x"}}]},
            (
                ToolUse(id="1", name="a", arguments="{}"),
                ToolUse(id="2", name="b", arguments="x", freeform=True),
            ),
        ),
        (  # arguments as an object, and no id, as of servers at home
            {"tool_calls": [{"function": {"name": "a", "arguments": {"x": 1}}}]},
            (ToolUse(id="call_c-1_0", name="a", arguments='{"x":1}'),),
        ),
        (
            {"tool_calls": [FUNCTION | {"extra_content": {"google": {"thought_signature": "sig"}}}]},
            (ToolUse(id="1", name="a", arguments="{}", signature="sig", signer="openai"),),
        ),
        ({"function_call": {"name": "a", "arguments": "{}"}}, (ToolUse(id="call_c-1_0", name="a", arguments="{}"),)),
    ],
)
def test_what_was_said(message: dict[str, Any], parts: tuple[Part, ...]) -> None:
    assert read(message).parts == parts


@pytest.mark.parametrize(
    ("reason", "message", "finish"),
    [
        ("stop", {"content": "Hi"}, "stop"),
        (None, {"content": "Hi"}, "stop"),
        ("eos", {"content": "Hi"}, "stop"),
        ("length", {"content": "Hi"}, "length"),
        ("model_length", {"content": "Hi"}, "length"),
        ("content_filter", {"content": "Hi"}, "filtered"),
        ("content_filter", {"refusal": "No."}, "refused"),
        ("stop", {"refusal": "No."}, "refused"),
        ("tool_calls", {"tool_calls": [FUNCTION]}, "tools"),
        ("function_call", {"function_call": {"name": "a"}}, "tools"),
        ("stop", {"tool_calls": [FUNCTION]}, "tools"),
        ("length", {"tool_calls": [FUNCTION]}, "length"),
    ],
)
def test_why_it_ended(reason: str | None, message: dict[str, Any], finish: str) -> None:
    assert read(message, reason).finish == finish


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"[]",
        b'{"choices":[]}',
        b'{"error":{"message":"overloaded"},"choices":[{"message":{"content":"x"}}]}',
        b'{"choices":[{"message":{"content":"\xff"}}]}',
        b'{"choices":[{"message":{"content":"Half"},"finish_reason":"error"}]}',
        b'{"choices":[{"message":{"content":"Half"},"finish_reason":"insufficient_system_resource"}]}',
    ],
)
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        SIDE.reply(body)


def test_the_body_of_an_answer() -> None:
    assert written(Text(text="Hel"), Text(text="lo")) == {
        "id": "chatcmpl-call-1",
        "object": "chat.completion",
        "created": 1_795_219_200,
        "model": "fast",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }
    assert written(id="msg_1")["id"] == "msg_1"
    caller = ChatCaller(now_s=lambda: 0.0)
    told = caller.reply(Reply(parts=(), finish="stop"), make_call(model="", task="extract"), Usage())
    assert msgspec.json.decode(told)["model"] == "extract"


def test_thoughts_and_calls_carry_their_signatures() -> None:
    message = written(
        Thought(text="hm", signature="s", signer="anthropic"),
        Thought(sealed="x", signer="anthropic"),
        Thought(text="…", signature="g", signer="gemini"),
        ToolUse(id="1", name="a", arguments="{}", signature="sig", signer="gemini"),
        ToolUse(id="2", name="b", arguments="x", freeform=True),
        finish="tools",
    )["choices"][0]
    assert message["finish_reason"] == "tool_calls"
    assert message["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning_content": "hm…",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "thinking", "thinking": "…", "signature": "g", "signer": "gemini"},
        ],
        "tool_calls": [
            FUNCTION | {"extra_content": {"google": {"thought_signature": "sig"}}},
            {"id": "2", "type": "custom", "custom": {"name": "b", "input": "x"}},
        ],
    }


def test_a_thought_without_a_signature_is_text_alone() -> None:
    message = written(Thought(text="hm"), Text(text="Hi"))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Hi", "refusal": None, "reasoning_content": "hm"}


def test_who_asked_with_functions_is_answered_with_one() -> None:
    calls = [ToolUse(id=str(n), name=f"f{n}", arguments="{}") for n in range(2)]
    choice = written(*calls, finish="tools", body={"messages": [], "functions": []})["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f0", "arguments": "{}"}
    assert "tool_calls" not in choice["message"]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tools", "tool_calls"),
        ("filtered", "content_filter"),
        ("refused", "content_filter"),
        ("paused", "stop"),
        ("context", "length"),
    ],
)
def test_why_it_ended_in_openais_words(finish: str, reason: str) -> None:
    assert written(finish=finish)["choices"][0]["finish_reason"] == reason


def test_a_refusal_in_words_is_no_filter() -> None:
    choice = written(Refusal(text="No."), finish="refused")["choices"][0]
    assert (choice["finish_reason"], choice["message"]["refusal"], choice["message"]["content"]) == (
        "stop",
        "No.",
        None,
    )
