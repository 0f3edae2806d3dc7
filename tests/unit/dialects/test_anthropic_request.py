"""``read_messages``: what is taken, what is refused and in which words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.call import PromptRef
from penstock.core.errors import InvalidParameter, JsonTooDeep, MalformedJson
from penstock.dialects.anthropic import read_count, read_messages
from penstock.dialects.openai import ChatRequest

USER = {"role": "user", "content": "Hello"}
TOOL = {"name": "look_up", "input_schema": {"type": "object"}}


def read(**fields: Any) -> ChatRequest:
    return read_messages(msgspec.json.encode({"model": "fast", "max_tokens": 100, "messages": [USER]} | fields))


def test_the_facts_stand_beside_the_fields() -> None:
    request = read(
        stream=True, temperature=0.5, metadata={"user_id": "ada"}, tools=[TOOL, {"type": "web_search_20250305"}]
    )
    assert (request.model, request.stream, request.include_usage) == ("fast", True, True)
    assert (request.temperature, request.max_output_tokens, request.choices) == (0.5, 100, 1)
    assert (request.user, request.tool_names, request.prompt) == ("ada", ("look_up",), None)
    assert bytes(request.fields["max_tokens"]) == b"100"


def test_what_nobody_here_knows_stays_byte_for_byte() -> None:
    blocks = b'[{"role":"user","content":[{"type":"hologram", "data":{"x": 1.50}}]}]'
    fields = read_messages(
        b'{"model":"m","max_tokens":1,"messages":' + blocks + b',"context_management": {"a":  1}}'
    ).fields
    assert bytes(fields["messages"]) == blocks
    assert bytes(fields["context_management"]) == b'{"a":  1}'


def test_a_registered_prompt_is_the_gateways_own_matter() -> None:
    request = read(prompt_id="greet", prompt_variables={"who": "Ada"}, messages=[])
    assert request.prompt == PromptRef("greet", "", {"who": "Ada"})
    assert set(request.fields) == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    "fields",
    [
        {"system": "Be brief."},
        {"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"messages": [USER, {"role": "system", "content": "Be brief."}]},
        {"messages": [USER, {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "input": {}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": None}]}]},
        {"messages": [{"role": "user", "content": []}]},
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "look_up", "disable_parallel_tool_use": True}},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        {"thinking": {"type": "between_tools"}, "speed": "fast"},
        {"max_tokens": 0, "stop_sequences": ["a"] * 9, "top_k": 5, "metadata": {"user_id": None}},
        {"a_field_of_next_year": {"deep": [1]}, "stream": False, "tool_choice": None},
    ],
)
def test_nothing_that_anthropic_takes_is_refused(fields: dict[str, Any]) -> None:
    assert read(**fields).model == "fast"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [USER, {"role": "developer", "content": "x"}]}, "messages.1.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0.type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{}]}]}]},
            "messages.0.content.0.content.0.type",
        ),
        ({"system": 5}, "system"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_k": 0.5}, "top_k"),
        ({"stop_sequences": ["a", 5]}, "stop_sequences.1"),
        ({"stream": "yes"}, "stream"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": {"type": "required"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": 5}}, "thinking.type"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"prompt_version": "v1"}, "prompt_id"),
    ],
)
def test_a_wrong_part_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(**fields)
    assert caught.value.param == param
    assert f"`{param}`" in caught.value.message


def test_max_tokens_is_required_but_to_count() -> None:
    body = msgspec.json.encode({"model": "fast", "messages": [USER]})
    with pytest.raises(InvalidParameter, match="`max_tokens` is missing: it must be an integer"):
        read_messages(body)
    assert read_count(body).max_output_tokens == 0


def test_a_count_is_never_streamed() -> None:
    request = read_count(msgspec.json.encode({"model": "fast", "messages": [USER], "stream": True}))
    assert (request.stream, list(request.fields)) == (False, ["model", "messages"])


def test_no_json_is_told_as_everywhere() -> None:
    with pytest.raises(MalformedJson):
        read_messages(b'{"model":')
    with pytest.raises(JsonTooDeep):
        read_messages(b'{"messages":' + b"[" * 500 + b"]" * 500 + b"}")


def tokens(*blocks: Any, **fields: Any) -> int:
    return read(messages=[{"role": "user", "content": list(blocks)}], **fields).input_tokens


def test_all_that_is_read_counts_as_input_and_media_by_a_flat_rate() -> None:
    hello = {"type": "text", "text": "a" * 40}
    assert tokens(hello) == 10
    assert tokens(hello, system="b" * 40) == 20
    assert tokens(hello, system=[hello, hello]) == 30
    assert tokens({"type": "tool_result", "tool_use_id": "t", "content": [hello]}) == 10
    assert tokens({"type": "tool_result", "tool_use_id": "t", "content": "a" * 40}) == 10
    assert tokens({"type": "thinking", "thinking": "a" * 40, "signature": "s" * 400}) == 10
    assert tokens({"type": "tool_use", "id": "t", "name": "n", "input": {"query": "a" * 40}}) > 10
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}}
    assert tokens(image) == 1000
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a" * 40}}
    assert tokens(text) == 10
    assert tokens({"type": "document", "source": {"type": "file", "file_id": "f"}}) == 1000
    assert tokens(hello, tools=[TOOL]) > 15
