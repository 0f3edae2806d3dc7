"""``MessagesCaller.conversation``: what a request of the Messages API asks.

Shapes: platform.claude.com/docs/en/api/messages and anthropic 2.12 ``types/message_create_params.py``, 2026-11-21.
"""

from __future__ import annotations

from typing import Any

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
    Stored,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.core.errors import InvalidParameter
from penstock.dialects.anthropic import MessagesCaller
from support.calls import make_call

USER = {"role": "user", "content": "Hello"}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}}


def conversation(**fields: Any) -> Conversation:
    body = {"model": "fast", "max_tokens": 1024, "messages": [USER]} | fields
    return MessagesCaller().conversation(make_call(body, dialect="anthropic"))


def messages(*turns: Any) -> tuple[Message, ...]:
    return conversation(messages=list(turns)).messages


def test_words_and_what_is_asked_of_them() -> None:
    asked = conversation(
        system="Be brief.",
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop_sequences=["END"],
        metadata={"user_id": "ada"},
        service_tier="auto",
        speed="fast",
        stream=True,
    )
    assert asked.messages == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="user", parts=(Text(text="Hello"),)),
    )
    assert (asked.max_output_tokens, asked.temperature, asked.top_p, asked.top_k) == (1024, 0.5, 0.9, 40)
    assert (asked.stop, asked.user, asked.unread) == (("END",), "ada", {})


def test_pictures_and_papers() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBER"}
    (message,) = messages(
        {
            "role": "user",
            "content": [
                PNG,
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {
                    "type": "document",
                    "source": pdf,
                    "title": "Terms",
                    "context": "Draft",
                    "citations": {"enabled": False},
                },
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Plain."}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
                {"type": "text", "text": "Sum up.", "cache_control": {"type": "ephemeral"}},
            ],
        }
    )
    assert message.parts == (
        Image(place=Inline("image/png", "iVBOR")),
        Image(place=Url("https://example.com/a.png")),
        Image(place=Stored("file_1")),
        Document(place=Inline("application/pdf", "JVBER"), title="Terms", context="Draft"),
        Document(text="Plain."),
        Document(text="a"),
        Text(text="Sum up.", cached_for="5m"),
    )


def test_tools_are_used_and_come_back() -> None:
    read = messages(
        USER,
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look it up.", "signature": "Sig+/="},
                {"type": "redacted_thinking", "data": "Data=="},
                {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"q": "x", "n": 1.0}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Not found", "is_error": True},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "See"}, PNG]},
                {"type": "tool_result", "tool_use_id": "toolu_3"},
                {"type": "text", "text": "Go on."},
            ],
        },
    )
    assert read[1].parts == (
        Thought(text="Look it up.", signature="Sig+/=", signer="anthropic"),
        Thought(sealed="Data==", signer="anthropic"),
        ToolUse(id="toolu_1", name="look_up", arguments='{"q":"x","n":1.0}'),
    )
    assert read[2:] == (
        Message(role="tool", parts=(ToolResult(id="toolu_1", parts=(Text(text="Not found"),), failed=True),)),
        Message(
            role="tool",
            parts=(ToolResult(id="toolu_2", parts=(Text(text="See"), Image(place=Inline("image/png", "iVBOR")))),),
        ),
        Message(role="tool", parts=(ToolResult(id="toolu_3", parts=()),)),
        Message(role="user", parts=(Text(text="Go on."),)),
    )


def test_instructions_in_the_middle_stand_by_themselves() -> None:
    block = {"type": "mid_conv_system", "content": [{"type": "text", "text": "In French."}]}
    read = messages(
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, block, {"type": "text", "text": "So?"}]},
        {"role": "system", "content": "In German."},
    )
    assert [(message.role, message.parts) for message in read] == [
        ("user", (Text(text="Hello"),)),
        ("system", (Text(text="In French."),)),
        ("user", (Text(text="So?"),)),
        ("system", (Text(text="In German."),)),
    ]


