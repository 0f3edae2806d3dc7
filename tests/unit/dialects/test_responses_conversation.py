"""Calls of the Responses API as conversations: what survives, what is refused and what no other dialect has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.conversation import (
    Conversation,
    Message,
    Text,
    Thought,
    ToolResult,
    ToolUse,
)
from penstock.core.errors import InvalidParameter
from penstock.dialects.responses.caller import ResponsesCaller
from penstock.dialects.responses.thoughts import Kept, pack
from support.calls import make_call

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "description": "Does f", "strict": True}


def read(**fields: Any) -> Conversation:
    call = make_call({"model": "fast", "input": "Hello"} | fields, dialect="responses")
    return ResponsesCaller().conversation(call)


def refusal(**fields: Any) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        read(**fields)
    return caught.value


def test_instructions_come_first_and_a_plain_input_is_the_users() -> None:
    assert read(instructions="Be brief").messages == (
        Message(role="system", parts=(Text(text="Be brief"),)),
        Message(role="user", parts=(Text(text="Hello"),)),
    )


def test_a_turn_with_a_tool_reads_as_openai_documents_it() -> None:
    # The input of platform.openai.com/docs/guides/function-calling, shortened; 2026-11-21.
    items = [
        {"role": "user", "content": "What is my horoscope? I am an Aquarius."},
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAAAB"},
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "get_horoscope",
            "arguments": '{"sign":"Aquarius"}',
            "status": "completed",
        },
        {"type": "function_call_output", "call_id": "call_1", "output": '{"horoscope":"An otter"}'},
    ]
    assert read(input=items).messages == (
        Message(role="user", parts=(Text(text="What is my horoscope? I am an Aquarius."),)),
        Message(
            role="assistant",
            parts=(
                Thought(sealed="gAAAAAB", signer="openai"),
                ToolUse(id="call_1", name="get_horoscope", arguments='{"sign":"Aquarius"}'),
            ),
        ),
        Message(
            role="tool",
            parts=(ToolResult(id="call_1", name="get_horoscope", parts=(Text(text='{"horoscope":"An otter"}'),)),),
        ),
    )


def test_summaries_of_one_thought_are_one_text() -> None:
    summary = [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}]
    (message,) = read(input=[{"type": "reasoning", "id": "rs_1", "summary": summary}]).messages
    assert message.parts == (Thought(text="First.\n\nThen."),)


def test_a_signature_is_that_of_the_call_right_behind_it() -> None:
    kept = {"type": "reasoning", "summary": [], "encrypted_content": pack(Kept("call", "gemini", "sig"))}
    use = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    signed, unsigned = read(
        input=[kept, use, {"role": "user", "content": "x"}, kept, {"role": "user", "content": "x"}, use]
    ).messages[::3]
    assert signed.parts == (ToolUse(id="c", name="f", arguments="{}", signature="sig", signer="gemini"),)
    assert unsigned.parts == (ToolUse(id="c", name="f", arguments="{}"),)


def test_items_that_say_nothing_are_no_messages() -> None:
    nothing = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "assistant", "content": []}]
    assert len(read(input=[*nothing, {"role": "user", "content": ""}]).messages) == 1


def test_allowed_tools_are_all_that_there_are() -> None:
    other = TOOL | {"name": "g"}
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    conversation = read(tools=[TOOL, other], tool_choice=choice)
    assert ([tool.name for tool in conversation.tools], conversation.tool_choice) == (["g"], "required")


def test_a_function_without_parameters_is_still_a_function() -> None:
    (tool,) = read(tools=[{"type": "function", "name": "f", "parameters": None}]).tools
    assert tool.parameters is not None
    assert bytes(tool.parameters) == b'{"type":"object","properties":{}}'


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("web_search", {"tools": [TOOL, {"type": "web_search"}]}),
        ("mcp", {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://example.com"}]}),
        ("tools[0].format", {"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar"}}]}),
        ("tool_choice", {"tool_choice": {"type": "file_search"}}),
        ("web_search_call", {"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}),
        ("text.verbosity", {"text": {"verbosity": "low"}}),
        ("truncation", {"truncation": "auto"}),
        ("reasoning.mode", {"reasoning": {"mode": "pro"}}),
        ("conversation", {"conversation": "conv_1"}),
        ("a_field_of_next_year", {"a_field_of_next_year": 1}),
    ],
)
def test_what_no_other_dialect_has_is_unread_by_name(name: str, fields: dict[str, Any]) -> None:
    assert list(read(**fields).unread) == [name]


def test_hints_and_what_is_ordinary_are_not_unread() -> None:
    conversation = read(
        metadata={"a": "b"},
        store=False,
        service_tier="flex",
        prompt_cache_key="k",
        include=["reasoning.encrypted_content"],
        max_output_tokens=64,
        max_tool_calls=3,
        truncation="disabled",
        text={"format": {"type": "text"}, "verbosity": "medium"},
        reasoning={"effort": None, "context": "auto"},
        previous_response_id=None,
        conversation=None,
    )
    assert (conversation.unread, conversation.format, conversation.thinking) == ({}, None, None)


def test_logprobs_are_asked_by_either_name() -> None:
    assert read(include=["message.output_text.logprobs"]).logprobs is True
    assert read(top_logprobs=3).top_logprobs == 3
    assert (read(top_logprobs=0).logprobs, read().top_logprobs) == (None, None)


@pytest.mark.parametrize(
    ("param", "item"),
    [
        ("input[0]", {"type": "item_reference", "id": "msg_1"}),
        ("input[0]", {"id": "msg_1"}),
        ("input[0].role", {"type": "message", "role": "robot", "content": "x"}),
        ("input[0].content", {"role": "user"}),
        (
            "input[0].content[1].type",
            {"role": "user", "content": [{"type": "input_text", "text": ""}, {"type": "smell"}]},
        ),
        ("input[0].content[0].text", {"role": "user", "content": [{"type": "input_text"}]}),
        ("input[0].content[0]", {"role": "user", "content": [{"type": "input_image"}]}),
        (
            "input[0].content[0]",
            {"role": "user", "content": [{"type": "input_file", "file_data": "data:text/plain,x"}]},
        ),
        ("input[0].call_id", {"type": "function_call", "name": "f", "arguments": "{}"}),
        ("input[0].arguments", {"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}),
        (
            "input[0].output[0].type",
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "refusal", "refusal": "no"}]},
        ),
    ],
)
def test_an_item_that_is_wrong_is_named_by_its_path(param: str, item: dict[str, Any]) -> None:
    assert refusal(input=[item]).param == param


def test_a_part_without_its_text_is_told_so() -> None:
    error = refusal(input=[{"role": "user", "content": [{"type": "input_text"}]}])
    assert error.message == "`input[0].content[0].text` is missing: it must be a string."


def test_a_schema_must_be_there() -> None:
    assert refusal(text={"format": {"type": "json_schema", "name": "n"}}).param == "text.format.schema"
    assert refusal(tool_choice={"type": "function"}).param == "tool_choice.name"
    assert refusal(tool_choice=5).param == "tool_choice"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "text", "id", "output", "call_id", "name", "arguments", "summary"]
            ),
            inner | st.sampled_from(["message", "user", "reasoning", "function_call", "input_text", "input_image"]),
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["input", "tools", "text", "reasoning", "tool_choice"]), JSON))
def test_any_json_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        assert isinstance(read(**fields), Conversation)
    except InvalidParameter as error:
        assert error.message.startswith("`")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("param", "tools"),
    [
        ("tool_choice.tools[0].name", [{"type": "function", "name": []}]),
        ("tool_choice.tools[0]", ["f"]),
        ("tool_choice.tools", "f"),
    ],
)
def test_allowed_tools_that_are_none_are_named_by_their_path(param: str, tools: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(tools=[TOOL], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": tools})
    assert caught.value.param == param
