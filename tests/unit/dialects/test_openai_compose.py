"""What a conversation asks of a service that speaks chat completions."""

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
    OneTool,
    Part,
    Refusal,
    Role,
    Stored,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.core.errors import UnsupportedParameter
from penstock.dialects.openai.sides import ChatProvider
from support.calls import make_call

CAT = Image(place=Inline("image/png", "aGk="))
CAT_URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def provider(**changes: Any) -> ChatProvider:
    plain = {"max_output_tokens": None, "max_tokens_field": "max_tokens", "asks_usage": True}
    return ChatProvider("m-1", provider="service", **(plain | changes))


def request(conversation: Conversation, **changes: Any) -> dict[str, Any]:
    return msgspec.json.decode(provider().request(conversation, make_call(**changes)))  # type: ignore[no-any-return]


def said(role: Role, *parts: Part, name: str = "") -> Message:
    return Message(role=role, parts=parts, name=name)


def messages(*turns: Message) -> list[dict[str, Any]]:
    return request(Conversation(messages=turns))["messages"]  # type: ignore[no-any-return]


def test_one_text_is_a_string_and_more_are_parts() -> None:
    assert messages(
        said("system", Text(text="Be brief.", cached_for="1h")),
        said("developer", Text(text="And kind.")),
        said("user", Text(text="See"), CAT, name="ada"),
        said("user"),
    ) == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "And kind."},
        {"role": "user", "name": "ada", "content": [{"type": "text", "text": "See"}, CAT_URL]},
        {"role": "user", "content": ""},
    ]


def test_results_come_first_and_what_they_show_is_the_users() -> None:
    told = messages(
        said("assistant", ToolUse(id="1", name="a", arguments="{}"), ToolUse(id="2", name="b", arguments="{}")),
        said(
            "user",
            ToolResult(id="1", parts=(Text(text="one"), CAT)),
            ToolResult(id="2", parts=(), failed=True),
            Text(text="Go on."),
        ),
        said("tool", ToolResult(id="3", parts=(CAT,))),
        said("tool", ToolResult(id="4", parts=(Text(text="four"),))),
    )
    assert told[1:] == [
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": "The tool failed."},
        {"role": "user", "content": [CAT_URL]},
        {"role": "user", "content": "Go on."},
        {"role": "tool", "tool_call_id": "3", "content": ""},
        {"role": "tool", "tool_call_id": "4", "content": "four"},
        {"role": "user", "content": [CAT_URL]},
    ]


def test_what_an_assistant_said_and_did() -> None:
    (told,) = messages(
        said(
            "assistant",
            Text(text="Let me see."),
            ToolUse(id="1", name="a", arguments='{"x": 1}'),
            ToolUse(id="2", name="b", arguments="SELECT 1", freeform=True),
        )
    )
    assert told == {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "a", "arguments": '{"x": 1}'}},
            {"id": "2", "type": "custom", "custom": {"name": "b", "input": "SELECT 1"}},
        ],
    }
    refused = {"role": "assistant", "content": None, "refusal": "No."}
    assert messages(said("assistant", Refusal(text="No."))) == [refused]
    assert messages(said("assistant", Thought(text="hm"))) == [{"role": "assistant", "content": ""}]


def test_thoughts_go_back_beside_tool_calls_to_who_has_told_them_so() -> None:
    ours = Thought(text="hm", signature="reasoning_content", signer="openai")
    others = (Thought(text="a", signature="s", signer="anthropic"), Thought(text="b"), Thought(sealed="c", signer="x"))
    use = ToolUse(id="1", name="a", arguments="{}")
    (told,) = messages(said("assistant", ours, *others, use))
    assert told["reasoning_content"] == "hm"
    assert "reasoning_content" not in messages(said("assistant", *others, use))[0]
    assert "reasoning_content" not in messages(said("assistant", ours, Text(text="Hi")))[0]


@pytest.mark.parametrize(("signer", "kept"), [("openai", True), ("gemini", False), ("", False)])
def test_a_signature_of_a_call_goes_back_to_who_gave_it(signer: str, kept: bool) -> None:  # noqa: FBT001 - a column of the table
    (told,) = messages(
        said("assistant", ToolUse(id="1", name="a", arguments="{}", signature="s", signer=signer)),
    )
    extra = told["tool_calls"][0].get("extra_content")
    assert extra == ({"google": {"thought_signature": "s"}} if kept else None)


