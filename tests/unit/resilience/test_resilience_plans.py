"""Whatever the plan and whatever its targets do: bounded attempts, an end by the deadline, one answer, nothing left open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.answer import CANCEL, Answer
from penstock.core.call import Call
from penstock.core.errors import (
    InvalidRequest,
    PenstockError,
    UpstreamMisconfigured,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from penstock.core.plan import Degrade, First, Plan, Race, Target, Use, plan_parts
from penstock.core.policy import FAST_RETRY, NO_RETRY, PATIENT_RETRY, RetryPolicy
from penstock.resilience import Attempts, Dispatch
from support.calls import LIMITS, complete_answer, make_call
from support.targets import PlainChoices, standing
from support.virtual_time import now_s, run_virtual

GRACE_S = 0.25
FAILURES = ["500", "429", "401", "400"]


def failure(kind: str) -> PenstockError:
    """What a provider's refusal of that kind becomes."""
    errors = (UpstreamUnavailable, UpstreamRateLimited, UpstreamMisconfigured, UpstreamRejected)
    return dict(zip(FAILURES, errors, strict=True))[kind](kind, retry_after_s=1.0 if kind == "429" else None)


@dataclass
class World:
    """Targets ``a`` to ``c`` at backends that do what a script says: wait so long, then answer or fail."""

    script: list[tuple[float, str]]
    asked: int = 0
    running: int = 0
    answers: list[Answer] = field(default_factory=list)

    async def backend(self, _: Call) -> Answer:
        takes_s, kind = self.script[self.asked % len(self.script)]
        self.asked += 1
        self.running += 1
        try:
            await asyncio.sleep(takes_s)
        finally:
            self.running -= 1
        if kind != "ok":
            raise failure(kind)
        self.answers.append(complete_answer())
        return self.answers[-1]

    def dispatch(self) -> Dispatch:
        targets = {
            alias: Attempts(standing(Target(alias, alias, alias), now_s), self.backend, chance=lambda: 0.5)
            for alias in "abc"
        }
        return Dispatch(targets, lambda _, text: complete_answer(text.encode()), PlainChoices())


def most_attempts(plan: Plan, retry: RetryPolicy) -> int:
    if isinstance(plan, Use):
        return retry.max_attempts
    if isinstance(plan, Race):
        return most_attempts(plan.main, NO_RETRY) + most_attempts(plan.fallback, retry)
    return sum(most_attempts(part, retry) for part in plan_parts(plan))


USES = st.sampled_from([Use("a"), Use("b"), Use("c")])
PLANS = st.recursive(
    USES,
    lambda parts: (
        st.builds(First, st.lists(parts, min_size=1, max_size=3).map(tuple))
        | st.builds(Race, parts, parts, st.sampled_from([0.0, 0.4, 1.5]), st.sampled_from([None, 0.5, 4.0]))
    ),
    max_leaves=5,
)
SCRIPTS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.4, 1.5, 3.0, 3600.0]), st.sampled_from(["ok", *FAILURES])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(PLANS, SCRIPTS, st.sampled_from([None, "Later."]), st.sampled_from([FAST_RETRY, PATIENT_RETRY]))
def test_a_plan_ends_in_time_with_one_answer_or_an_error(
    plan: Plan, script: list[tuple[float, str]], last_resort: str | None, retry: RetryPolicy
) -> None:
    world = World(script)
    call = make_call(plan=First((plan, Degrade(last_resort))) if last_resort else plan, retry=retry)

    async def run() -> Answer | PenstockError:
        try:
            return await world.dispatch()(call)
        except PenstockError as error:
            return error

    async def timed() -> tuple[Answer | PenstockError, float]:
        return await run(), now_s()

    result, ended_at_s = run_virtual(timed())
    trail = call.trail
    assert ended_at_s <= LIMITS.total_s + GRACE_S
    assert world.asked <= most_attempts(plan, retry)
    assert len(trail.attempts) == world.asked
    assert world.running == 0
    assert all(answer.outcome == CANCEL for answer in world.answers if answer is not result)
    if isinstance(result, Answer):
        assert result.outcome is None  # it is the caller's to end
        if not trail.degraded:
            assert result.attempt is not None
            answered = trail.attempts[result.attempt]
            assert (answered.target, answered.error_code) == (trail.target, None)
    else:
        # With a last resort only the caller's own mistake is an error.
        assert not last_resort or isinstance(result, InvalidRequest)
        assert not any(attempt.error_code is None for attempt in trail.attempts)
