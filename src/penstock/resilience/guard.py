"""``Guard``: breaker, retry and bulkhead around any other dependency than a model: a memory API, a tool server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import wraps
from math import inf
from random import random
from time import monotonic
from typing import ParamSpec, TypeVar

from msgspec import Struct, field

from penstock.core.errors import (
    PenstockError,
    Unavailable,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from penstock.core.policy import NO_RETRY, RetryPolicy
from penstock.core.ports import Clock
from penstock.resilience.breaker import Breaker, Permit, Refusal
from penstock.resilience.retry_budget import RetryBudget
from penstock.resilience.schedule import retry_delay_s

P = ParamSpec("P")
T = TypeVar("T")


class Guard(Struct, frozen=True, kw_only=True):
    """What stands around a dependency; calling it with a coroutine function gives that function guarded.

    ``memory = Guard(name="memory", breaker=Breaker(BreakerPolicy()), retry=FAST_RETRY)`` once, then ``@memory`` on each
    of its operations: they share the breaker. An operation bounds its own time. It raises errors of the one tree, or
    ``faults`` of its client, which become ``UpstreamUnavailable``; whatever else it raises is its own mistake, says
    nothing about the dependency and goes on unchanged. ``bulkhead`` is entered for each attempt.
    """

    name: str
    breaker: Breaker
    retry: RetryPolicy = NO_RETRY
    budget: RetryBudget = field(default_factory=RetryBudget)
    bulkhead: Callable[[], AbstractAsyncContextManager[object]] = nullcontext
    faults: tuple[type[Exception], ...] = (OSError,)
    clock: Clock = monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    chance: Callable[[], float] = random

    def __call__(self, work: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """``work``, asked as often as the retry policy and budget allow; ``Unavailable`` while the breaker is open."""

        @wraps(work)
        async def ask(*args: P.args, **kwargs: P.kwargs) -> T:
            self.budget.count(self.clock())
            made = 0
            while True:
                made += 1
                try:
                    return await self._attempt(lambda: work(*args, **kwargs))
                except PenstockError as error:
                    delay_s = retry_delay_s(self.retry, made, error, inf, self.chance())
                    if delay_s is None or self.breaker.state == "open" or not self.budget.take(self.clock()):
                        raise
                await self.sleep(delay_s)

        return ask

    async def _attempt(self, work: Callable[[], Awaitable[T]]) -> T:
        permit = self.breaker.admit(self.clock())
        if isinstance(permit, Refusal):
            text = f"'{self.name}' is out of order, or asked for a pause. Try again later."
            raise Unavailable(text, retry_after_s=permit.retry_after_s or None)
        try:
            async with self.bulkhead():
                return await self._ask(permit, work)
        finally:
            self.breaker.release(permit)

    async def _ask(self, permit: Permit, work: Callable[[], Awaitable[T]]) -> T:
        began_at_s = self.clock()
        try:
            answer = await work()
        except PenstockError as error:
            self._judge(permit, error)
            raise
        except self.faults as error:
            fault = UpstreamUnavailable(f"'{self.name}' could not be reached. Try again.")
            self._judge(permit, fault)
            raise fault from error
        now_s = self.clock()
        self.breaker.begin(permit, now_s, now_s - began_at_s)
        self.breaker.succeed(permit)
        return answer

    def _judge(self, permit: Permit, error: PenstockError) -> None:
        if isinstance(error, UpstreamRateLimited) and error.retry_after_s is not None:
            self.breaker.hold(self.clock(), error.retry_after_s)
        elif error.retryable:
            self.breaker.fail(permit, self.clock())
