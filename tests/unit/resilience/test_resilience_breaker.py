"""The breaker as a specification: when it opens, whom it admits then, and how it closes again."""

from __future__ import annotations

import pytest

from penstock.core.policy import BreakerPolicy
from penstock.resilience.breaker import Breaker, Change, Permit, Refusal, State
from support.sizes import held_bytes

JUDGED_BY_RATES = BreakerPolicy(
    failures=1000, error_rate=0.5, slow_rate=0.5, slow_s=2.0, window_s=30.0, min_calls=10, open_s=60.0
)


def admitted(breaker: Breaker, now_s: float) -> Permit:
    permit = breaker.admit(now_s)
    assert isinstance(permit, Permit)
    return permit


def state_of(breaker: Breaker) -> State:
    return breaker.state


def refused(breaker: Breaker, now_s: float) -> Refusal:
    refusal = breaker.admit(now_s)
    assert isinstance(refusal, Refusal)
    return refusal


def fail(breaker: Breaker, now_s: float = 0.0, times: int = 1) -> None:
    for _ in range(times):
        breaker.fail(admitted(breaker, now_s), now_s)


def answer(breaker: Breaker, now_s: float = 0.0, first_content_s: float = 0.1) -> None:
    """A whole answer: the first content and all of it."""
    permit = admitted(breaker, now_s)
    breaker.begin(permit, now_s, first_content_s)
    breaker.succeed(permit)


def cut(breaker: Breaker, now_s: float = 0.0) -> None:
    """A stream that begins well and breaks."""
    permit = admitted(breaker, now_s)
    breaker.begin(permit, now_s, 0.1)
    breaker.cut(permit, now_s)


# --- failures in a row ---


def test_five_failures_in_a_row_open_it_and_after_60_s_one_probe_is_admitted() -> None:
    changes: list[Change] = []
    breaker = Breaker(BreakerPolicy(), changes.append)
    assert (state_of(breaker), breaker.since_s) == ("closed", None)
    fail(breaker, 100.0, times=4)
    assert state_of(breaker) == "closed"
    fail(breaker, 101.0)
    assert (state_of(breaker), breaker.since_s) == ("open", 101.0)
    assert refused(breaker, 101.0) == Refusal("breaker_open", 60.0)
    assert refused(breaker, 160.0) == Refusal("breaker_open", 1.0)
    probe = admitted(breaker, 161.0)
    assert state_of(breaker) == "half_open"
    assert refused(breaker, 161.0) == Refusal("breaker_open", 0.0)
    breaker.begin(probe, 162.0, 1.0)
    assert (state_of(breaker), breaker.since_s) == ("closed", 162.0)
    assert changes == [
        Change("closed", "open", 101.0, "failures"),
        Change("open", "half_open", 161.0, "time_over"),
        Change("half_open", "closed", 162.0, "probes_passed"),
    ]


def test_an_answer_in_between_begins_the_row_anew() -> None:
    breaker = Breaker(BreakerPolicy())
    for _ in range(10):
        fail(breaker, times=4)
        answer(breaker)
    assert state_of(breaker) == "closed"


def test_a_healthy_target_is_admitted_with_one_and_the_same_permit() -> None:
    breaker = Breaker(BreakerPolicy())
    first = admitted(breaker, 0.0)
    answer(breaker)
    assert admitted(breaker, 1.0) is first


# --- streams that break ---


def test_streams_that_begin_well_and_are_cut_open_it_as_failures_do() -> None:
    breaker = Breaker(BreakerPolicy(failures=3))
    cut(breaker)
    cut(breaker)
    assert state_of(breaker) == "closed"
    cut(breaker)
    assert state_of(breaker) == "open"


def test_failures_to_begin_add_to_the_streams_that_were_cut() -> None:
    breaker = Breaker(BreakerPolicy(failures=3))
    cut(breaker)
    fail(breaker, times=2)
    assert state_of(breaker) == "open"


def test_only_a_stream_that_ended_well_forgives_the_cut_ones() -> None:
    breaker = Breaker(BreakerPolicy(failures=2))
    cut(breaker)
    running = admitted(breaker, 0.0)
    breaker.begin(running, 0.0, 0.1)
    breaker.succeed(running)
    cut(breaker)
    assert state_of(breaker) == "closed"
    breaker.begin(admitted(breaker, 0.0), 0.0, 0.1)  # its end is not known yet
    cut(breaker)
    assert state_of(breaker) == "open"


def test_while_streams_begin_a_failure_here_and_there_does_not_open_it() -> None:
    breaker = Breaker(BreakerPolicy())
    for _ in range(20):
        breaker.begin(admitted(breaker, 0.0), 0.0, 0.1)  # all of them still run
        fail(breaker)
    assert state_of(breaker) == "closed"


# --- what says nothing ---


def test_calls_that_nobody_waits_for_say_nothing() -> None:
    breaker = Breaker(BreakerPolicy())
    fail(breaker, times=4)
    for _ in range(10):
        breaker.release(admitted(breaker, 0.0))
    assert state_of(breaker) == "closed"
    fail(breaker)
    assert state_of(breaker) == "open"


