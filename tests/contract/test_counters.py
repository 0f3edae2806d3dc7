"""What every implementation of ``Counters`` promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.core.ports import Clock, Counters, Hit
from penstock.stores.memory import MemoryCounters
from support.clocks import HandClock
from support.linked import LinkedOwner

Make = Callable[[Clock], Counters]


def remote(clock: Clock) -> Counters:
    """A worker's, which asks the process that counts."""
    return LinkedOwner(clock).worker().counters


@pytest.fixture(params=[MemoryCounters, remote], ids=["memory", "remote"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


async def test_a_window_admits_its_limit_and_counts_down(make: Make) -> None:
    counters = make(HandClock())
    verdicts = [await counters.hit("a", 3, 60.0) for _ in range(4)]
    assert [verdict.admitted for verdict in verdicts] == [True, True, True, False]
    assert [verdict.state.remaining for verdict in verdicts] == [2, 1, 0, 0]
    assert {verdict.state.limit for verdict in verdicts} == {3}


async def test_keys_have_windows_of_their_own(make: Make) -> None:
    counters = make(HandClock())
    assert (await counters.hit("a", 1, 60.0)).admitted
    assert (await counters.hit("b", 1, 60.0)).admitted


async def test_there_is_room_again_when_the_verdict_says_so(make: Make) -> None:
    clock = HandClock()
    counters = make(clock)
    for _ in range(4):
        verdict = await counters.hit("a", 3, 60.0)
    clock.pass_s(verdict.retry_s + 0.001)
    assert (await counters.hit("a", 3, 60.0)).admitted


async def test_the_whole_limit_is_there_again_when_the_state_says_so(make: Make) -> None:
    clock = HandClock()
    counters = make(clock)
    for _ in range(4):
        verdict = await counters.hit("a", 3, 60.0)
    clock.pass_s(verdict.retry_s + 0.001)
    assert [(await counters.hit("a", 3, 60.0)).admitted for _ in range(3)] == [True, False, False]
    verdict = await counters.hit("a", 3, 60.0)
    clock.pass_s(verdict.state.reset_s + 0.001)
    assert [(await counters.hit("a", 3, 60.0)).admitted for _ in range(4)] == [True, True, True, False]


async def test_refused_hits_do_not_count(make: Make) -> None:
    clock = HandClock()
    counters = make(clock)
    for _ in range(50):
        await counters.hit("a", 2, 60.0)
    clock.pass_s(120.0)
    assert [(await counters.hit("a", 2, 60.0)).admitted for _ in range(3)] == [True, True, False]


async def test_hits_together_count_everywhere_or_nowhere(make: Make) -> None:
    counters = make(HandClock())
    narrow, wide = Hit("narrow", 1, 60.0), Hit("wide", 2, 60.0)
    first = await counters.hit_all((wide, narrow))
    second = await counters.hit_all((wide, narrow))
    assert [verdict.admitted for verdict in first] == [True, True]
    assert second[1].admitted is False
    assert (await counters.hit("wide", 2, 60.0)).admitted
    assert not (await counters.hit("wide", 2, 60.0)).admitted
