"""``read_response_request``: what is taken, what is refused and in which words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.errors import InvalidParameter, InvalidRequest, JsonTooDeep, MalformedJson
from penstock.dialects.openai import ChatRequest
from penstock.dialects.openai.request import MEDIA_TOKENS
from penstock.dialects.responses.request import read_response_request

TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


def read(**fields: Any) -> ChatRequest:
    return read_response_request(msgspec.json.encode({"model": "fast", "input": "Hello"} | fields))


def refusal(**fields: Any) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        read(**fields)
    return caught.value


def test_the_facts_stand_beside_the_fields() -> None:
    request = read(
        stream=True,
        temperature=0.5,
        max_output_tokens=50,
        user="ada",
        safety_identifier="hash-of-ada",
        tools=[TOOL, {"type": "custom", "name": "sql"}, {"type": "web_search"}],
    )
    assert (request.model, request.stream, request.include_usage) == ("fast", True, True)
    assert (request.temperature, request.max_output_tokens, request.choices) == (0.5, 50, 1)
    assert (request.user, request.tool_names) == ("hash-of-ada", ("get_weather", "sql"))
    assert bytes(request.fields["max_output_tokens"]) == b"50"


def test_what_nobody_here_knows_stays_byte_for_byte() -> None:
    body = b'{"model":"fast","input":[{"type":"hologram", "data":{"x": 1.50}}],"x": [1,  2]}'
    fields = read_response_request(body).fields
    assert bytes(fields["input"]) == b'[{"type":"hologram", "data":{"x": 1.50}}]'
    assert bytes(fields["x"]) == b"[1,  2]"


@pytest.mark.parametrize(
    "fields",
    [
        {"input": []},
        {"input": None, "previous_response_id": "resp_1"},
        {"input": [{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "msg_1"}, {"id": "rs_1"}]},
        {"input": [{"type": "tool_search_call", "arguments": {"query": "x"}, "call_id": None}]},
        {"tools": [{"type": "mcp", "server_label": "x"}], "tool_choice": {"type": "mcp", "server_label": "x"}},
        {"tool_choice": "required", "include": ["reasoning.encrypted_content"], "truncation": "auto"},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"}},
        {"reasoning": {"effort": "xhigh", "summary": "auto"}, "stream_options": {"include_obfuscation": False}},
        {"temperature": 2, "top_p": 1, "top_logprobs": 20, "metadata": {"a": "b"}, "store": False},
        {"stream": None, "tools": None, "text": None, "reasoning": None, "background": None, "conversation": None},
        {"instructions": None},
        {"a_field_of_next_year": {"deep": [1]}, "service_tier": "flex"},
    ],
)
def test_nothing_that_openai_takes_is_refused(fields: dict[str, Any]) -> None:
    assert read(**fields).model == "fast"


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("model", {"model": ""}),
        ("input", {"input": None}),
        ("input", {"input": 5}),
        ("input[1]", {"input": [{"role": "user", "content": ""}, 5]}),
        ("input[0].content", {"input": [{"role": "user", "content": 5}]}),
        ("input[0].content[0]", {"input": [{"role": "user", "content": ["Hi"]}]}),
        ("input[0].output", {"input": [{"type": "function_call_output", "call_id": "c", "output": {}}]}),
        ("instructions", {"instructions": ["x"]}),
        ("temperature", {"temperature": 3}),
        ("max_output_tokens", {"max_output_tokens": -1}),
        ("background", {"background": True}),
        ("conversation", {"conversation": "conv_1"}),
        ("conversation", {"conversation": {"id": "conv_1"}, "input": None}),
        ("tools[0].name", {"tools": [{"type": "function"}]}),
        ("text.format.type", {"text": {"format": {"type": "xml"}}}),
        ("reasoning.effort", {"reasoning": {"effort": "vast"}}),
        ("stream", {"stream": "yes"}),
    ],
)
def test_what_is_wrong_is_named_by_its_path(param: str, fields: dict[str, Any]) -> None:
    error = refusal(**fields)
    assert error.param == param
    assert error.message.startswith(f"`{param}` ")


def test_a_missing_input_is_said_to_be_missing() -> None:
    with pytest.raises(InvalidParameter, match="`input` is missing: it must be a string or an array of items"):
        read_response_request(b'{"model":"fast"}')


def test_the_input_is_estimated_by_what_a_model_reads() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 400_000}
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "a" * 40}, picture]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "b" * 80},
        {"type": "function_call_output", "call_id": "c", "output": "c" * 120},
    ]
    assert read(input=items, instructions="d" * 160).input_tokens == 10 + MEDIA_TOKENS + 20 + 30 + 40
    assert read(input="a" * 40).input_tokens == 10


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", MalformedJson), (b"[]", MalformedJson), (b'{"model":', MalformedJson), (b'{"a":' * 200, JsonTooDeep)],
)
def test_what_is_no_request_is_told_apart(body: bytes, kind: type[InvalidRequest]) -> None:
    with pytest.raises(kind):
        read_response_request(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "id", "output", "name", "format"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["input", "tools", "text", "reasoning", "tool_choice", "stream"]), JSON))
def test_any_json_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        read(**fields)
    except InvalidRequest as error:
        assert error.param is None or error.message.startswith("`")  # noqa: PT017 - either outcome is right
