"""``/v1/completions``: what a call asks, and what is read of completions whole and streamed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.errors import InvalidParameter, MalformedJson, UpstreamMalformed
from penstock.dialects.openai import ChatRequest
from penstock.dialects.openai.legacy import read_legacy, read_legacy_chunk

# The example of platform.openai.com/docs/api-reference/completions, 2026-11-21.
COMPLETION: dict[str, Any] = {
    "id": "cmpl-uqkvlQyYK7bGYrRHQ0eXlWi7",
    "object": "text_completion",
    "created": 1589478378,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [{"text": "\n\nThis is indeed a test", "index": 0, "logprobs": None, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}


def ask(**fields: Any) -> ChatRequest:
    return read_legacy(msgspec.json.encode({"model": "fast", "prompt": "Say this is a test"} | fields))


def test_the_facts_stand_beside_the_fields() -> None:
    asked = ask(stream=True, stream_options={"include_usage": True}, max_tokens=7, temperature=0, n=2, user="ada")
    assert (asked.model, asked.stream, asked.include_usage, asked.choices) == ("fast", True, True, 2)
    assert (asked.max_output_tokens, asked.temperature, asked.user, asked.input_tokens) == (7, 0, "ada", 5)


@pytest.mark.parametrize(
    ("prompt", "choices", "tokens"),
    [(["a" * 8, "b" * 8], 4, 4), ([1, 2, 3], 2, 3), ([[1], [2, 3]], 4, 3), (None, 2, 1)],
)
def test_every_prompt_has_its_choices(prompt: Any, choices: int, tokens: int) -> None:
    asked = ask(prompt=prompt, n=2)
    assert (asked.choices, asked.input_tokens) == (choices, tokens)


def test_what_openai_takes_is_not_refused() -> None:
    options = {"echo": True, "max_tokens": 0, "suffix": "x", "best_of": 3, "logprobs": 5, "stop": None, "n": None}
    assert ask(**options).max_output_tokens == 0
    assert read_legacy(b'{"model":"fast"}').choices == 1


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("model", {"model": ""}),
        ("prompt", {"prompt": 5}),
        ("prompt", {"prompt": []}),
        ("prompt[0]", {"prompt": [{}]}),
        ("stream", {"stream": "yes"}),
        ("stream_options.include_usage", {"stream_options": {"include_usage": 1}}),
        ("temperature", {"temperature": 3}),
        ("n", {"n": 0}),
        ("max_tokens", {"max_tokens": -1}),
    ],
)
def test_what_is_wrong_is_named_by_its_path(param: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        ask(**fields)
    assert caught.value.param == param


def test_what_is_missing_is_said_to_be() -> None:
    with pytest.raises(InvalidParameter, match="`model` is missing"):
        read_legacy(b"{}")
    with pytest.raises(MalformedJson):
        read_legacy(b"{")


def test_a_completion_is_read_as_if_its_text_were_a_chats() -> None:
    chunk = read_legacy_chunk(msgspec.json.encode(COMPLETION))
    assert (chunk.text, chunk.model) == ("\n\nThis is indeed a test", "gpt-3.5-turbo-instruct")
    assert chunk.usage is not None
    assert chunk.usage.output_tokens == 7


@pytest.mark.parametrize("choices", [None, []])
def test_a_chunk_of_usage_alone_has_no_choices(choices: Any) -> None:
    assert not read_legacy_chunk(msgspec.json.encode(COMPLETION | {"choices": choices})).choices


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b'{"choices":[{"text":5}]}', b'{"error":{"message":"no"}}', b'{"choices":[{"text":"a"}],"x":"\xff"}'],
)
def test_what_is_no_completion_is_malformed(payload: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        read_legacy_chunk(payload)