def test_tools_and_how_they_may_be_called() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    tool = {"name": "look_up", "description": "Finds", "input_schema": schema, "strict": True}
    asked = conversation(
        tools=[tool | {"type": "custom", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        tool_choice={"type": "tool", "name": "look_up", "disable_parallel_tool_use": True},
    )
    raw = Raw(b'{"type":"object","properties":{"q":{"type":"string"}}}')
    assert asked.tools == (Tool(name="look_up", description="Finds", parameters=raw, strict=True, cached_for="1h"),)
    assert (asked.tool_choice, asked.parallel_tools) == (OneTool("look_up"), False)
    assert conversation(tool_choice={"type": "any"}).tool_choice == "required"
    assert conversation(tool_choice={"type": "auto"}).parallel_tools is None


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, Thinking(effort="none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Thinking(budget_tokens=2048)),
        ({"thinking": {"type": "adaptive"}}, Thinking()),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Thinking(shown=False)),
        ({"output_config": {"effort": "xhigh"}}, Thinking(effort="xhigh")),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
            Thinking(effort="low", shown=True),
        ),
    ],
)
def test_how_much_it_thinks(fields: dict[str, Any], thinking: Thinking | None) -> None:
    assert conversation(**fields).thinking == thinking


def test_an_answer_of_a_schema() -> None:
    asked = conversation(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}})
    assert asked.format == JsonFormat(schema=Raw(b'{"type":"object"}'), strict=True)


def test_a_cache_point_for_the_whole_stands_at_the_end() -> None:
    asked = conversation(cache_control={"type": "ephemeral", "ttl": "1h"})
    assert asked.messages[-1].parts == (Text(text="Hello", cached_for="1h"),)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"container": "c_1", "inference_geo": None, "mcp_servers": [{}]}, ["container", "mcp_servers"]),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, ["tools.0"]),
        ({"tools": [{"name": "a", "input_schema": {}, "defer_loading": True}]}, ["tools.0.defer_loading"]),
        ({"tools": [{"name": "a", "input_schema": {}, "input_examples": [{}]}]}, ["tools.0.input_examples"]),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}, PNG]}]}, ["messages.0.content.0"]),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference"}]}
                        ],
                    }
                ]
            },
            ["messages.0.content.0.content.0"],
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "document",
                                "source": {"type": "text", "data": "x"},
                                "citations": {"enabled": True},
                            }
                        ],
                    }
                ]
            },
            ["messages.0.content.0.citations"],
        ),
        ({"thinking": {"type": "between_tools"}}, ["thinking"]),
        (
            {"messages": [{"role": "user", "content": [PNG | {"transformations": {"oversized": "resize"}}]}]},
            ["messages.0.content.0.transformations"],
        ),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, ["output_config.effort"]),
    ],
)
def test_what_has_no_name_elsewhere_is_kept_by_its_path(fields: dict[str, Any], names: list[str]) -> None:
    assert list(conversation(**fields).unread) == names


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"system": [PNG]}, "system.0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages.0.content.0.source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]},
            "messages.0.content.0.source.url",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": "x"}]}
                ]
            },
            "messages.0.content.0.input",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages.0.content.0.tool_use_id"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tools": [{"name": "a"}]}, "tools.0.input_schema"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"cache_control": {"ttl": "1d"}}, "cache_control.ttl"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        conversation(**fields)
    assert caught.value.param == param


def test_which_thoughts_are_left_out_is_for_anthropic_alone_to_know() -> None:
    clear = {"type": "clear_thinking_20251015", "keep": "all"}
    assert conversation(context_management={"edits": [clear]}).unread == {}
    assert conversation(context_management={}).unread == {}
    for said in ({"edits": [clear, {"type": "clear_tool_uses_20250919"}]}, {"compact": True}, [clear]):
        assert list(conversation(context_management=said).unread) == ["context_management"]
