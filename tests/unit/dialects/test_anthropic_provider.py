"""``MessagesProvider.request``: how a deployment of the Messages API is asked.

Shapes: platform.claude.com/docs/en/api/messages and anthropic 2.12 ``types/message_create_params.py``, 2026-11-21.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from penstock.core.conversation import (
    Conversation,
    Document,
    Image,
    Inline,
    JsonFormat,
    Message,
    Refusal,
    Sound,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)
from penstock.core.errors import UnsupportedParameter
from penstock.dialects.anthropic import MessagesProvider
from support.calls import make_call

HELLO = Message(role="user", parts=(Text(text="Hello"),))
OBJECT = Raw(b'{"type":"object"}')


def asked(*messages: Message, cap: int | None = None, call: dict[str, Any] | None = None, **fields: Any) -> Any:
    provider = MessagesProvider("claude-x", provider="acme", max_output_tokens=cap)
    body = provider.request(Conversation(messages=messages or (HELLO,), **fields), make_call(**(call or {})))
    return msgspec.json.decode(body)


def user(*parts: Any) -> Message:
    return Message(role="user", parts=parts)


def assistant(*parts: Any) -> Message:
    return Message(role="assistant", parts=parts)


# --- the request ---


def test_a_plain_request() -> None:
    assert asked(call={"stream": True}, temperature=0.0, stop=("END",), user="ada") == {
        "model": "claude-x",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "temperature": 0.0,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "ada"},
        "stream": True,
    }


def test_the_least_cap_holds() -> None:
    assert asked(call={"max_output_tokens": 50}, cap=100)["max_tokens"] == 50
    assert asked(call={"max_output_tokens": 500}, cap=100)["max_tokens"] == 100
    assert asked(cap=100)["max_tokens"] == 100


def test_instructions_go_to_the_front_wherever_they_stood() -> None:
    body = asked(
        Message(role="system", parts=(Text(text="Be brief."),)),
        HELLO,
        Message(role="developer", parts=(Text(text="In French."),)),
        user(Text(text="So?")),
    )
    assert [block["text"] for block in body["system"]] == ["Be brief.", "In French."]
    assert [block["text"] for turn in body["messages"] for block in turn["content"]] == ["Hello", "So?"]
    assert [turn["role"] for turn in body["messages"]] == ["user"]


def test_results_come_first_in_one_turn() -> None:
    found = ToolResult(id="call_1", parts=(Text(text="42"),), name="look_up")
    failed = ToolResult(id="call:2", parts=(), failed=True)
    body = asked(
        HELLO,
        assistant(
            ToolUse(id="call_1", name="look_up", arguments='{"q":1}'),
            ToolUse(id="call:2", name="look_up", arguments=""),
        ),
        Message(role="tool", parts=(found,)),
        user(Text(text="Go on.")),
        Message(role="tool", parts=(failed,)),
    )
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call_1", "name": "look_up", "input": {"q": 1}},
                {"type": "tool_use", "id": "call_2", "name": "look_up", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "42"}]},
                {"type": "tool_result", "tool_use_id": "call_2", "is_error": True},
                {"type": "text", "text": "Go on."},
            ],
        },
    ]


def test_empty_texts_and_turns_are_left_out() -> None:
    body = asked(HELLO, assistant(Text(text="")), user(Text(text=" \n"), Text(text="So?")))
    assert [[block["text"] for block in turn["content"]] for turn in body["messages"]] == [["Hello", "So?"]]


def test_only_its_own_thoughts_go_back() -> None:
    (_, turn) = asked(
        HELLO,
        assistant(
            Thought(text="mine", signature="Sig", signer="anthropic"),
            Thought(sealed="Data", signer="anthropic"),
            Thought(text="theirs", signature="x", signer="gemini"),
            Thought(text="nobody's"),
            Refusal(text="No."),
        ),
    )["messages"]
    assert turn["content"] == [
        {"type": "thinking", "thinking": "mine", "signature": "Sig"},
        {"type": "redacted_thinking", "data": "Data"},
        {"type": "text", "text": "No."},
    ]


def test_pictures_and_papers() -> None:
    (turn,) = asked(
        user(
            Image(place=Inline("", "/9j/4AAQ")),
            Document(place=Inline("application/pdf", "JVBER"), title="Terms"),
            Document(place=Inline("text/markdown", "SGk=")),
        )
    )["messages"]
    assert [block["source"] for block in turn["content"]] == [
        {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"},
        {"type": "base64", "media_type": "application/pdf", "data": "JVBER"},
        {"type": "text", "media_type": "text/plain", "data": "Hi"},
    ]


def test_tools_without_parameters_take_an_empty_object() -> None:
    body = asked(tools=(Tool(name="now", parameters=Raw(b"{}")),), parallel_tools=False)
    assert body["tools"] == [{"name": "now", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_a_schema_binds_natively_and_keeps_its_description() -> None:
    form = JsonFormat(schema=OBJECT, name="answer", description="All of it", strict=True)
    assert asked(format=form)["output_config"] == {
        "format": {"type": "json_schema", "schema": {"type": "object", "description": "All of it"}}
    }


@pytest.mark.parametrize(
    ("thinking", "fields"),
    [
        (Thinking(effort="none"), {"thinking": {"type": "disabled"}}),
        (Thinking(effort="minimal"), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        (Thinking(effort="max"), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        (Thinking(budget_tokens=2048), {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (Thinking(budget_tokens=9999), {"thinking": {"type": "enabled", "budget_tokens": 4095}}),
        (Thinking(shown=False), {"thinking": {"type": "adaptive", "display": "omitted"}}),
    ],
)
def test_how_much_it_thinks(thinking: Thinking, fields: dict[str, Any]) -> None:
    body = asked(call={"max_output_tokens": 4096}, thinking=thinking)
    assert {name: body[name] for name in ("thinking", "output_config") if name in body} == fields


def test_a_forced_tool_leaves_no_room_for_thoughts_and_keeps_the_effort() -> None:
    tools = (Tool(name="now", parameters=OBJECT),)
    body = asked(tools=tools, tool_choice="required", thinking=Thinking(effort="high"))
    assert ("thinking" in body, body["output_config"]) == (False, {"effort": "high"})


WISHES: list[tuple[dict[str, Any], str]] = [
    ({"choices": 2}, "n"),
    ({"seed": 0}, "seed"),
    ({"frequency_penalty": 0.1}, "frequency_penalty"),
    ({"presence_penalty": 0.1}, "presence_penalty"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"temperature": 1.5}, "temperature"),
    ({"stop": ("\n",)}, "stop"),
    ({"tools": (Tool(name="sql"),)}, "tools"),
    ({"tools": (Tool(name="sql", parameters=Raw(b"true")),)}, "tools"),
    ({"format": JsonFormat()}, "response_format"),
    ({"format": JsonFormat(schema=Raw(b"true"))}, "response_format"),
    ({"unread": {"logit_bias": Raw(b"{}")}}, "logit_bias"),
    ({"messages": (user(Text(text="x"), Sound(format="wav", data="x")),)}, "input_audio"),
    ({"messages": (user(Text(text="x"), Document(place=Inline("text/csv", "?"))),)}, "file"),
    ({"messages": (user(Text(text="x"), Document(place=Inline("application/zip", "x"))),)}, "file"),
    ({"thinking": Thinking(budget_tokens=512)}, "thinking"),
]


@pytest.mark.parametrize(("wish", "param"), WISHES)
def test_what_it_cannot_do_is_refused_by_name_or_left_out(wish: dict[str, Any], param: str) -> None:
    conversation = Conversation(**({"messages": (HELLO,)} | wish))
    provider = MessagesProvider("claude-x", provider="acme", max_output_tokens=None)
    with pytest.raises(UnsupportedParameter, match=f"`{param}` is not supported by 'acme'") as caught:
        provider.request(conversation, make_call())
    assert caught.value.param == param
    ready = make_call(drop_unsupported=True)
    assert set(msgspec.json.decode(provider.request(conversation, ready))) == {"model", "max_tokens", "messages"}
    assert ready.trail.dropped == (param,)


def test_wishes_for_the_default_are_no_wishes() -> None:
    assert set(asked(frequency_penalty=0.0, logprobs=False, choices=1, temperature=1.0)) == {
        "model",
        "max_tokens",
        "messages",
        "temperature",
    }


def test_a_responses_caller_is_told_its_own_word() -> None:
    with pytest.raises(UnsupportedParameter, match=r"`text\.format`"):
        asked(format=JsonFormat(), call={"dialect": "responses"})
