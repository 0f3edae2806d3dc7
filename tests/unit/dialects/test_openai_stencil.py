"""``Stencil``: what it passes on is what parsing would have made of it, and what it does not know it leaves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.answer import Event
from penstock.core.tokens import estimate_tokens
from penstock.dialects.openai.response import ChunkRewriter, read_chunk
from penstock.dialects.openai.stencil import Stencil


def payload(text: str, finish_reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finish_reason}
    return msgspec.json.encode({"id": "c", "model": "m-1", "choices": [choice]} | fields)


def framed(*payloads: bytes) -> bytes:
    return b"".join(b"data: " + one + b"\n\n" for one in payloads)


def taught(*lessons: bytes, keep_usage: bool = False) -> Stencil:
    stencil = Stencil(ChunkRewriter("fast", keep_usage=keep_usage))
    for lesson in lessons:
        stencil.learn(lesson, read_chunk(lesson))
    return stencil


def applied(stencil: Stencil, data: bytes) -> tuple[bytes, int]:
    events: list[Event] = []
    passed = stencil.apply(data, events)
    assert {event.kind for event in events} <= {"delta"}
    return b"".join(event.raw for event in events), passed


SHAPES: list[dict[str, Any]] = [
    {},
    {"usage": None},
    {"usage": None, "obfuscation": "x1Y"},
    {"p": "abcdefgh"},
    {"system_fingerprint": "content"},
]


@pytest.mark.parametrize("keep_usage", [True, False])
@pytest.mark.parametrize("fields", SHAPES)
@settings(deadline=None)
@given(texts=st.lists(st.text(min_size=1, max_size=12), max_size=5), padding=st.text("aZ09", min_size=1))
def test_it_passes_on_what_parsing_makes_of_the_same_bytes(
    keep_usage: bool,  # noqa: FBT001 - both ways
    fields: dict[str, Any],
    texts: list[str],
    padding: str,
) -> None:
    stencil = taught(payload(" word", **fields), keep_usage=keep_usage)
    varied = {name: padding if name in ("obfuscation", "p") else value for name, value in fields.items()}
    rewriter = ChunkRewriter("fast", keep_usage=keep_usage)
    for text in texts:
        one = payload(text, **varied)
        raw, passed = applied(stencil, framed(one))
        if passed:
            assert raw == framed(rewriter.rewrite(one, read_chunk(one)))
        else:
            assert not text.replace("\n", "").isprintable() or '"' in text or "\\" in text


@pytest.mark.parametrize("fields", SHAPES)
def test_several_events_of_one_read_are_passed_on_up_to_the_first_that_does_not_fit(fields: dict[str, Any]) -> None:
    stencil = taught(payload(" word", **fields), keep_usage=True)
    alike = framed(payload("Grüße", **fields), payload(" 😀", **fields))
    for rest in (b"", framed(payload("", "stop", **fields)), b"data: [DONE]\n\n", alike[:-1], b": ping\n\n"):
        raw, passed = applied(stencil, alike + rest)
        extra = len(framed(payload("Grüße", **fields))) if rest == alike[:-1] else 0
        assert passed == len(alike) + extra
        assert raw.startswith(alike.replace(b"m-1", b"fast"))
    assert stencil.tokens == 5 * sum(map(estimate_tokens, ("Grüße", " 😀"))) + estimate_tokens("Grüße")


@pytest.mark.parametrize(
    "other",
    [
        payload(""),
        payload("a\tb"),
        payload("a").replace(b'"a"', b'"\\\\nb"'),
        payload("a").replace(b'"a"', b'"a\\"'),
        payload('a"b'),
        payload("a", "stop"),
        payload("a", usage={"prompt_tokens": 1, "completion_tokens": 1}),
        payload("a").replace(b"m-1", b"m-2"),
        payload("a")[:-1] + b',"error":{"message":"overloaded"}}',
        payload("a").replace(b'"a"', b'"\xff"'),
        payload("a").replace(b'"a"', b'"a\nb"'),
        payload("a").replace(b'"a"', b'null,"tool_calls":[{"index":0}]'),
        payload("a").replace(b'"a"', b'"a","refusal":"No."'),
    ],
)
def test_what_says_anything_else_is_left_to_be_parsed(other: bytes) -> None:
    assert applied(taught(payload(" word")), framed(other)) == (b"", 0)


@pytest.mark.parametrize("bad", [b"a\\nb", b"", b'a","error":"x'])
def test_padding_is_letters_and_digits(bad: bytes) -> None:
    stencil = taught(payload(" word", obfuscation="abc"))
    other = payload("a", obfuscation="PAD").replace(b"PAD", bad)
    assert applied(stencil, framed(other)) == (b"", 0)


def test_a_text_that_also_stands_elsewhere_teaches_nothing_wrong() -> None:
    lesson = msgspec.json.encode({"id": "x", "note": "x", "model": "m", "choices": [{"delta": {"content": "x"}}]})
    stencil = taught(lesson)
    assert applied(stencil, framed(lesson.replace(b'"id":"x"', b'"id":"y"'))) == (b"", 0)


@pytest.mark.parametrize("name", [b'"id"', b'"end"'])
def test_a_chunk_that_differs_in_more_becomes_the_pattern(name: bytes) -> None:
    first, second, third = (payload(text, end="c").replace(name + b':"c"', name + b':"d"') for text in "abc")
    stencil = taught(payload("a", end="c"), first)
    assert applied(stencil, framed(payload("b", end="c")))[1] == 0
    raw, _ = applied(stencil, framed(second, third))
    assert raw == framed(second, third).replace(b"m-1", b"fast")


def test_an_alias_like_the_probe_does_no_harm() -> None:
    stencil = Stencil(ChunkRewriter("the text stands here", keep_usage=False))
    lesson = payload("a")
    stencil.learn(lesson, read_chunk(lesson))
    assert applied(stencil, framed(payload("b"))) == (b"", 0)


def test_a_stream_without_a_pattern_is_soon_left_alone() -> None:
    stencil = taught(*(payload("a", created=number) for number in range(100)))
    assert applied(stencil, framed(payload("a", created=99)))[1] == 0
