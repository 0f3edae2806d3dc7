"""A stream's text: at the reader's pace, and never as if it were whole when it is not."""

from __future__ import annotations

import pytest

from penstock.core.answer import Answer, Outcome
from penstock.core.errors import UpstreamCut
from penstock.llm import LLMError
from penstock.llm.text_parts import text_parts
from support.calls import delta, finished, usage_event


class Valve:
    """A source that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def written_tokens(self) -> int:
        return 0

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def close(self) -> None:
        self.told.append("close")


async def test_a_reader_that_falls_behind_makes_the_provider_wait() -> None:
    valve = Valve()
    answer = Answer("openai", source=valve)
    answer.feed([delta("a")])
    parts = text_parts(answer)
    assert await anext(parts) == "a"
    answer.feed([delta("b")] * Answer.HELD_EVENTS)
    assert valve.told == ["pause"]
    answer.feed([finished(), usage_event(1, 1)])
    for _ in range(Answer.HELD_EVENTS):
        assert await anext(parts) == "b"
    assert valve.told == ["pause"]
    waiting = anext(parts, None)
    answer.end()
    assert await waiting is None
    assert valve.told == ["pause", "close"]


async def test_a_reader_that_has_caught_up_lets_the_provider_go_on() -> None:
    valve = Valve()
    answer = Answer("openai", source=valve)
    parts = text_parts(answer)
    answer.feed([delta("a")] * Answer.HELD_EVENTS)
    for _ in range(Answer.HELD_EVENTS):
        await anext(parts)
    assert valve.told == ["pause", "resume"]  # attached
    await parts.aclose()
    assert valve.told == ["pause", "resume", "close"]


async def test_what_came_before_a_cut_is_given_out_first() -> None:
    answer = Answer("openai")
    parts = text_parts(answer)
    answer.feed([delta("a"), delta("b")])
    answer.end(Outcome("error", UpstreamCut("The stream was cut.")))
    assert [await anext(parts), await anext(parts)] == ["a", "b"]
    with pytest.raises(LLMError, match="cut"):
        await anext(parts)
