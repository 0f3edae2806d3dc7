"""A race: the first good answer wins, an error never does while the other may still answer, and the loser is paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

import pytest

from penstock.core.answer import CANCEL, Answer
from penstock.core.call import CANCELLED, Call, Usage
from penstock.core.errors import PenstockError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from penstock.core.plan import Degrade, First, Plan, Race, Target, Use
from penstock.resilience import Attempts, Dispatch
from support.calls import complete_answer, make_call
from support.targets import PlainChoices, standing
from support.virtual_time import now_s, run_virtual


class Side:
    """A backend that answers, or fails, after so many seconds; ``None`` never does."""

    def __init__(self, takes_s: float | None, error: PenstockError | None = None) -> None:
        self.takes_s = takes_s
        self.error = error
        self.asked_at_s: list[float] = []
        self.cancelled_at_s: list[float] = []
        self.answer = complete_answer(usage=Usage(10, 7))

    async def __call__(self, _: Call) -> Answer:
        self.asked_at_s.append(now_s())
        try:
            await asyncio.sleep(3600 if self.takes_s is None else self.takes_s)
        except asyncio.CancelledError:
            self.cancelled_at_s.append(now_s())
            raise
        if self.error is not None:
            raise self.error
        return self.answer


RACE = Race(Use("main"), Use("fallback"), 1.5, 4.0)


def play(main: Side, fallback: Side, plan: Plan = RACE) -> tuple[Call, Answer, float]:
    """Run the plan: the call, its answer, and when it came."""
    return run_virtual(_play(main, fallback, plan))


async def _play(main: Side, fallback: Side, plan: Plan) -> tuple[Call, Answer, float]:
    call = make_call(plan=plan)
    answer = await dispatch(main, fallback)(call)
    return call, answer, now_s()


def dispatch(main: Side, fallback: Side, hedge_after_s: Callable[[Plan], float] = lambda _: inf) -> Dispatch:
    sides = {"main": main, "fallback": fallback}
    targets = {
        alias: Attempts(standing(Target(alias, f"at-{alias}", f"{alias}-1"), now_s), side, chance=lambda: 0.0)
        for alias, side in sides.items()
    }
    return Dispatch(targets, lambda _, text: complete_answer(text.encode()), PlainChoices(hedge_after_s))


def failing(main: Side, fallback: Side, plan: Plan = RACE) -> tuple[PenstockError, float]:
    """Run a plan that fails: its error, and when that came."""

    async def run() -> tuple[PenstockError, float]:
        with pytest.raises(PenstockError) as raised:
            await _play(main, fallback, plan)
        return raised.value, now_s()

    return run_virtual(run())


def test_a_main_model_in_time_is_alone() -> None:
    main, fallback = Side(1.0), Side(0.1)
    call, answer, at_s = play(main, fallback)
    assert (answer, at_s) == (main.answer, 1.0)
    assert fallback.asked_at_s == []
    assert (call.trail.fallback_used, call.trail.race_won_by) == (False, "")


def test_the_fallback_starts_at_the_soft_timeout_and_wins_if_it_is_sooner() -> None:
    main, fallback = Side(None), Side(0.3)
    call, answer, at_s = play(main, fallback)
    assert (answer, at_s) == (fallback.answer, 1.8)
    assert main.cancelled_at_s == [1.8]
    trail = call.trail
    assert (trail.target, trail.provider, trail.model) == ("fallback", "at-fallback", "fallback-1")
    assert (trail.fallback_used, trail.race_won_by) == (True, "fallback")
    assert [(each.target, each.error_code) for each in trail.attempts] == [("main", CANCELLED), ("fallback", None)]


def test_a_late_main_model_still_wins_if_it_is_sooner() -> None:
    main, fallback = Side(2.0), Side(3.0)
    call, answer, at_s = play(main, fallback)
    assert (answer, at_s) == (main.answer, 2.0)
    assert fallback.cancelled_at_s == [2.0]
    trail = call.trail
    assert (trail.target, trail.fallback_used, trail.race_won_by) == ("main", False, "main")


def test_when_the_main_model_fails_the_fallback_starts_at_once() -> None:
    main, fallback = Side(0.2, UpstreamUnavailable("500")), Side(0.3)
    call, answer, at_s = play(main, fallback)
    assert (answer, at_s) == (fallback.answer, 0.5)
    assert len(main.asked_at_s) == 1  # in a race the main model is not retried
    assert call.trail.fallback_used


def test_the_callers_own_mistake_is_told_at_once() -> None:
    main, fallback = Side(0.2, UpstreamRejected("400")), Side(0.3)
    error, at_s = failing(main, fallback)
    assert (error, at_s, fallback.asked_at_s) == (main.error, 0.2, [])


def test_an_error_does_not_win_while_the_other_may_still_answer() -> None:
    main, fallback = Side(3.0), Side(0.1, UpstreamRejected("400"))
    _, answer, at_s = play(main, fallback)
    assert (answer, at_s) == (main.answer, 3.0)


def test_both_failing_is_the_fallbacks_error_and_then_the_routes_last_resort() -> None:
    def sides() -> tuple[Side, Side]:
        return Side(0.1, UpstreamUnavailable("main")), Side(0.1, UpstreamUnavailable("fallback"))

    error, _ = failing(*sides())
    assert error.message == "fallback"
    call, answer, _ = play(*sides(), First((RACE, Degrade("Later."))))
    assert answer.body == b"Later."
    assert (call.trail.degraded, call.trail.target) == (True, "")


def test_both_have_the_fallbacks_time() -> None:
    main, fallback = Side(None), Side(None)
    error, at_s = failing(main, fallback)
    assert (type(error), at_s) == (UpstreamTimeout, 5.5)
    assert (main.cancelled_at_s, fallback.cancelled_at_s) == ([5.5], [5.5])


def test_without_a_limit_they_have_what_is_left_of_the_deadline_and_the_last_resort_still_answers() -> None:
    race = Race(Use("main"), Use("fallback"), 1.5)
    _, answer, at_s = play(Side(None), Side(None), First((race, Degrade("Later."))))
    assert (answer.body, at_s) == (b"Later.", 10.0)


def test_of_two_answers_in_the_same_instant_the_main_one_wins_and_both_are_paid() -> None:
    main, fallback = Side(2.0), Side(0.5)
    call, answer, _ = play(main, fallback)
    assert answer is main.answer
    assert fallback.answer.outcome == CANCEL
    lost = call.trail.attempts[1]
    assert (lost.target, lost.error_code, lost.usage) == ("fallback", CANCELLED, Usage(10, 7))
    assert call.trail.target == "main"


def test_a_hedge_waits_for_the_main_models_own_p95() -> None:
    main, fallback = Side(None), Side(0.1)
    asked: list[Plan] = []

    def p95_s(plan: Plan) -> float:
        asked.append(plan)
        return 0.4

    async def run() -> float:
        await dispatch(main, fallback, p95_s)(make_call(plan=Race(Use("main"), Use("fallback"), 1.5, hedge=True)))
        return now_s()

    assert (run_virtual(run()), asked) == (0.5, [Use("main")])


@pytest.mark.parametrize("after_s", [0.5, 2.0])
def test_a_client_that_goes_away_ends_both(after_s: float) -> None:
    main, fallback = Side(None), Side(None)

    async def run() -> None:
        task = asyncio.ensure_future(_play(main, fallback, RACE))
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(run())
    assert main.cancelled_at_s == [after_s]
    assert len(fallback.cancelled_at_s) == len(fallback.asked_at_s)


def test_a_race_that_is_cancelled_while_its_loser_ends_closes_the_winners_answer() -> None:
    class Reluctant(Side):
        async def __call__(self, call: Call) -> Answer:
            try:
                return await super().__call__(call)
            finally:
                await asyncio.sleep(0.1)

    main, fallback = Reluctant(None), Side(0.3)

    async def run() -> None:
        task = asyncio.ensure_future(_play(main, fallback, RACE))
        await asyncio.sleep(1.85)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)

    run_virtual(run())
    assert fallback.answer.outcome == CANCEL


def test_a_fault_of_ours_is_not_taken_for_the_models() -> None:
    async def broken(_: Call) -> Answer:
        raise ZeroDivisionError

    async def run() -> Answer:
        return await Dispatch({"main": broken, "fallback": broken}, lambda *_: complete_answer(), PlainChoices())(
            make_call(plan=RACE)
        )

    with pytest.raises(ZeroDivisionError):
        run_virtual(run())
