"""An answer holds, delivers in order, closes once, and frees its source."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.answer import CANCEL, DISCONNECT, END, Answer, Event, Outcome
from penstock.core.call import Usage
from penstock.core.errors import UpstreamCut
from support.calls import ListSink, delta, finished, usage_event


class RecordingSource:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def written_tokens(self) -> int:
        return 7

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def close(self) -> None:
        self.calls.append("close")


async def test_events_fed_before_the_sink_are_held_then_pushed_in_order() -> None:
    answer, sink = Answer("openai", source=RecordingSource()), ListSink()
    answer.feed([delta("a"), delta("b")])
    answer.attach(sink)
    answer.feed([delta("c"), finished()])
    answer.end()
    assert [event.raw for event in sink.events] == [delta("a").raw, delta("b").raw, delta("c").raw, finished().raw]
    assert sink.outcome == END


async def test_an_end_before_the_sink_is_told_after_the_held_events() -> None:
    answer, sink = Answer("openai"), ListSink()
    answer.feed([delta("a")])
    answer.end(Outcome("error", UpstreamCut("cut")))
    assert answer.outcome is None
    answer.attach(sink)
    assert len(sink.events) == 1
    assert sink.outcome is not None
    assert sink.outcome.kind == "error"


async def test_usage_and_finish_reason_are_known_when_close_hooks_run() -> None:
    answer = Answer("openai")
    seen: list[tuple[Usage | None, str | None]] = []
    answer.on_close(lambda _: seen.append((answer.usage, answer.finish_reason)))
    answer.attach(ListSink())
    answer.feed([delta("a"), finished("length"), usage_event(3, 4)])
    answer.end()
    usage, reason = seen[0]
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, reason) == (3, 4, "length")


async def test_hooks_see_every_event_even_those_held_before_they_were_added() -> None:
    answer, seen = Answer("openai"), list[Event]()
    answer.feed([delta("early")])
    answer.on_event(seen.append)
    answer.attach(ListSink())
    answer.feed([delta("late")])
    assert seen == [delta("early"), delta("late")]


async def test_close_hooks_run_inner_first_and_a_failing_one_stops_nobody() -> None:
    answer, order, sink = Answer("openai"), list[str](), ListSink()
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))

    def fail(_: Outcome) -> None:
        order.append("fails")
        raise ValueError

    answer.on_close(lambda _: order.append("inner"))
    answer.on_close(fail)
    answer.on_close(lambda _: order.append("outer"))
    answer.attach(sink)
    answer.end()
    assert order == ["inner", "fails", "outer"]
    assert sink.outcome == END
    assert reported == ["a close hook failed"]


async def test_a_hook_added_after_the_end_runs_at_once() -> None:
    answer, seen = Answer("openai", body=b"{}"), list[Outcome]()
    answer.close(END)
    answer.on_close(seen.append)
    assert seen == [END]


async def test_closing_from_the_client_side_frees_the_source_and_tells_no_sink() -> None:
    source, sink = RecordingSource(), ListSink()
    answer = Answer("openai", source=source)
    answer.attach(sink)
    answer.close(DISCONNECT)
    answer.feed([delta("too late")])
    assert source.calls == ["close"]
    assert sink.events == []
    assert sink.outcome is None
    assert answer.outcome == DISCONNECT


async def test_a_source_that_runs_ahead_is_paused_and_resumed_at_the_sink() -> None:
    source = RecordingSource()
    answer = Answer("openai", source=source)
    answer.feed([delta("x")] * Answer.HELD_EVENTS)
    assert source.calls == ["pause"]
    answer.attach(ListSink())
    assert source.calls == ["pause", "resume"]


async def test_a_second_sink_is_refused() -> None:
    answer = Answer("openai")
    answer.attach(ListSink())
    with pytest.raises(RuntimeError):
        answer.attach(ListSink())


STEPS = st.lists(st.sampled_from(["feed", "end", "error", "cancel", "attach", "pause", "resume"]), max_size=12)


@given(STEPS)
def test_whatever_happens_in_whatever_order_it_closes_at_most_once_and_nothing_follows_the_end(
    steps: Sequence[str],
) -> None:
    async def run() -> None:
        source, sink, closed = RecordingSource(), ListSink(), list[Outcome]()
        answer = Answer("openai", source=source)
        answer.on_close(closed.append)
        after_end: list[Event] = []
        for step in steps:
            if step == "feed":
                if answer.outcome is not None:
                    before = len(sink.events)
                    answer.feed([delta("x")])
                    after_end.extend(sink.events[before:])
                else:
                    answer.feed([delta("x")])
            elif step == "end":
                answer.end()
            elif step == "error":
                answer.end(Outcome("error", UpstreamCut("cut")))
            elif step == "cancel":
                answer.close(CANCEL)
            elif step == "attach":
                try:
                    answer.attach(sink)
                except RuntimeError:
                    continue
            elif step == "pause":
                answer.pause()
            else:
                answer.resume()
        answer.close(CANCEL)
        assert len(closed) == 1
        assert source.calls.count("close") == 1
        assert after_end == []

    asyncio.run(run())
