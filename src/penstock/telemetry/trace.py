"""The stage ``trace``, outermost: counts and times every call, and tells of failed ones."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError
from penstock.core.ports import Clock
from penstock.telemetry.metrics import Metrics

_STATUS = {"end": "ok", "error": "error", "cancel": "cancelled", "disconnect": "disconnected"}


class Trace:
    """Reads the trail when the call is over. ``on_failed(call, error, latency_ms)`` hears of each that failed.

    ``clock`` is the monotonic clock of the trail's times.
    """

    name = "trace"

    def __init__(
        self,
        metrics: Metrics,
        *,
        on_failed: Callable[[Call, PenstockError, float], None],
        clock: Clock = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._on_failed = on_failed
        self._clock = clock

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Go on, to be told of the end."""
        self._metrics.in_flight += 1
        call.trail.endings.append(self._ended)
        return proceed(call)

    def _ended(self, call: Call, outcome: Outcome) -> None:
        self._metrics.in_flight -= 1
        latency_ms = (self._clock() - call.trail.received_at_s) * 1000
        self._metrics.count(call, _STATUS[outcome.kind], outcome.error, latency_ms)
        if outcome.error is not None:
            self._on_failed(call, outcome.error, latency_ms)
