"""One target, asked as often as the call's retry policy, its deadline and the target's own standing allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import random

from penstock.core.answer import Answer
from penstock.core.call import CANCELLED, Attempt, Call
from penstock.core.chain import Handler
from penstock.core.errors import DeadlineExceeded, InputTooLong, PenstockError, UpstreamResting, UpstreamTimeout
from penstock.core.plan import Exclusion, Target
from penstock.resilience.breaker import Permit
from penstock.resilience.bulkhead import Bulkhead
from penstock.resilience.schedule import retry_delay_s
from penstock.resilience.silence import SilenceWatch
from penstock.resilience.standing import Standing
from penstock.resilience.time_limit import Deadlines, TimeLimit

# What an attempt is cancelled with when it had its time and another target was sooner.
OUTRUN = "another target was sooner"


class Attempts:
    """A ``Handler`` around one target's backend: breaker, bulkhead, time limits, retry, and a line on the trail for each.

    ``on_failed`` hears of each attempt that failed, whatever the next one does.
    """

    def __init__(
        self,
        standing: Standing,
        backend: Handler,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random,
        on_failed: Callable[[Target, PenstockError], object] = lambda _target, _error: None,
    ) -> None:
        self._target = target = standing.target
        self._standing = standing
        self._backend = backend
        self._clock = standing.clock
        self._sleep = sleep
        self._chance = chance
        self._on_failed = on_failed
        self._deadlines: Deadlines | None = None
        self._begun = Attempt(target.alias, target.provider, target.model_id, 0.0, CANCELLED)

    async def __call__(self, call: Call) -> Answer:
        """Answer at the first content. Raises the last attempt's error, ``InputTooLong`` before the first one."""
        most = self._target.max_input_tokens
        if most is not None and call.input_tokens > most:
            raise InputTooLong(
                f"The input is about {call.input_tokens} tokens long, and '{self._target.alias}' takes {most}: shorten "
                "the messages, or ask a model that takes more.",
                param="messages",
            )
        standing = self._standing
        standing.retries.count(self._clock())
        made = 0
        while True:
            made += 1
            try:
                return await self._attempt(call)
            except PenstockError as error:
                now_s = self._clock()
                delay_s = retry_delay_s(call.retry, made, error, call.deadline_s - now_s, self._chance())
                if delay_s is None or standing.refuses(now_s + delay_s):
                    raise
                # Who waits for a provider that wants a rest has not asked it: that is no extra attempt.
                if not isinstance(error, UpstreamResting) and not standing.retries.take(now_s):
                    raise
            await self._sleep(delay_s)

    def _attempt(self, call: Call) -> Awaitable[Answer]:
        now_s = self._clock()
        if call.deadline_s <= now_s:
            raise _too_late(call)
        standing = self._standing
        try:
            permit = standing.let_in(now_s)
        except PenstockError as error:
            call.trail.skipped.append(Exclusion(self._target.alias, error.code, error.message))
            raise
        if standing.bulkhead is None or standing.bulkhead.enter():
            return self._ask(call, permit)
        return self._wait(standing.bulkhead, call, permit)

    async def _wait(self, bulkhead: Bulkhead, call: Call, permit: Permit) -> Answer:
        try:
            await bulkhead.wait(call.deadline_s - self._clock())
        except BaseException as error:
            self._standing.breaker.release(permit)
            if isinstance(error, PenstockError):
                call.trail.skipped.append(Exclusion(self._target.alias, error.code, error.message))
            raise
        return await self._ask(call, permit)

    async def _ask(self, call: Call, permit: Permit) -> Answer:
        trail, target, standing, limits = call.trail, self._target, self._standing, call.limits
        started_at_s = self._clock()
        left_s = call.deadline_s - started_at_s
        own_s = limits.first_content_s if call.stream else limits.attempt_s
        timeout_s = left_s if own_s is None else min(own_s, left_s)
        trail.target, trail.provider, trail.model = target.alias, target.provider, target.model_id
        index = len(trail.attempts)
        trail.attempts.append(self._begun)
        error_code: str | None = CANCELLED
        try:
            with TimeLimit(self._deadlines or self._keep_deadlines(), timeout_s):
                answer = await self._backend(call)
            error_code = None
        except TimeoutError:
            late = slow = _too_slow(target, timeout_s)
            if timeout_s == left_s:
                late = _too_late(call)
            error_code = late.code
            # What was left of the deadline may have been too little for anyone.
            fair = late is slow or 2 * timeout_s >= limits.total_s
            self._fail(permit, slow if fair else late, started_at_s)
            raise late from None
        except PenstockError as error:
            error_code = error.code
            self._fail(permit, error, started_at_s)
            raise
        except BaseException as error:
            if error.args == (OUTRUN,):
                now_s = self._clock()
                standing.outrun(permit, now_s, now_s - started_at_s)
            else:
                standing.given_up(permit)
            raise
        finally:
            now_s = self._clock()
            took_s = now_s - started_at_s
            trail.attempts[index] = Attempt(target.alias, target.provider, target.model_id, took_s * 1000, error_code)
        answer.attempt = index
        trail.first_content_at_s = now_s
        standing.answered(permit, answer, now_s, took_s)
        if answer.body is None:
            SilenceWatch(answer, limits, left_s=call.deadline_s - now_s)
        return answer

    def _fail(self, permit: Permit, error: PenstockError, started_at_s: float) -> None:
        now_s = self._clock()
        self._standing.failed(permit, error, now_s, now_s - started_at_s)
        self._on_failed(self._target, error)

    def _keep_deadlines(self) -> Deadlines:
        self._deadlines = Deadlines(asyncio.get_running_loop())
        return self._deadlines


def _too_late(call: Call) -> PenstockError:
    return DeadlineExceeded(f"No answer within the deadline of {call.limits.total_s:g} s for this route.")


def _too_slow(target: Target, timeout_s: float) -> PenstockError:
    return UpstreamTimeout(f"'{target.provider}' did not answer within {timeout_s:g} s.")
