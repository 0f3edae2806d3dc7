"""One target, asked as often as the call's retry policy and deadline allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import random

from penstock.core.answer import Answer
from penstock.core.call import CANCELLED, Attempt, Call
from penstock.core.chain import Handler
from penstock.core.errors import DeadlineExceeded, InputTooLong, PenstockError, UpstreamTimeout
from penstock.core.plan import Target
from penstock.core.ports import Clock
from penstock.resilience.schedule import retry_delay_s
from penstock.resilience.silence import SilenceWatch
from penstock.resilience.time_limit import Deadlines, TimeLimit


class Attempts:
    """A ``Handler`` around one target's backend: time limits, retry, and a line on the trail for every attempt.

    ``on_failed`` hears of each attempt that failed, whatever the next one does.
    """

    def __init__(
        self,
        target: Target,
        backend: Handler,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random,
        on_failed: Callable[[Target, PenstockError], object] = lambda _target, _error: None,
    ) -> None:
        self._target = target
        self._backend = backend
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._on_failed = on_failed
        self._deadlines: Deadlines | None = None

    async def __call__(self, call: Call) -> Answer:
        """Answer at the first content. Raises the last attempt's error, ``InputTooLong`` before the first one."""
        most = self._target.max_input_tokens
        if most is not None and call.input_tokens > most:
            raise InputTooLong(
                f"The input is about {call.input_tokens} tokens long, and '{self._target.alias}' takes {most}: shorten "
                "the messages, or ask a model that takes more.",
                param="messages",
            )
        made = 0
        while True:
            made += 1
            try:
                return await self._attempt(call)
            except PenstockError as error:
                left_s = call.deadline_s - self._clock()
                delay_s = retry_delay_s(call.retry, made, error, left_s, self._chance())
                if delay_s is None:
                    raise
            await self._sleep(delay_s)

    async def _attempt(self, call: Call) -> Answer:
        trail, target, limits = call.trail, self._target, call.limits
        started_at_s = self._clock()
        left_s = call.deadline_s - started_at_s
        if left_s <= 0:
            raise _too_late(call)
        own_s = limits.first_content_s if call.stream else limits.attempt_s
        timeout_s = left_s if own_s is None else min(own_s, left_s)
        trail.target, trail.provider, trail.model = target.alias, target.provider, target.model_id
        error_code: str | None = CANCELLED
        try:
            with TimeLimit(self._deadlines or self._keep_deadlines(), timeout_s):
                answer = await self._backend(call)
            error_code = None
        except TimeoutError:
            late = _too_late(call) if timeout_s == left_s else _too_slow(target, timeout_s)
            error_code = late.code
            self._on_failed(target, late)
            raise late from None
        except PenstockError as error:
            error_code = error.code
            self._on_failed(target, error)
            raise
        finally:
            now_s = self._clock()
            latency_ms = (now_s - started_at_s) * 1000
            trail.attempts.append(Attempt(target.alias, target.provider, target.model_id, latency_ms, error_code))
        trail.first_content_at_s = now_s
        if answer.body is None:
            SilenceWatch(answer, idle_gap_s=limits.idle_gap_s, left_s=call.deadline_s - now_s)
        return answer

    def _keep_deadlines(self) -> Deadlines:
        self._deadlines = Deadlines(asyncio.get_running_loop())
        return self._deadlines


def _too_late(call: Call) -> PenstockError:
    return DeadlineExceeded(f"No answer within the deadline of {call.limits.total_s:g} s for this route.")


def _too_slow(target: Target, timeout_s: float) -> PenstockError:
    return UpstreamTimeout(f"'{target.provider}' did not answer within {timeout_s:g} s.")
