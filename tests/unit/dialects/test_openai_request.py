"""``read_chat``: what is taken, what is refused and in which words."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.call import PromptRef
from penstock.core.errors import InvalidParameter, InvalidRequest, JsonTooDeep, MalformedJson
from penstock.dialects.openai import ChatRequest, read_chat

USER = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def read(**fields: Any) -> ChatRequest:
    return read_chat(msgspec.json.encode({"model": "fast", "messages": [USER]} | fields))


def refusal(**fields: Any) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        read(**fields)
    return caught.value


def test_the_facts_stand_beside_the_fields() -> None:
    request = read(
        stream=True,
        stream_options={"include_usage": True},
        temperature=0.5,
        max_tokens=100,
        max_completion_tokens=50,
        n=2,
        user="ada",
        safety_identifier="hash-of-ada",
        tools=[TOOL],
    )
    assert (request.model, request.stream, request.include_usage) == ("fast", True, True)
    assert (request.temperature, request.max_output_tokens, request.choices) == (0.5, 50, 2)
    assert (request.user, request.tool_names) == ("hash-of-ada", ("look_up",))
    assert bytes(request.fields["max_tokens"]) == b"100"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_of_no_tokens_is_the_providers_to_refuse(name: str) -> None:
    assert read(**{name: 0}).max_output_tokens == 0


def test_plain_requests_have_plain_facts() -> None:
    request = read()
    assert (request.stream, request.include_usage, request.choices, request.user) == (False, False, 1, "")
    assert (request.temperature, request.max_output_tokens, request.prompt) == (None, None, None)


def test_what_nobody_here_knows_stays_byte_for_byte() -> None:
    body = b'{"model":"fast","messages":[{"role":"user","content":[{"type":"hologram", "data":{"x": 1.50}}]}],"x": [1,  2]}'
    fields = read_chat(body).fields
    assert bytes(fields["messages"]) == b'[{"role":"user","content":[{"type":"hologram", "data":{"x": 1.50}}]}]'
    assert bytes(fields["x"]) == b"[1,  2]"


def test_a_key_given_twice_has_one_value() -> None:
    request = read_chat(b'{"model":"a","model":"b","messages":[{"role":"user","content":"x"}]}')
    assert request.model == "b"
    assert bytes(request.fields["model"]) == b'"b"'


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]},
        {"messages": [{"role": "developer", "content": "x"}, {"role": "tool", "content": [], "tool_call_id": "1"}]},
        {"tools": [{"type": "web_search"}], "tool_choice": "required"},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look_up"}}},
        {"tools": [{"type": "custom", "custom": {"name": "sql"}}]},
        {"stop": ["a", "b", "c", "d"], "seed": -1, "logit_bias": {"50256": -100}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
        {"stream": None, "n": None, "stop": None, "tools": None, "temperature": 2, "top_p": 1},
        {"reasoning_effort": "high", "service_tier": "flex", "a_field_of_next_year": {"deep": [1]}},
    ],
)
def test_nothing_that_openai_takes_is_refused(fields: dict[str, Any]) -> None:
    assert read(**fields).model == "fast"


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("model", 5),
        ("model", ""),
        ("messages", []),
        ("messages", "hello"),
        ("messages", None),
        ("stream", "yes"),
        ("stream_options", True),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("top_p", -0.1),
        ("max_tokens", -1),
        ("max_completion_tokens", 1.5),
        ("n", 129),
        ("stop", ["a"] * 5),
        ("tools", {}),
        ("tool_choice", "sometimes"),
        ("tool_choice", 3),
        ("response_format", "json"),
        ("logprobs", 1),
        ("top_logprobs", 21),
        ("user", 7),
        ("metadata", {"a": 1}),
        ("prompt_variables", []),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(param: str, value: Any) -> None:
    error = refusal(**{param: value})
    assert error.param == param
    assert error.message.startswith(f"`{param}` must be ")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [USER, {"role": "wizard", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"stop": ["a", 5]}, "stop[1]"),
        ({"tools": [3]}, "tools[0]"),
        ({"tools": [TOOL, {"type": "function"}]}, "tools[1].function"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.name"),
        ({"prompt_version": "v1"}, "prompt_id"),
    ],
)
def test_a_wrong_part_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert error.param == param
    assert param in error.message


def test_a_missing_model_is_named() -> None:
    with pytest.raises(InvalidParameter, match="`model` is missing") as caught:
        read_chat(b'{"messages":[{"role":"user","content":"x"}]}')
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff{}", b'{"model":"\xff"}', b'{"a":1}x', b"\x00"]
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        read_chat(body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "The body is empty: send a JSON object."),
        (b'{"model":', "The body is not valid JSON: line 1, column 10."),
        (b'{"model": "a",\n  "n": 01}', "The body is not valid JSON: line 2, column 9."),
        ('{"user": "Tiếng Việt",}'.encode(), "The body is not valid JSON: line 1, column 23."),
        (b'{"model":\n\n"secret\xff"}', "The body is not valid UTF-8: line 3, column 8."),
        (b"[1]", "The body must be a JSON object."),
    ],
)
def test_the_place_of_the_first_fault_is_told_and_nothing_of_the_body(body: bytes, told: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        read_chat(body)
    assert caught.value.message == told


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_nesting_is_bounded(bracket: bytes) -> None:
    def nested(levels: int) -> bytes:
        closing = b"]" if bracket == b"[" else b"}"
        inner = bracket * levels + b"1" + closing * levels
        return b'{"model":"fast","messages":[{"role":"user","content":"x"}],"deep":' + inner + b"}"

    assert read_chat(nested(127)).model == "fast"
    with pytest.raises(JsonTooDeep):
        read_chat(nested(128))
    with pytest.raises(JsonTooDeep):
        read_chat(nested(100_000))


def test_brackets_in_strings_are_text() -> None:
    text = '"[{' * 500 + "\\"
    assert read(messages=[{"role": "user", "content": text}]).model == "fast"


def test_many_shallow_brackets_are_not_deep() -> None:
    assert read(metadata={}, x=[[]] * 1000).model == "fast"


def test_images_count_at_a_flat_rate_and_tools_by_their_bytes() -> None:
    image = "data:image/png;base64," + base64.b64encode(bytes(300_000)).decode()
    part = {"type": "image_url", "image_url": {"url": image}}
    request = read(messages=[{"role": "user", "content": [{"type": "text", "text": "a" * 40}, part]}])
    assert request.input_tokens == 1010
    assert read(tools=[TOOL]).input_tokens - read().input_tokens == len(msgspec.json.encode([TOOL])) // 4


def test_a_prompt_reference_is_the_gateways_own() -> None:
    request = read_chat(
        b'{"model":"fast","prompt_id":"triage","prompt_version":"v1","prompt_variables":{"name":"Ada"},"messages":[]}'
    )
    assert request.prompt == PromptRef("triage", "v1", {"name": "Ada"})
    assert list(request.fields) == ["model", "messages"]
    assert read_chat(b'{"model":"fast","prompt_id":"triage"}').prompt == PromptRef("triage", "", {})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KNOWN = st.sampled_from(
    ["messages", "tools", "tool_choice", "response_format", "stop", "stream_options", "n", "prompt_id"]
)


@settings(deadline=None)
@given(st.dictionaries(KNOWN | st.text(max_size=6), JSON, max_size=5))
def test_any_json_is_read_or_refused_in_plain_words(fields: dict[str, Any]) -> None:
    try:
        outcome = f"{read(**fields).input_tokens} tokens"
    except InvalidRequest as error:
        outcome = error.message
    assert "Expected `" not in outcome


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_chat(body)
