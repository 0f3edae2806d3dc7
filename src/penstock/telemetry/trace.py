"""The stage ``trace``, outermost: counts and times every call, and tells of failed ones."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections.abc import Callable
from functools import partial

from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError
from penstock.core.ports import Clock
from penstock.telemetry.metrics import Metrics

_STATUS = {"end": "ok", "error": "error", "cancel": "cancelled", "disconnect": "disconnected"}


class Trace:
    """Reads the trail when the call is over. ``on_failed(call, error, latency_ms)`` hears of each that failed.

    ``clock`` is the monotonic clock of the trail's times, ``ticks`` that of its marks.
    """

    name = "trace"

    def __init__(
        self,
        metrics: Metrics,
        *,
        on_failed: Callable[[Call, PenstockError, float], None],
        clock: Clock = time.monotonic,
        ticks: Clock = time.perf_counter,
    ) -> None:
        self._metrics = metrics
        self._on_failed = on_failed
        self._clock = clock
        self._ticks = ticks

    async def __call__(self, call: Call, proceed: Handler) -> Answer:
        """Go on; an error passes through, counted."""
        self._metrics.in_flight += 1
        try:
            answer = await proceed(call)
        except CancelledError:
            self._end(call, "cancelled", None)
            raise
        except Exception as error:
            self._end(call, "error", error if isinstance(error, PenstockError) else PenstockError(""))
            raise
        self._mark_answer(call)
        answer.on_close(partial(self._close, call))
        return answer

    def _close(self, call: Call, outcome: Outcome) -> None:
        self._over(call, _STATUS[outcome.kind], outcome.error)

    def _end(self, call: Call, status: str, error: PenstockError | None) -> None:
        self._mark_answer(call)
        self._over(call, status, error)

    def _mark_answer(self, call: Call) -> None:
        """The stage that answered without asking anyone is over now; one that asked spent the time waiting."""
        if not call.trail.attempts:
            call.trail.marks.append(self._ticks())

    def _over(self, call: Call, status: str, error: PenstockError | None) -> None:
        self._metrics.in_flight -= 1
        latency_ms = (self._clock() - call.trail.received_at_s) * 1000
        self._metrics.count(call, status, error, latency_ms)
        if error is not None:
            self._on_failed(call, error, latency_ms)
