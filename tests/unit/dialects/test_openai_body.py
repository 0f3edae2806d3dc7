"""``ChatWriter``: what changes on the way to a provider, and what never does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.dialects.openai import ChatWriter, compose_fields, read_chat
from support.calls import make_call

BASE = {"model": "fast", "messages": [{"role": "user", "content": "Hello"}]}


def written(
    body: dict[str, Any], *, cap: int | None = None, field: str = "max_tokens", ask: bool = True, **call: Any
) -> Any:
    writer = ChatWriter("m-1", max_output_tokens=cap, max_tokens_field=field, ask_usage=ask)
    return msgspec.json.decode(writer.write(make_call(body, **call)))


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=10), st.integers() | st.text() | st.lists(st.booleans()), max_size=6))
def test_unknown_fields_survive(extra: dict[str, Any]) -> None:
    extra = {key: value for key, value in extra.items() if key not in {"model", "max_tokens", "max_completion_tokens"}}
    out = written(BASE | extra)
    assert out == BASE | extra | {"model": "m-1"}


def test_values_are_forwarded_byte_for_byte() -> None:
    body = b'{"model":"fast","messages":[{"role":"user","content":"\\u00e9 \xc3\xa9"}],"x": {"a" : 1.0e2}}'
    call = make_call(fields=read_chat(body).fields)
    writer = ChatWriter("m-1", max_output_tokens=None, max_tokens_field="max_tokens", ask_usage=True)
    assert writer.write(call) == body.replace(b'"fast"', b'"m-1"').replace(b'"x": ', b'"x":')


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_cap_stands_under_one_spelling(field: str) -> None:
    out = written(BASE | {"max_tokens": 900, "max_completion_tokens": 800}, cap=256, field=field)
    assert {key: value for key, value in out.items() if key.startswith("max")} == {field: 256}


@pytest.mark.parametrize(
    ("asked", "own", "sent"), [(None, None, None), (None, 100, 100), (64, None, 64), (64, 100, 64), (500, 100, 100)]
)
def test_the_least_cap_is_sent(asked: int | None, own: int | None, sent: int | None) -> None:
    assert written(BASE, cap=own, max_output_tokens=asked).get("max_tokens") == sent


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
    ],
)
def test_a_stream_asks_for_usage(options: Any, sent: Any) -> None:
    out = written(BASE | {"stream": True, "stream_options": options}, stream=True)
    assert out["stream_options"] == sent


def test_a_provider_without_stream_options_gets_none() -> None:
    out = written(BASE | {"stream": True, "stream_options": {"include_usage": True}}, stream=True, ask=False)
    assert "stream_options" not in out
    assert out["stream"] is True


def test_a_whole_answer_asks_for_nothing_more() -> None:
    assert written(BASE) == BASE | {"model": "m-1"}


def test_composed_fields_make_a_request() -> None:
    fields = compose_fields([{"role": "user", "content": "Hi"}], temperature=0.0, max_output_tokens=64)
    writer = ChatWriter("m-1", max_output_tokens=64, max_tokens_field="max_tokens", ask_usage=False)
    assert msgspec.json.decode(writer.write(make_call(fields=fields, stream=True))) == {
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.0,
        "model": "m-1",
        "max_tokens": 64,
        "stream": True,
    }
