"""Retry, deadline, fallback and silence, on an injected clock where time is only counted."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import (
    DeadlineExceeded,
    InputTooLong,
    PenstockError,
    UpstreamMisconfigured,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from penstock.core.plan import Degrade, First, Target, Use
from penstock.core.policy import FAST_RETRY, PATIENT_RETRY, BreakerPolicy, RetryPolicy, TimeLimits
from penstock.resilience import Attempts, Dispatch, retry_delay_s
from support.calls import LIMITS, complete_answer, make_call
from support.targets import PlainChoices, standing


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now_s += delay_s


def failing(*errors: PenstockError) -> tuple[Handler, list[Call]]:
    """A backend that raises each error in turn, then answers."""
    calls: list[Call] = []
    left = list(errors)

    async def backend(call: Call) -> Answer:
        calls.append(call)
        if left:
            raise left.pop(0)
        return complete_answer()

    return backend, calls


def attempts(backend: Handler, time: FakeTime, alias: str = "fast") -> Attempts:
    target = Target(alias, f"mock-{alias}", f"{alias}-v1")
    return Attempts(standing(target, time.clock), backend, sleep=time.sleep, chance=lambda: 0.5)


async def test_transient_errors_are_asked_again_with_growing_delays_plus_jitter() -> None:
    time = FakeTime()
    backend, calls = failing(UpstreamUnavailable("500"), UpstreamUnavailable("500"))
    call = make_call()
    answer = await attempts(backend, time)(call)
    assert answer.body is not None
    assert time.slept == [pytest.approx(0.2), pytest.approx(0.4)]
    assert len(calls) == 3
    assert call.trail.retry_count == 2
    assert [attempt.error_code for attempt in call.trail.attempts] == [
        "upstream_unavailable",
        "upstream_unavailable",
        None,
    ]


async def test_every_failed_attempt_is_told_of_also_when_the_next_one_answers() -> None:
    async def late(_: Call) -> Answer:
        await asyncio.sleep(10)
        raise AssertionError

    heard: list[tuple[str, str]] = []

    def hear(target: Target, error: PenstockError) -> None:
        heard.append((target.alias, error.code))

    time = FakeTime()
    backend, _ = failing(UpstreamUnavailable("500"), UpstreamMisconfigured("401"))
    limits = TimeLimits(total_s=10, attempt_s=0.01, first_content_s=1, idle_gap_s=1)
    targets = {
        "a": Attempts(standing(Target("a", "p", "m"), time.clock), backend, sleep=time.sleep, on_failed=hear),
        "b": Attempts(standing(Target("b", "q", "n"), time.clock), late, sleep=time.sleep, on_failed=hear),
    }
    plan = First((Use("a"), Use("b"), Degrade("sorry")))
    answer = await Dispatch(targets, lambda _, text: complete_answer(text.encode()), PlainChoices())(
        make_call(plan=plan, limits=limits, retry=FAST_RETRY)
    )
    assert answer.body == b"sorry"
    assert heard == [("a", "upstream_unavailable"), ("a", "upstream_misconfigured"), *[("b", "upstream_timeout")] * 3]


@pytest.mark.parametrize("error", [UpstreamRejected("400"), UpstreamMisconfigured("401"), InputTooLong("long")])
async def test_permanent_errors_are_asked_once(error: PenstockError) -> None:
    backend, calls = failing(error, error)
    with pytest.raises(type(error)):
        await attempts(backend, FakeTime())(make_call())
    assert len(calls) == 1


async def test_an_input_that_a_model_does_not_take_goes_to_one_that_does() -> None:
    time = FakeTime()
    short, short_calls = failing()
    longer, longer_calls = failing()
    targets = {
        "a": Attempts(standing(Target("a", "p", "m", max_input_tokens=100), time.clock), short, sleep=time.sleep),
        "b": Attempts(standing(Target("b", "q", "n", max_input_tokens=1000), time.clock), longer, sleep=time.sleep),
    }
    plan = Dispatch(targets, lambda _, text: complete_answer(text.encode()), PlainChoices())
    call = make_call(plan=BOTH, input_tokens=500)
    await plan(call)
    assert (short_calls, len(longer_calls), call.trail.target) == ([], 1, "b")
    with pytest.raises(InputTooLong, match="'b' takes 1000"):
        await plan(make_call(plan=BOTH, input_tokens=5000))


async def test_after_the_last_attempt_the_error_is_told() -> None:
    backend, calls = failing(*[UpstreamUnavailable("500")] * 9)
    with pytest.raises(UpstreamUnavailable):
        await attempts(backend, FakeTime())(make_call())
    assert len(calls) == 3


@pytest.mark.parametrize(("open_s", "slept"), [(60.0, []), (0.1, [0.2])], ids=["open", "half open by then"])
async def test_nobody_waits_for_an_attempt_that_the_breaker_would_refuse(open_s: float, slept: list[float]) -> None:
    time = FakeTime()
    backend, calls = failing(*[UpstreamUnavailable("500")] * 3)
    policy = BreakerPolicy(failures=1, open_s=open_s)
    target = standing(Target("fast", "mock", "fast-v1"), time.clock, breaker=policy)
    asking = Attempts(target, backend, sleep=time.sleep, chance=lambda: 0.5)
    call = make_call(retry=replace(FAST_RETRY, delays_s=(0.1,)))
    with pytest.raises(UpstreamUnavailable):
        await asking(call)
    assert time.slept == pytest.approx(slept)
    assert len(calls) == 1 + len(slept)


async def test_no_attempt_starts_after_the_deadline() -> None:
    time = FakeTime()
    time.now_s = 11.0
    backend, calls = failing()
    with pytest.raises(DeadlineExceeded):
        await attempts(backend, time)(make_call())
    assert calls == []


async def test_a_hung_backend_is_cancelled_at_the_attempts_own_limit() -> None:
    cancelled: list[bool] = []

    async def hang(_: Call) -> Answer:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)
        raise AssertionError

    call = make_call(limits=TimeLimits(total_s=10, attempt_s=0.02, first_content_s=1, idle_gap_s=1), retry=ONCE)
    with pytest.raises(UpstreamTimeout, match=r"0\.02 s"):
        await attempts(hang, FakeTime())(call)
    assert cancelled == [True]
    assert call.trail.attempts[0].error_code == "upstream_timeout"


ONCE = RetryPolicy(name="once", delays_s=(), jitter_s=0, max_retry_after_s=0)


async def test_a_cancelled_attempt_is_on_the_trail() -> None:
    entered = asyncio.Event()

    async def hang(_: Call) -> Answer:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    call = make_call()
    task = asyncio.create_task(attempts(hang, FakeTime())(call))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert call.trail.attempts[0].error_code == "cancelled"


# --- the schedule ---


@given(
    st.sampled_from([FAST_RETRY, PATIENT_RETRY]),
    st.integers(1, 8),
    st.floats(0, 700),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.floats(0, 100),
)
def test_a_delay_keeps_the_policy_the_wish_and_the_deadline(
    policy: RetryPolicy, made: int, left_s: float, chance: float, retry_after_s: float | None
) -> None:
    error = UpstreamRateLimited("429", retry_after_s=retry_after_s)
    delay_s = retry_delay_s(policy, made, error, left_s, chance)
    if made >= policy.max_attempts:
        assert delay_s is None
    elif delay_s is not None:
        assert policy.delays_s[made - 1] <= delay_s < left_s
        assert retry_after_s is None or retry_after_s <= delay_s
    else:
        too_long = retry_after_s is not None and retry_after_s > policy.max_retry_after_s
        longest = max(policy.delays_s[made - 1] + policy.jitter_s, retry_after_s or 0.0)
        assert too_long or longest >= left_s


# --- plans ---


def dispatch(time: FakeTime, **backends: Handler) -> Dispatch:
    def degrade(_: Call, text: str) -> Answer:
        return complete_answer(text.encode())

    return Dispatch(
        {alias: attempts(backend, time, alias) for alias, backend in backends.items()}, degrade, PlainChoices()
    )


BOTH = First((Use("a"), Use("b")))


async def test_the_fallback_answers_after_the_primarys_retries_are_spent() -> None:
    primary, primary_calls = failing(*[UpstreamUnavailable("500")] * 9)
    second, second_calls = failing()
    call = make_call(plan=BOTH)
    await dispatch(FakeTime(), a=primary, b=second)(call)
    assert (len(primary_calls), len(second_calls)) == (3, 1)
    assert (call.trail.fallback_used, call.trail.target, call.trail.provider) == (True, "b", "mock-b")
    assert call.trail.retry_count == 2


async def test_a_permanent_error_moves_on_at_once() -> None:
    time = FakeTime()
    primary, primary_calls = failing(UpstreamMisconfigured("401"))
    second, _ = failing()
    await dispatch(time, a=primary, b=second)(make_call(plan=BOTH))
    assert (len(primary_calls), time.slept) == (1, [])


async def test_the_callers_own_mistake_never_reaches_the_fallback() -> None:
    primary, _ = failing(UpstreamRejected("400"))
    second, second_calls = failing()
    with pytest.raises(UpstreamRejected):
        await dispatch(FakeTime(), a=primary, b=second)(make_call(plan=BOTH))
    assert second_calls == []


async def test_the_primary_answering_is_no_fallback() -> None:
    primary, _ = failing()
    second, _ = failing()
    call = make_call(plan=BOTH)
    await dispatch(FakeTime(), a=primary, b=second)(call)
    assert not call.trail.fallback_used


async def test_the_last_resort_is_a_marked_text() -> None:
    primary, _ = failing(*[UpstreamUnavailable("500")] * 9)
    call = make_call(plan=First((Use("a"), Degrade("We will come back to you."))))
    answer = await dispatch(FakeTime(), a=primary)(call)
    assert answer.body == b"We will come back to you."
    assert call.trail.degraded


@given(st.lists(st.sampled_from(["ok", "500", "400", "401"]), max_size=12), st.integers(0, 11))
def test_attempts_never_exceed_the_bound_and_the_deadline_ends_everything(kinds: list[str], start_s: int) -> None:
    errors = {"500": UpstreamUnavailable, "400": UpstreamRejected, "401": UpstreamMisconfigured}
    script = list(kinds)
    calls: list[str] = []
    time = FakeTime()
    time.now_s = float(start_s)

    async def backend(_: Call) -> Answer:
        calls.append("")
        time.now_s += 0.5
        kind = script.pop(0) if script else "ok"
        if kind != "ok":
            raise errors[kind](kind)
        return complete_answer()

    async def run() -> None:
        with contextlib.suppress(PenstockError):
            await dispatch(time, a=backend, b=backend)(make_call(plan=BOTH))
        assert len(calls) <= 6
        assert time.now_s <= max(LIMITS.total_s + 0.5, start_s)

    asyncio.run(run())
