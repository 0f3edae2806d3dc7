"""``template_answer``: a fixed text in the caller's shape."""

from __future__ import annotations

import msgspec
import pytest

from penstock.core.call import Usage
from penstock.dialects.openai import read_completion
from penstock.providers import template_answer
from support.calls import ListSink, make_call


async def test_a_whole_answer() -> None:
    answer = template_answer(make_call(), "Please try later.")
    completion = read_completion(answer.body or b"")
    assert (completion.text, completion.finish_reason, completion.usage) == ("Please try later.", "stop", Usage())
    assert (answer.usage, answer.finish_reason) == (Usage(), "stop")
    assert msgspec.json.decode(answer.body or b"")["model"] == "fast"


@pytest.mark.parametrize("include_usage", [False, True])
async def test_a_stream(include_usage: bool) -> None:  # noqa: FBT001 - both ways
    answer = template_answer(make_call(stream=True, include_usage=include_usage), "Please try later.")
    sink = ListSink()
    answer.attach(sink)
    chunks = [msgspec.json.decode(item.raw[6:]) for item in sink.events]
    assert chunks[1]["choices"][0]["delta"] == {"content": "Please try later."}
    assert [item.kind for item in sink.events][:3] == ["started", "delta", "finished"]
    assert ("usage" in chunks[-1]) is include_usage
    assert sink.outcome is not None
    assert sink.outcome.kind == "end"
    assert (answer.usage, answer.finish_reason) == (Usage(), "stop")
