"""Breaker, retry and bulkhead around a dependency that is no model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from penstock.core.errors import (
    TooManyConcurrent,
    Unavailable,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from penstock.core.policy import FAST_RETRY, NO_RETRY, BreakerPolicy
from penstock.resilience.breaker import Breaker
from penstock.resilience.guard import Guard
from penstock.resilience.retry_budget import RetryBudget
from support.clocks import HandClock


def make_guard(clock: HandClock, slept_s: list[float] | None = None, **changes: Any) -> Guard:
    """A guard whose waits pass on ``clock``."""

    async def sleep(seconds: float) -> None:
        clock.pass_s(seconds)
        if slept_s is not None:
            slept_s.append(seconds)

    values: dict[str, Any] = {"name": "memory", "breaker": Breaker(BreakerPolicy()), "retry": NO_RETRY}
    return Guard(clock=clock, sleep=sleep, chance=lambda: 0.5, **(values | changes))


def failing(*errors: Exception) -> tuple[Callable[[str], Awaitable[str]], list[str]]:
    """A dependency that raises each error in turn, then echoes what it is asked."""
    left, heard = list(errors), list[str]()

    async def recall(text: str) -> str:
        heard.append(text)
        if left:
            raise left.pop(0)
        return text

    return recall, heard


async def test_it_hands_on_what_it_guards() -> None:
    recall, heard = failing()
    assert await make_guard(HandClock())(recall)("tea") == "tea"
    assert heard == ["tea"]


async def test_transient_faults_are_asked_again_as_the_policy_says() -> None:
    slept_s: list[float] = []
    recall, heard = failing(UpstreamUnavailable("500"), ConnectionResetError())
    assert await make_guard(HandClock(), slept_s, retry=FAST_RETRY)(recall)("tea") == "tea"
    assert len(heard) == 3
    assert slept_s == [pytest.approx(0.2), pytest.approx(0.4)]


async def test_a_fault_of_the_client_is_told_without_its_text() -> None:
    recall, _ = failing(ConnectionRefusedError("10.0.0.7:9200"))
    with pytest.raises(UpstreamUnavailable, match="'memory' could not be reached") as told:
        await make_guard(HandClock())(recall)("tea")
    assert "10.0.0.7" not in told.value.message


async def test_a_dead_dependency_is_left_alone_and_all_its_operations_with_it() -> None:
    clock = HandClock()
    guard = make_guard(clock)
    recall, recalled = failing(*[OSError()] * 5)
    remember, remembered = failing()
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable):
            await guard(recall)("tea")
    with pytest.raises(Unavailable, match="'memory' is out of order") as refused:
        await guard(remember)("coffee")
    assert (len(recalled), remembered, refused.value.retry_after_s) == (5, [], 60.0)
    clock.pass_s(60.0)
    assert await guard(remember)("coffee") == "coffee"
    assert guard.breaker.state == "closed"


async def test_no_time_is_spent_on_waiting_for_an_open_breaker() -> None:
    slept_s: list[float] = []
    guard = make_guard(HandClock(), slept_s, retry=FAST_RETRY, breaker=Breaker(BreakerPolicy(failures=2)))
    recall, heard = failing(*[OSError()] * 3)
    with pytest.raises(UpstreamUnavailable):
        await guard(recall)("tea")
    assert (len(heard), len(slept_s)) == (2, 1)


async def test_retries_keep_to_their_budget() -> None:
    recall, heard = failing(*[OSError()] * 9)
    breaker = Breaker(BreakerPolicy(failures=100))
    guard = make_guard(HandClock(), retry=FAST_RETRY, breaker=breaker, budget=RetryBudget(share=0.0, floor=1))
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable):
            await guard(recall)("tea")
    assert len(heard) == 4


@pytest.mark.parametrize("error", [UpstreamRejected("400"), ValueError("a mistake")])
async def test_what_is_not_the_dependencys_fault_goes_on_unchanged(error: Exception) -> None:
    guard = make_guard(HandClock(), retry=FAST_RETRY, breaker=Breaker(BreakerPolicy(failures=1)))
    recall, heard = failing(error)
    with pytest.raises(type(error)) as told:
        await guard(recall)("tea")
    assert told.value is error
    assert (len(heard), guard.breaker.state) == (1, "closed")


async def test_a_wish_to_be_left_alone_is_kept_to_and_is_no_failure() -> None:
    clock = HandClock()
    guard = make_guard(clock, breaker=Breaker(BreakerPolicy(failures=1)))
    recall, heard = failing(UpstreamRateLimited("429", retry_after_s=5.0))
    with pytest.raises(UpstreamRateLimited):
        await guard(recall)("tea")
    with pytest.raises(Unavailable) as refused:
        await guard(recall)("tea")
    assert (refused.value.retry_after_s, guard.breaker.state) == (5.0, "closed")
    clock.pass_s(5.0)
    assert await guard(recall)("tea") == "tea"
    assert len(heard) == 2


async def test_a_wish_that_the_policy_allows_is_waited_for() -> None:
    slept_s: list[float] = []
    recall, _ = failing(UpstreamRateLimited("429", retry_after_s=1.5))
    assert await make_guard(HandClock(), slept_s, retry=FAST_RETRY)(recall)("tea") == "tea"
    assert slept_s == [1.5]


async def test_a_probe_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    clock = HandClock()
    guard = make_guard(clock, breaker=Breaker(BreakerPolicy(failures=1)))
    dead, _ = failing(OSError())
    with pytest.raises(UpstreamUnavailable):
        await guard(dead)("tea")
    clock.pass_s(60.0)
    asked = asyncio.Event()

    async def hang() -> None:
        asked.set()
        await asyncio.Event().wait()

    probe = asyncio.ensure_future(guard(hang)())
    await asked.wait()
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert await guard(dead)("tea") == "tea"
    assert guard.breaker.state == "closed"


async def test_each_attempt_enters_the_bulkhead_and_a_full_one_says_nothing_of_the_dependency() -> None:
    entered: list[str] = []

    @asynccontextmanager
    async def bulkhead() -> AsyncIterator[None]:
        if len(entered) == 2:
            raise TooManyConcurrent("full")
        entered.append("in")
        yield

    recall, heard = failing(OSError())
    guard = make_guard(HandClock(), retry=FAST_RETRY, breaker=Breaker(BreakerPolicy(failures=2)), bulkhead=bulkhead)
    assert await guard(recall)("tea") == "tea"
    with pytest.raises(TooManyConcurrent):
        await guard(recall)("tea")
    assert (len(entered), len(heard), guard.breaker.state) == (2, 2, "closed")
