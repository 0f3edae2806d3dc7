"""The sliding window as a pure function, and how many of them a process keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.memory import MemoryCounters, Window, slide
from support.clocks import HandClock

WINDOW_S = 60.0
gaps = st.lists(st.floats(0, 90), max_size=120)
limits = st.integers(1, 20)


def play(limit: int, gaps_s: list[float]) -> list[tuple[float, float]]:
    """Times of admitted hits, each with its bucket's start."""
    window: Window | None = None
    now_s, admitted = 0.0, []
    for gap_s in gaps_s:
        now_s += gap_s
        window, verdict = slide(window, limit, WINDOW_S, now_s)
        assert 0 <= verdict.state.remaining < limit
        assert verdict.state.reset_s > 0
        if verdict.admitted:
            admitted.append((now_s, window.start_s))
    return admitted


@given(limits, gaps)
def test_a_first_window_is_exact(limit: int, gaps_s: list[float]) -> None:
    admitted = play(limit, gaps_s)
    assert not admitted or sum(time - admitted[0][0] < WINDOW_S for time, _ in admitted) <= limit


@given(limits, gaps)
def test_no_window_admits_more_than_the_even_spread_lets_slip(limit: int, gaps_s: list[float]) -> None:
    admitted = play(limit, gaps_s)
    for now_s, start_s in admitted:
        into = (now_s - start_s) / WINDOW_S
        before = sum(start_s - WINDOW_S - 1e-6 <= bucket < start_s for _, bucket in admitted)
        real = sum(now_s - WINDOW_S < time <= now_s for time, _ in admitted)
        assert real <= limit + before * into + 1e-6


@given(limits, st.integers(0, 20), st.integers(0, 20), st.floats(0, 0.999))
def test_a_refused_hit_changes_nothing_and_fits_when_it_says(
    limit: int, current: int, previous: int, into: float
) -> None:
    window = Window(0.0, current, previous)
    now_s = into * WINDOW_S
    after, verdict = slide(window, limit, WINDOW_S, now_s)
    if verdict.admitted:
        assert after == Window(0.0, current + 1, previous)
        return
    assert after == window
    assert verdict.state.remaining == 0
    _, retried = slide(window, limit, WINDOW_S, now_s + verdict.retry_s + 1e-6)
    assert retried.admitted
    _, early = slide(window, limit, WINDOW_S, now_s + verdict.retry_s * 0.99 - 1e-6)
    assert not early.admitted


@given(limits, st.integers(0, 20), st.integers(0, 20), st.floats(0, 0.999))
def test_the_whole_limit_is_free_when_the_state_says_so_and_not_before(
    limit: int, current: int, previous: int, into: float
) -> None:
    now_s = into * WINDOW_S
    window, verdict = slide(Window(0.0, current, previous), limit, WINDOW_S, now_s)
    assert burst(window, limit, now_s + verdict.state.reset_s + 1e-6) == limit
    if window.current or window.previous:
        assert burst(window, limit, now_s + verdict.state.reset_s * 0.99 - 1e-6) < limit


def burst(window: Window, limit: int, now_s: float) -> int:
    """How many hits are admitted at once."""
    admitted = 0
    for _ in range(limit + 1):
        window, verdict = slide(window, limit, WINDOW_S, now_s)
        admitted += verdict.admitted
    return admitted


def test_what_the_docs_say_of_a_burst() -> None:
    window: Window | None = None
    verdicts = []
    for _ in range(105):
        window, verdict = slide(window, 100, WINDOW_S, 0.0)
        verdicts.append(verdict)
    assert sum(verdict.admitted for verdict in verdicts) == 100
    assert verdicts[-1].retry_s == pytest.approx(60.6)
    assert verdicts[-1].state.reset_s == 120
    assert window is not None
    assert [burst(window, 100, now_s) for now_s in (60.0, 60.6, 90.0, 120.0)] == [0, 1, 50, 100]


def test_a_caller_that_spreads_its_hits_gets_the_limit_but_for_one_a_window() -> None:
    window: Window | None = None
    admitted = 0
    for minute in range(10):
        for second in range(60):
            window, verdict = slide(window, 60, WINDOW_S, minute * 60.0 + second)
            admitted += verdict.admitted
    assert admitted >= 590


def test_a_limit_of_zero_admits_nothing() -> None:
    _, verdict = slide(None, 0, WINDOW_S, 5.0)
    assert not verdict.admitted
    assert verdict.retry_s > 0
    assert verdict.state.reset_s > 0


def test_the_full_limit_is_there_again_after_two_quiet_windows() -> None:
    window: Window | None = Window(0.0, 10, 10)
    admitted = 0
    for _ in range(11):
        window, verdict = slide(window, 10, WINDOW_S, 120.0)
        admitted += verdict.admitted
    assert admitted == 10


async def test_keys_beyond_the_bound_push_out_the_one_hit_longest_ago() -> None:
    counters = MemoryCounters(HandClock(), max_keys=3)
    for key in ("a", "b", "c", "a", "d"):
        await counters.hit(key, 2, WINDOW_S)
    assert len(counters) == 3
    assert (await counters.hit("a", 2, WINDOW_S)).admitted is False
    assert (await counters.hit("b", 1, WINDOW_S)).admitted is True


async def test_windows_that_are_over_make_room_as_new_keys_come() -> None:
    clock = HandClock()
    counters = MemoryCounters(clock)
    for index in range(100):
        await counters.hit(f"old {index}", 2, WINDOW_S)
    clock.pass_s(2 * WINDOW_S)
    for index in range(100):
        await counters.hit(f"new {index}", 2, WINDOW_S)
    assert len(counters) == 100


async def test_a_refused_hit_of_an_unknown_key_is_not_remembered() -> None:
    counters = MemoryCounters(HandClock())
    verdict = await counters.hit("a", 0, WINDOW_S)
    assert not verdict.admitted
    assert len(counters) == 0


@pytest.mark.parametrize("step_s", [-5.0, 0.0])
async def test_a_clock_that_does_not_move_on_admits_no_more(step_s: float) -> None:
    clock = HandClock(100.0)
    counters = MemoryCounters(clock)
    assert (await counters.hit("a", 1, WINDOW_S)).admitted
    clock.pass_s(step_s)
    assert not (await counters.hit("a", 1, WINDOW_S)).admitted
