"""Answers to ``/v1/completions``, whole and streamed: passed on but for the model's name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.answer import Event
from penstock.core.call import Usage
from penstock.core.errors import UpstreamMalformed
from penstock.core.plan import Target
from penstock.providers.legacy import LegacyWay
from support.calls import make_call

BODY = {"model": "fast", "prompt": "Say this is a test"}
WAY = LegacyWay(Target("alias", "acme", "m-1", max_output_tokens=9), ask_usage=True, withhold=("suffix",))


def chunk(text: str, reason: str | None = None, index: int = 0, **fields: Any) -> bytes:
    # As platform.openai.com/docs/api-reference/completions shows it, 2026-11-21.
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
    head = {"id": "cmpl-7iA7", "object": "text_completion", "created": 1690759702, "choices": [choice], "model": "m-1"}
    return msgspec.json.encode(head | fields)


def framed(*payloads: bytes) -> bytes:
    return b"".join(b"data: " + payload + b"\n\n" for payload in payloads)


USAGE = chunk("", choices=[], usage={"prompt_tokens": 5, "completion_tokens": 7})


def test_a_stream_passes_with_the_callers_model() -> None:
    reads = WAY.reader(make_call(BODY, stream=True, include_usage=True))
    events: list[Event] = []
    said = [chunk(text) for text in ("This", " is", " a", " test", ".", " Yes", ".")]
    sent = framed(*said, chunk("", "stop"), USAGE, b"[DONE]")
    reads.read(sent, events)
    events.append(reads.ending())
    assert b"".join(event.raw for event in events) + framed(b"[DONE]") == sent.replace(b"m-1", b"fast")
    assert [event.kind for event in events] == ["delta"] * 7 + ["finished", "usage"]
    assert (reads.finished, reads.done, reads.has_content, reads.usage) == (True, True, True, Usage(5, 7))
    assert events[-2].finish_reason == "stop"


def test_a_stream_of_several_choices_ends_with_the_last() -> None:
    reads = WAY.reader(make_call(BODY, stream=True, choices=2))
    events: list[Event] = []
    reads.read(framed(chunk("a", "stop"), chunk("b", index=1)), events)
    seen = [reads.finished]
    reads.read(framed(chunk("", "length", index=1)), events)
    assert [*seen, reads.finished] == [False, True]
    assert reads.usage == Usage(10, 2, estimated=True)


def test_a_stream_of_something_else_is_malformed() -> None:
    with pytest.raises(UpstreamMalformed):
        WAY.reader(make_call(BODY, stream=True)).read(framed(b'{"choices":5}'), [])


def test_a_whole_answer_passes_with_the_callers_model() -> None:
    body = chunk("This is a test", "length", usage={"prompt_tokens": 5, "completion_tokens": 7})
    answer = WAY.decode(body, make_call(BODY))
    assert (answer.body, answer.usage) == (body.replace(b"m-1", b"fast"), Usage(5, 7))
    assert answer.finish_reason == "length"


def test_an_answer_without_usage_is_estimated() -> None:
    answer = WAY.decode(chunk("This is a test!!"), make_call(BODY))
    assert answer.usage == Usage(10, 4, estimated=True)


@pytest.mark.parametrize("body", [b"{}", b"[]", USAGE, b"<html>"])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        WAY.decode(body, make_call(BODY))


def test_a_provider_is_asked_for_its_own_model() -> None:
    call = make_call(BODY | {"suffix": "x", "max_tokens": 50}, stream=True, max_output_tokens=50)
    sent = {
        "model": "m-1",
        "prompt": BODY["prompt"],
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert msgspec.json.decode(WAY.encode(call)) == sent