def test_what_was_asked_before_it_opened_says_nothing_after() -> None:
    breaker = Breaker(BreakerPolicy(failures=2))
    old = [admitted(breaker, 0.0) for _ in range(4)]
    fail(breaker, times=2)
    breaker.begin(old[0], 1.0, 1.0)
    breaker.succeed(old[0])
    breaker.release(old[1])
    assert refused(breaker, 59.0).reason == "breaker_open"
    probe = admitted(breaker, 60.0)
    breaker.fail(old[2], 60.0)
    breaker.begin(old[3], 60.0, 60.0)
    assert state_of(breaker) == "half_open"
    breaker.begin(probe, 61.0, 1.0)
    for permit in old:
        breaker.fail(permit, 61.0)
    assert state_of(breaker) == "closed"


def test_what_was_asked_before_it_opened_forgives_nothing_after() -> None:
    breaker = Breaker(BreakerPolicy(failures=2))
    old = admitted(breaker, 0.0)
    fail(breaker, times=2)
    answer(breaker, 60.0)
    fail(breaker, 61.0)
    breaker.begin(old, 61.0, 61.0)
    cut_one = admitted(breaker, 61.0)
    fail(breaker, 61.0)
    assert state_of(breaker) == "open"
    breaker.cut(cut_one, 62.0)
    answer(breaker, 121.0)
    cut(breaker, 122.0)
    breaker.succeed(old)
    cut(breaker, 122.0)
    assert state_of(breaker) == "open"


# --- probes ---


def test_a_probe_that_fails_opens_it_for_as_long_again() -> None:
    changes: list[Change] = []
    breaker = Breaker(BreakerPolicy(), changes.append)
    fail(breaker, 0.0, times=5)
    fail(breaker, 70.0)
    assert refused(breaker, 129.0) == Refusal("breaker_open", 1.0)
    assert changes[-1] == Change("half_open", "open", 70.0, "probe_failed")
    assert admitted(breaker, 130.0).probe


def test_it_closes_when_all_probes_of_the_set_have_passed() -> None:
    breaker = Breaker(BreakerPolicy(probes=3))
    fail(breaker, times=5)
    probes = [admitted(breaker, 60.0) for _ in range(3)]
    assert refused(breaker, 60.0) == Refusal("breaker_open", 0.0)
    breaker.begin(probes[0], 60.0, 0.1)
    breaker.begin(probes[1], 60.0, 0.1)
    assert (state_of(breaker), refused(breaker, 60.0).reason) == ("half_open", "breaker_open")
    breaker.begin(probes[2], 60.0, 0.1)
    assert state_of(breaker) == "closed"


@pytest.mark.parametrize("begun", [False, True])
def test_one_failure_among_the_probes_is_enough(begun: bool) -> None:  # noqa: FBT001 - a case
    breaker = Breaker(BreakerPolicy(probes=2))
    fail(breaker, times=5)
    probes = [admitted(breaker, 60.0) for _ in range(2)]
    if begun:
        breaker.begin(probes[0], 60.0, 0.1)
        breaker.cut(probes[0], 61.0)
    else:
        breaker.fail(probes[0], 61.0)
    assert state_of(breaker) == "open"
    breaker.begin(probes[1], 62.0, 2.0)
    assert refused(breaker, 120.0) == Refusal("breaker_open", 1.0)


def test_a_probe_that_is_released_frees_its_place_once() -> None:
    breaker = Breaker(BreakerPolicy())
    fail(breaker, times=5)
    probe = admitted(breaker, 60.0)
    breaker.release(probe)
    breaker.release(probe)
    probe = admitted(breaker, 61.0)
    assert refused(breaker, 61.0).reason == "breaker_open"
    breaker.begin(probe, 62.0, 1.0)
    assert state_of(breaker) == "closed"


def test_a_probe_of_an_earlier_set_has_no_place_to_free() -> None:
    breaker = Breaker(BreakerPolicy(probes=2))
    fail(breaker, times=5)
    old = admitted(breaker, 60.0)
    fail(breaker, 60.0)
    admitted(breaker, 120.0)
    admitted(breaker, 120.0)
    breaker.release(old)
    assert refused(breaker, 120.0).reason == "breaker_open"


# --- a 429 with Retry-After ---


def test_a_hold_closes_the_gate_for_just_that_long() -> None:
    changes: list[Change] = []
    breaker = Breaker(BreakerPolicy(), changes.append)
    breaker.hold(10.0, 2.5)
    assert refused(breaker, 10.0) == Refusal("told_to_wait", 2.5)
    assert refused(breaker, 12.0) == Refusal("told_to_wait", 0.5)
    answer(breaker, 12.5)
    assert (state_of(breaker), changes) == ("closed", [])


def test_a_hold_is_no_failure_and_forgives_none() -> None:
    breaker = Breaker(BreakerPolicy())
    fail(breaker, times=4)
    for second in range(20):
        breaker.release(admitted(breaker, second))
        breaker.hold(second, 1.0)
    assert state_of(breaker) == "closed"
    fail(breaker, 20.0)
    assert state_of(breaker) == "open"


