"""A stream put together is the completion that it would have been."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.client.assembly import Assembly
from penstock.core.errors import PenstockError, UpstreamMalformed
from penstock.dialects.openai import read_completion

TEXT = st.text(min_size=1, max_size=20)
CALLS = st.lists(st.tuples(TEXT, TEXT), max_size=3)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "role",
    "content",
    "refusal",
    "tool_calls",
    "function_call",
    "index",
    "id",
    "type",
    "name",
    "arguments",
    "other",
)
ODD = st.recursive(
    JSON, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)


def chunk(delta: Any, finish_reason: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return msgspec.json.encode({"id": "c", "object": "chat.completion.chunk", "model": "chat", "choices": [choice]})


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(places)]


@given(TEXT, CALLS, st.lists(st.integers(0, 100), max_size=5))
def test_what_is_cut_anywhere_is_whole_again(text: str, calls: list[tuple[str, str]], cuts: list[int]) -> None:
    assembly = Assembly()
    said = [assembly.add(chunk({"role": "assistant", "content": piece})) for piece in pieces(text, cuts)]
    for index, (name, _) in enumerate(calls):
        function = {"name": name, "arguments": ""}
        assembly.add(chunk({"tool_calls": [{"index": index, "id": f"call_{index}", "function": function}]}))
    for index, (_, arguments) in reversed(list(enumerate(calls))):
        for piece in pieces(arguments, cuts):
            assembly.add(chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    assembly.add(chunk({}, "stop"))
    (choice,) = json.loads(assembly.body)["choices"]
    assert "".join(said) == text == choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"].get("tool_calls", []) == [
        {"id": f"call_{index}", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]


def test_choices_stand_in_their_order_and_usage_beside_them() -> None:
    assembly = Assembly()
    assembly.add(chunk({"content": "b"}, "stop", index=1))
    assembly.add(chunk({"content": "a"}, "length", index=0))
    assembly.add(b'{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}')
    completion = read_completion(assembly.body)
    assert (completion.text, completion.finish_reason) == ("a", "length")
    assert completion.usage is not None
    assert completion.usage.output_tokens == 2
    assert [choice["message"]["content"] for choice in json.loads(assembly.body)["choices"]] == ["a", "b"]


def test_a_stream_without_an_answer_is_none() -> None:
    with pytest.raises(UpstreamMalformed):
        _ = Assembly().body


@given(st.lists(ODD, max_size=4))
def test_odd_chunks_are_told_as_such(deltas: list[Any]) -> None:
    assembly = Assembly()
    try:
        for delta in deltas:
            assembly.add(chunk(delta))
        read_completion(assembly.body)
    except PenstockError:
        pass
