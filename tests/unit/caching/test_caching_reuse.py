from __future__ import annotations

from typing import Any

import pytest

from penstock.caching import CacheBounds, ExactCache, Reuse
from penstock.core.answer import CANCEL, DISCONNECT, END, Answer, Event, Outcome
from penstock.core.call import Call, Usage
from penstock.core.errors import UpstreamCut, UpstreamUnavailable
from penstock.core.plan import First, Target, Use
from support.calls import ListSink, complete_answer, delta, finished, make_call, usage_event
from support.clocks import HandClock

PLAN = First((Use("fast"), Use("strong")))
TARGETS = {name: Target(name, "provider", f"{name}-1") for name in ("fast", "strong")}
STREAM = [delta("Hel"), delta("lo"), finished(), usage_event(10, 2), Event(b"data: [DONE]\n\n", "openai", "delta")]


class Shop:
    """The stage before a backend that counts how often it was asked."""

    def __init__(self, **bounds: Any) -> None:
        self.cache = ExactCache(HandClock(), CacheBounds(**bounds))
        self.stage = Reuse(self.cache, TARGETS)
        self.asked = 0
        self.finish_reason: str | None = "stop"
        self.on_trail: dict[str, Any] = {}

    async def backend(self, call: Call) -> Answer:
        self.asked += 1
        facts = {"target": "fast", "provider": "provider", "model": "fast-1"} | self.on_trail
        for name, value in facts.items():
            setattr(call.trail, name, value)
        if call.stream:
            return Answer("openai")
        return complete_answer(b'{"n":%d}' % self.asked, usage=Usage(10, 2), finish_reason=self.finish_reason)

    async def ask(self, **changes: Any) -> tuple[Call, Answer]:
        values: dict[str, Any] = {"plan": PLAN, "temperature": 0.0} | changes
        call = make_call(**values)
        return call, await self.stage(call, self.backend)

    async def stream(self, events: list[Event], outcome: Outcome = END, **changes: Any) -> tuple[Call, ListSink]:
        """Ask, and have the backend stream ``events`` if it is asked at all."""
        asked = self.asked
        call, answer = await self.ask(stream=True, **changes)
        sink = ListSink()
        answer.attach(sink)
        if self.asked > asked:
            answer.feed(events)
            answer.end(outcome)
        return call, sink


# --- which calls ---


@pytest.mark.parametrize(
    ("changes", "verdicts"),
    [
        ({}, ["miss", "hit"]),
        ({"temperature": None}, ["", ""]),
        ({"temperature": 0.7}, ["", ""]),
        ({"cache": "on", "temperature": 0.7}, ["miss", "hit"]),
        ({"cache": "off"}, ["", ""]),
        ({"plan": None}, ["", ""]),
        ({"choices": 3}, ["miss", "hit"]),
    ],
)
async def test_calls_that_ask_for_it_or_are_deterministic_are_reused(
    changes: dict[str, Any], verdicts: list[str]
) -> None:
    shop = Shop()
    seen = []
    for _ in verdicts:
        call, answer = await shop.ask(**changes)
        answer.close(END)
        seen.append(call.trail.cache)
    assert seen == verdicts
    assert shop.asked == (1 if "hit" in verdicts else 2)


async def test_a_degraded_call_is_neither_answered_from_memory_nor_kept() -> None:
    shop = Shop()
    await shop.ask()
    for _ in range(2):
        call = make_call(plan=PLAN, temperature=0.0)
        call.trail.degraded = True
        await shop.stage(call, shop.backend)
        assert call.trail.cache == ""
    assert shop.asked == 3


async def test_tenants_share_nothing() -> None:
    shop = Shop()
    await shop.ask(tenant="acme")
    await shop.ask(tenant="other")
    assert shop.asked == 2


# --- what a hit is ---


async def test_a_hit_repeats_the_body_and_who_gave_it_at_no_cost() -> None:
    shop = Shop()
    _, first = await shop.ask()
    call, again = await shop.ask()
    assert again.body == first.body == b'{"n":1}'
    assert again.finish_reason == "stop"
    trail = call.trail
    assert (trail.cache, trail.target, trail.provider, trail.model) == ("hit", "fast", "provider", "fast-1")
    assert (trail.usage, trail.cost_nano_usd) == (Usage(10, 2), 0)


async def test_a_stream_is_repeated_byte_for_byte_and_in_order() -> None:
    shop = Shop()
    _, first = await shop.stream(STREAM)
    call, again = await shop.stream([])
    assert shop.asked == 1
    assert again.events == first.events == STREAM
    assert again.outcome == END
    assert call.trail.usage == Usage(10, 2)


async def test_a_long_stream_is_repeated_whole() -> None:
    shop = Shop()
    events = [*(delta(str(index)) for index in range(500)), finished()]
    await shop.stream(events)
    _, again = await shop.stream([])
    assert again.events == events
    assert again.outcome == END


# --- what is kept ---


@pytest.mark.parametrize("reason", ["length", "content_filter", None])
async def test_an_unfinished_body_is_not_kept(reason: str | None) -> None:
    shop = Shop()
    shop.finish_reason = reason
    await shop.ask()
    await shop.ask()
    assert shop.asked == 2


async def test_tool_calls_are_kept() -> None:
    shop = Shop()
    shop.finish_reason = "tool_calls"
    await shop.ask()
    await shop.ask()
    assert shop.asked == 1


@pytest.mark.parametrize("fact", ["fallback_used", "degraded"])
async def test_an_answer_of_another_than_the_first_choice_is_not_kept(fact: str) -> None:
    shop = Shop()
    shop.on_trail = {fact: True}
    await shop.ask()
    await shop.stream(STREAM)
    assert len(shop.cache) == 0


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        (STREAM, CANCEL),
        (STREAM, DISCONNECT),
        (STREAM, Outcome("error", UpstreamCut("cut"))),
        ([delta("Hel")], END),
        ([delta("Hel"), finished("length")], END),
        ([finished("length"), finished("stop")], END),
    ],
)
async def test_a_stream_that_was_cut_or_is_unfinished_is_not_kept(events: list[Event], outcome: Outcome) -> None:
    shop = Shop()
    await shop.stream(events, outcome)
    assert len(shop.cache) == 0


async def test_what_is_too_long_is_not_kept() -> None:
    shop = Shop(max_entry_bytes=100)
    _, sink = await shop.stream([delta("x" * 90), finished()])
    assert sink.outcome == END
    assert len(shop.cache) == 0


async def test_an_error_is_passed_on_and_not_kept() -> None:
    shop = Shop()

    async def fail(_call: Call) -> Answer:
        raise UpstreamUnavailable("down")

    with pytest.raises(UpstreamUnavailable):
        await shop.stage(make_call(plan=PLAN, temperature=0.0), fail)
    assert len(shop.cache) == 0