def test_the_longer_hold_wins() -> None:
    breaker = Breaker(BreakerPolicy())
    breaker.hold(0.0, 10.0)
    breaker.hold(1.0, 2.0)
    assert refused(breaker, 5.0) == Refusal("told_to_wait", 5.0)
    breaker.hold(5.0, 7.0)
    assert refused(breaker, 10.0) == Refusal("told_to_wait", 2.0)


def test_an_open_breaker_that_is_told_to_wait_stays_shut_for_the_longer_of_both() -> None:
    breaker = Breaker(BreakerPolicy())
    late = admitted(breaker, 0.0)
    fail(breaker, times=5)
    breaker.release(late)
    breaker.hold(1.0, 99.0)
    assert refused(breaker, 50.0) == Refusal("breaker_open", 50.0)
    assert refused(breaker, 60.0) == Refusal("told_to_wait", 40.0)
    assert admitted(breaker, 100.0).probe


def test_a_probe_may_be_told_to_wait() -> None:
    breaker = Breaker(BreakerPolicy())
    fail(breaker, times=5)
    breaker.release(admitted(breaker, 60.0))
    breaker.hold(60.0, 3.0)
    assert (state_of(breaker), refused(breaker, 62.0)) == ("half_open", Refusal("told_to_wait", 1.0))
    answer(breaker, 63.0)
    assert state_of(breaker) == "closed"


# --- rates over a window ---


def test_an_error_rate_opens_it_once_there_are_calls_enough() -> None:
    changes: list[Change] = []
    breaker = Breaker(JUDGED_BY_RATES, changes.append)
    for second in range(4):
        fail(breaker, second)
        answer(breaker, second)
    assert state_of(breaker) == "closed"  # half of them failed, but there were eight
    answer(breaker, 4.0)
    fail(breaker, 5.0)
    assert changes == [Change("closed", "open", 5.0, "error_rate")]


def test_failures_that_lie_longer_ago_than_the_window_do_not_count() -> None:
    breaker = Breaker(JUDGED_BY_RATES)
    fail(breaker, 0.0, times=9)
    for _ in range(9):
        answer(breaker, 40.0)
    fail(breaker, 40.0, times=8)
    assert state_of(breaker) == "closed"
    fail(breaker, 40.0)
    assert state_of(breaker) == "open"


def test_slow_first_contents_open_it_though_all_end_well() -> None:
    changes: list[Change] = []
    breaker = Breaker(JUDGED_BY_RATES, changes.append)
    for _ in range(5):
        answer(breaker, 0.0, first_content_s=2.0)  # not later than slow_s
        answer(breaker, 0.0, first_content_s=2.1)
    assert changes == [Change("closed", "open", 0.0, "slow_rate")]


def test_streams_that_are_cut_count_for_the_error_rate_with_the_calls_that_they_are() -> None:
    breaker = Breaker(JUDGED_BY_RATES)
    for _ in range(5):
        answer(breaker)
    for _ in range(4):
        cut(breaker)
    assert state_of(breaker) == "closed"  # nine calls
    cut(breaker)
    assert state_of(breaker) == "open"


def test_a_slow_probe_does_not_pass_where_slowness_is_judged() -> None:
    changes: list[Change] = []
    breaker = Breaker(JUDGED_BY_RATES, changes.append)
    fail(breaker, times=10)
    answer(breaker, 60.0, first_content_s=5.0)
    assert changes[-1] == Change("half_open", "open", 60.0, "probe_slow")
    answer(breaker, 120.0, first_content_s=0.5)
    assert state_of(breaker) == "closed"


def test_rates_begin_anew_when_it_has_closed() -> None:
    breaker = Breaker(BreakerPolicy(failures=1000, error_rate=0.5, min_calls=2, open_s=1.0))
    fail(breaker, times=2)
    answer(breaker, 1.0)
    answer(breaker, 1.0)
    answer(breaker, 1.0)
    fail(breaker, 1.0)
    assert state_of(breaker) == "closed"


def test_it_stays_small() -> None:
    breaker = Breaker(JUDGED_BY_RATES)
    sizes = []
    for _ in range(2):
        for number in range(2000):
            if isinstance(permit := breaker.admit(number), Permit):
                [breaker.release, breaker.succeed][number % 2](permit)
                [breaker.cut, breaker.fail][number % 2](permit, number)
            breaker.hold(number, 0.5)
        sizes.append(held_bytes(breaker))
    assert abs(sizes[1] - sizes[0]) < 100


def test_whoever_knows_that_the_target_is_well_closes_it() -> None:
    changes: list[Change] = []
    breaker = Breaker(BreakerPolicy(), changes.append)
    stale = admitted(breaker, 0.0)
    fail(breaker, 0.0, times=5)
    breaker.hold(0.0, 30.0)
    breaker.reset(1.0)
    assert changes[-1] == Change("open", "closed", 1.0, "reset")
    breaker.fail(stale, 1.0)
    fail(breaker, 1.0, times=4)
    assert state_of(breaker) == "closed"
