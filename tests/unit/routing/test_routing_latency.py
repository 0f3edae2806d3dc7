"""The lowest latency by what the signal says, minute by minute on a virtual clock: nobody is stuck with whom it knows."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from math import inf

from penstock.core.health import Gate
from penstock.resilience import Signal
from penstock.routing import Candidate, choose

PER_SECOND = 5
PER_MINUTE = 60 * PER_SECOND
CLOSED = Gate()
# Spreads evenly over [0, 1), and never repeats itself: a chance that is the same in each run.
GOLDEN = 0.6180339887498949


def shares(minutes: int, takes_s: Callable[[str, float], float]) -> Iterator[Counter[str]]:
    """Who was chosen how often in each minute, of ``main`` and ``spare``, where a call at a time takes so long."""
    signals = {alias: Signal(lambda _now_s: CLOSED) for alias in ("main", "spare")}
    coming: list[tuple[float, str, float]] = []
    for minute in range(minutes):
        chosen: Counter[str] = Counter()
        for number in range(minute * PER_MINUTE, (minute + 1) * PER_MINUTE):
            now_s = number / PER_SECOND
            while coming and coming[0][0] <= now_s:
                at_s, alias, took_s = heapq.heappop(coming)
                signals[alias].answered(at_s, took_s)
                signals[alias].ended(at_s, took_s)
            candidates = [Candidate(alias, signal.health(now_s)) for alias, signal in signals.items()]
            alias = choose("lowest_latency", candidates, number * GOLDEN % 1).tries[0].target
            chosen[alias] += 1
            signals[alias].begun(now_s)
            took_s = takes_s(alias, now_s)
            if took_s < inf:
                heapq.heappush(coming, (now_s + took_s, alias, took_s))
        yield chosen


def most(chosen: Counter[str], alias: str) -> bool:
    """All but what is explored, one in twenty, and a little more."""
    return chosen[alias] >= 0.9 * PER_MINUTE


def test_a_target_that_slows_down_loses_its_calls_and_gets_them_back_when_it_is_quick_again() -> None:
    def takes_s(alias: str, now_s: float) -> float:
        if alias == "spare":
            return 0.5
        return 8.0 if 120 <= now_s < 300 else 0.2

    _, quick, first_slow, slow, *_, again = shares(8, takes_s)
    assert most(quick, "main")
    assert first_slow["spare"] > 0.8 * PER_MINUTE  # known as slow once the first slow answer is there, after 8 s
    assert most(slow, "spare")
    assert most(again, "main")  # a minute after its last slow answer


def test_a_newcomer_that_hangs_costs_its_first_call_and_what_is_explored() -> None:
    first, *_ = shares(1, lambda alias, _now_s: inf if alias == "main" else 0.2)
    assert most(first, "spare")


def test_a_newcomer_that_is_quicker_gets_the_calls_at_once() -> None:
    first, *_ = shares(1, lambda alias, _now_s: 0.1 if alias == "spare" else 3.0)
    assert most(first, "spare")