def test_an_id_that_is_too_long_is_cut_alike_on_both_sides() -> None:
    use_id = "x" * 40 + "1"
    use = said("assistant", ToolUse(id=use_id, name="a", arguments="{}"))
    told = messages(use, said("tool", ToolResult(id=use_id, parts=()), Text(text="Go on.")))
    assert told[0]["tool_calls"][0]["id"] == told[1]["tool_call_id"] == "x" * 39 + "1"
    assert told[2] == {"role": "user", "content": "Go on."}


def test_documents_are_files_and_words() -> None:
    pdf = Inline("application/pdf", "aGk=")
    (told,) = messages(
        said(
            "user",
            Document(place=pdf),
            Document(place=Stored("file-1")),
            Document(text="Words.", title="Book", context="Chapter 1"),
        )
    )
    data = "data:application/pdf;base64,aGk="
    assert told["content"] == [
        {"type": "file", "file": {"filename": "document", "file_data": data}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "text", "text": "Book\n\nChapter 1\n\nWords."},
    ]


def test_tools_are_asked_with_their_choice_and_not_without_tools() -> None:
    schema = Raw(b'{"type":"object"}')
    tools = (Tool(name="a", parameters=schema, strict=True, cached_for="5m"), Tool(name="b", description="runs"))
    asked = request(Conversation(messages=(), tools=tools, tool_choice=OneTool("b"), parallel_tools=False))
    assert asked["tools"] == [
        {"type": "function", "function": {"name": "a", "parameters": {"type": "object"}, "strict": True}},
        {"type": "custom", "custom": {"name": "b", "description": "runs"}},
    ]
    assert asked["tool_choice"] == {"type": "custom", "custom": {"name": "b"}}
    assert asked["parallel_tool_calls"] is False
    bare = request(Conversation(messages=(), tool_choice="required", parallel_tools=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(bare)


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        (Thinking(effort="xhigh", budget_tokens=1), "xhigh"),
        (Thinking(budget_tokens=0), "none"),
        (Thinking(budget_tokens=1024), "low"),
        (Thinking(budget_tokens=8000), "medium"),
        (Thinking(budget_tokens=30_000), "high"),
        (Thinking(shown=True), None),
        (Thinking(budget_tokens=-1), None),  # Gemini's word for as much as it wants
    ],
)
def test_a_budget_of_thought_is_an_effort(thinking: Thinking, effort: str | None) -> None:
    assert request(Conversation(messages=(), thinking=thinking)).get("reasoning_effort") == effort


def test_a_schema_has_a_name() -> None:
    asked = request(Conversation(messages=(), format=JsonFormat(schema=Raw(b"{}"))))
    assert asked["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}}}
    assert request(Conversation(messages=(), format=JsonFormat()))["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("own", "asked", "cap"), [(None, None, None), (100, None, 100), (None, 50, 50), (100, 50, 50), (10, 50, 10)]
)
def test_the_least_cap_holds_under_the_one_name(own: int | None, asked: int | None, cap: int | None) -> None:
    side = provider(max_output_tokens=own, max_tokens_field="max_completion_tokens")
    call = make_call(max_output_tokens=asked)
    told = msgspec.json.decode(side.request(Conversation(messages=(), max_output_tokens=7), call))
    assert (told.get("max_completion_tokens"), "max_tokens" in told, told["model"]) == (cap, False, "m-1")


def test_a_stream_asks_for_usage_where_it_may() -> None:
    call = make_call(stream=True)
    plain = Conversation(messages=())
    asked = msgspec.json.decode(provider().request(plain, call))
    assert (asked["stream"], asked["stream_options"]) == (True, {"include_usage": True})
    assert "stream_options" not in msgspec.json.decode(provider(asks_usage=False).request(plain, call))
    assert "stream" not in request(plain)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (Conversation(messages=(), unread={"container": Raw(b'"c"')}), "container"),
        (Conversation(messages=(), top_k=5), "top_k"),
        (Conversation(messages=(), choices=2), "n"),
        (Conversation(messages=(), top_logprobs=2), "logprobs"),
        (Conversation(messages=(said("user", Document(place=Url("https://x.example"))),)), "document_url"),
        (Conversation(messages=(said("user", Image(place=Stored("f"))),)), "image_file_id"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name_or_left_out(asked: Conversation, param: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        request(asked)
    assert caught.value.param == param
    assert "'service'" in caught.value.message
    call = make_call(drop_unsupported=True)
    provider().request(asked, call)
    assert call.trail.dropped == (param,)
