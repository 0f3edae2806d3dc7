"""Embeddings: what a call asks, and a provider's vectors in the form that was asked."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.call import Usage
from penstock.core.errors import InvalidParameter, MalformedJson, UpstreamMalformed
from penstock.dialects.openai.embeddings import (
    Encoding,
    asked_encoding,
    embeddings_body,
    read_embeddings,
    read_embeddings_answer,
    write_embeddings_answer,
)
from support.calls import make_call, make_fields

# The example of platform.openai.com/docs/api-reference/embeddings, its vector shortened; 2026-11-21.
ANSWER: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "embedding": [0.5, -0.25, 2.0], "index": 0}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
BASE64 = base64.b64encode(struct.pack("<3f", 0.5, -0.25, 2.0)).decode()


def ask(**fields: Any) -> Any:
    return read_embeddings(msgspec.json.encode({"model": "embed", "input": "Hello"} | fields))


def answer(vector: Any = None, **changes: Any) -> bytes:
    data = ANSWER["data"] if vector is None else [ANSWER["data"][0] | {"embedding": vector}]
    return msgspec.json.encode(ANSWER | {"data": data} | changes)


def write(body: bytes, encoding: Encoding) -> bytes:
    return write_embeddings_answer(body, read_embeddings_answer(body), "embed", encoding)


def vector_of(body: bytes) -> Any:
    return msgspec.json.decode(body)["data"][0]["embedding"]


@pytest.mark.parametrize(
    ("given_input", "inputs", "tokens"),
    [
        ("a" * 40, 1, 10),
        (["a" * 40, "b" * 8], 2, 12),
        ([1, 2, 3], 1, 3),
        ([[1, 2, 3], [4]], 2, 4),
        ("", 1, 0),
    ],
)
def test_inputs_are_counted_whatever_form_they_have(given_input: Any, inputs: int, tokens: int) -> None:
    asked = ask(input=given_input)
    assert (asked.inputs, asked.input_tokens) == (inputs, tokens)


def test_the_facts_stand_beside_the_fields() -> None:
    asked = ask(encoding_format="base64", dimensions=256, user="ada", a_field_of_next_year=1)
    assert (asked.model, asked.encoding_format, asked.dimensions, asked.user) == ("embed", "base64", 256, "ada")
    assert "a_field_of_next_year" in asked.fields
    plain = ask(encoding_format=None)
    assert (plain.encoding_format, plain.dimensions, plain.user) == ("float", None, "")
    assert asked_encoding(asked.fields) == "base64"
    assert asked_encoding(plain.fields) == "float"


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("model", {"model": ""}),
        ("input", {"input": []}),
        ("input", {"input": 5}),
        ("input", {"input": None}),
        ("input[1]", {"input": ["a", {"text": "b"}]}),
        ("input[1]", {"input": [[1], ["a"]]}),
        ("encoding_format", {"encoding_format": "hex"}),
        ("dimensions", {"dimensions": 0}),
        ("user", {"user": 5}),
    ],
)
def test_what_is_wrong_is_named_by_its_path(param: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        ask(**fields)
    assert caught.value.param == param


def test_what_is_missing_is_said_to_be() -> None:
    with pytest.raises(InvalidParameter, match="`input` is missing"):
        read_embeddings(b'{"model":"embed"}')
    with pytest.raises(MalformedJson):
        read_embeddings(b"{")


def test_a_provider_gets_the_fields_under_its_model() -> None:
    call = make_call({"model": "embed", "input": ["Hi"], "user": "ada"})
    sent = msgspec.json.decode(embeddings_body(call, "text-embedding-3-small", withhold=("user",)))
    assert sent == {"model": "text-embedding-3-small", "input": ["Hi"]}


def test_an_answer_in_the_right_form_is_the_providers_but_for_the_name() -> None:
    body = answer()
    assert write(body, "float") == body.replace(b"text-embedding-3-small", b"embed")
    assert read_embeddings_answer(body).usage == Usage(8)


def test_vectors_come_in_the_form_that_was_asked() -> None:
    assert vector_of(write(answer(), "base64")) == BASE64
    assert vector_of(write(answer(BASE64), "float")) == [0.5, -0.25, 2.0]
    assert msgspec.json.decode(write(answer(BASE64), "float"))["data"][0]["index"] == 0


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "8"}, {"prompt_tokens": -1}, {"prompt_tokens": 2**50}])
def test_usage_that_says_nothing_is_none(usage: Any) -> None:
    assert read_embeddings_answer(answer(usage=usage)).usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        answer(data=[]),
        answer(data=[{}]),
        answer(error={"message": "no"}),
        answer()[:-1] + b"\xff}",
    ],
)
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        read_embeddings_answer(body)


@pytest.mark.parametrize(
    ("vector", "encoding"),
    [("AAA", "float"), ("AAAAAAA=", "float"), ("%%%%", "float"), (["a"], "base64"), ([1e300], "base64"), ({}, "float")],
)
def test_a_vector_that_is_none_is_malformed(vector: Any, encoding: Encoding) -> None:
    with pytest.raises(UpstreamMalformed):
        write(answer(vector), encoding)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_a_vector_survives_both_ways(floats: list[float]) -> None:
    encoded = vector_of(write(answer(floats), "base64"))
    assert vector_of(write(answer(encoded), "float")) == floats


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_any_base64_is_read_or_malformed(data: bytes) -> None:
    try:
        floats = vector_of(write(answer(base64.b64encode(data).decode()), "float"))
    except UpstreamMalformed:
        assert len(data) % 4
    else:
        assert len(floats) == len(data) // 4


def test_fields_without_a_form_ask_for_floats() -> None:
    assert asked_encoding(make_fields({"model": "embed"})) == "float"
