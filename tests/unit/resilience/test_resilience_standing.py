"""What an attempt's end says of its target: what counts against it, what for it, and what says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.answer import CANCEL, DISCONNECT, END, Answer, Outcome
from penstock.core.errors import (
    BreakerOpen,
    BulkheadFull,
    DeadlineExceeded,
    PenstockError,
    UnsupportedParameter,
    UpstreamCut,
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamResting,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from penstock.core.plan import Target
from penstock.core.policy import BreakerPolicy, BulkheadPolicy
from penstock.resilience import Standing
from penstock.resilience.breaker import Permit
from support.calls import complete_answer
from support.clocks import HandClock
from support.targets import standing as make_standing

ONE_CALL = BulkheadPolicy(most=1, waiting=0, wait_s=0.0)


def standing(clock: HandClock, **policy: Any) -> Standing:
    """Of a target that two failures shut for a minute, and that takes one call at once."""
    made = BreakerPolicy(**{"failures": 2, **policy})
    return make_standing(Target("a", "p", "m"), clock, breaker=made, bulkhead=ONE_CALL)


def enter(target: Standing, clock: HandClock) -> Permit:
    assert target.bulkhead is not None
    assert target.bulkhead.enter()
    return target.let_in(clock())


def fail(target: Standing, clock: HandClock, error: PenstockError) -> None:
    permit = enter(target, clock)
    clock.pass_s(1)
    target.failed(permit, error, clock(), 1.0)


def stream(target: Standing, clock: HandClock, outcome: Outcome, *, first_content_s: float = 0.1) -> None:
    permit = enter(target, clock)
    answer = Answer("openai")
    target.answered(permit, answer, clock(), first_content_s)
    answer.close(outcome)


@pytest.mark.parametrize(
    "error",
    [UpstreamUnavailable("500"), UpstreamTimeout("late"), UpstreamMalformed("html"), UpstreamMisconfigured("401")],
)
def test_failures_of_the_target_shut_it(error: PenstockError) -> None:
    clock = HandClock(100)
    target = standing(clock)
    fail(target, clock, error)
    assert not target.refuses(clock())
    fail(target, clock, error)
    assert target.refuses(clock())
    with pytest.raises(BreakerOpen) as refused:
        target.let_in(clock())
    assert refused.value.retry_after_s == 60


@pytest.mark.parametrize(
    "error", [UpstreamRejected("400"), BulkheadFull("ours"), DeadlineExceeded("late"), UpstreamRateLimited("429")]
)
def test_what_is_not_the_targets_fault_does_not(error: PenstockError) -> None:
    clock = HandClock(100)
    target = standing(clock)
    for _ in range(5):
        fail(target, clock, error)
    assert not target.refuses(clock())
    assert target.bulkhead is not None
    assert target.bulkhead.taken == 0


def test_a_refused_request_shows_that_the_target_works() -> None:
    clock = HandClock(100)
    target = standing(clock)
    fail(target, clock, UpstreamUnavailable("500"))
    fail(target, clock, UpstreamRejected("400"))
    fail(target, clock, UpstreamUnavailable("500"))
    assert not target.refuses(clock())


def test_a_provider_gets_the_rest_that_it_wants_and_no_longer() -> None:
    clock = HandClock(100)
    target = standing(clock)
    fail(target, clock, UpstreamRateLimited("429", retry_after_s=7))
    with pytest.raises(UpstreamResting) as refused:
        target.let_in(clock())
    assert refused.value.retry_after_s == 7
    clock.pass_s(7)
    target.let_in(clock())


def test_a_rest_of_a_year_is_a_mistake() -> None:
    clock = HandClock(100)
    target = standing(clock)
    fail(target, clock, UpstreamRateLimited("429", retry_after_s=31_536_000))
    clock.pass_s(3600)
    target.let_in(clock())


def test_streams_that_are_cut_shut_their_target() -> None:
    clock = HandClock(100)
    target = standing(clock)
    stream(target, clock, Outcome("error", UpstreamCut("cut")))
    stream(target, clock, Outcome("error", UpstreamTimeout("silent")))
    assert target.refuses(clock())


@pytest.mark.parametrize("outcome", [CANCEL, DISCONNECT, Outcome("error", DeadlineExceeded("long"))])
def test_a_stream_that_its_caller_ends_says_nothing(outcome: Outcome) -> None:
    clock = HandClock(100)
    target = standing(clock)
    for _ in range(5):
        stream(target, clock, outcome)
    assert not target.refuses(clock())
    assert target.bulkhead is not None
    assert target.bulkhead.taken == 0


def test_a_stream_holds_its_place_until_it_ends() -> None:
    clock = HandClock(100)
    target = standing(clock)
    permit, answer = enter(target, clock), Answer("openai")
    target.answered(permit, answer, clock(), 0.1)
    assert target.bulkhead is not None
    assert target.bulkhead.taken == 1
    answer.close(END)
    assert target.bulkhead.taken == 0


def test_slow_first_contents_shut_a_target_that_is_judged_by_them_and_long_answers_do_not() -> None:
    clock = HandClock(100)
    judged = {"slow_rate": 0.5, "slow_s": 1.0, "min_calls": 4}
    target = standing(clock, **judged)
    for _ in range(8):
        permit = enter(target, clock)
        target.answered(permit, complete_answer(), clock(), 30.0)
    assert not target.refuses(clock())
    for _ in range(8):
        if not target.refuses(clock()):
            stream(target, clock, END, first_content_s=2.0)
    assert target.refuses(clock())


def test_to_be_outrun_is_a_failure_and_to_be_given_up_is_none() -> None:
    clock = HandClock(100)
    target = standing(clock)
    for _ in range(5):
        target.given_up(enter(target, clock))
    assert not target.refuses(clock())
    for _ in range(2):
        target.outrun(enter(target, clock), clock(), 2.0)
    assert target.refuses(clock())
    figures = target.signal.health(clock()).figures
    assert figures.first_content is not None
    assert figures.first_content.p95_s == 2.0


@pytest.mark.parametrize("said", ["a parameter that is not supported", "a count of tokens"])
def test_what_was_never_asked_does_not_show_that_the_target_works(said: str) -> None:
    clock = HandClock(100)
    target = standing(clock)
    for _ in range(2):
        fail(target, clock, UpstreamUnavailable("down"))
    clock.pass_s(60)
    permit = enter(target, clock)
    if said == "a count of tokens":
        target.answered(permit, Answer("count_tokens", body=b"{}"), clock(), 0.0)
    else:
        target.failed(permit, UnsupportedParameter("no"), clock(), 0.0)
    assert target.breaker.state == "half_open"
    assert not target.refuses(clock())  # its place is free again: the next call is the probe
    assert target.signal.health(clock()).figures.first_content is None
