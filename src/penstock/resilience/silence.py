"""After the first content: a stream that falls silent, crawls, or runs past its deadline is ended with an error."""

from __future__ import annotations

import asyncio
from math import inf
from time import monotonic

from penstock.core.answer import Answer, Outcome
from penstock.core.errors import DeadlineExceeded, PenstockError, UpstreamTimeout
from penstock.core.policy import TimeLimits

# The time over which a stream's speed is judged: long enough for a model that thinks between two words.
SPEED_WINDOW_S = 10.0


class SilenceWatch:
    """Ends ``answer`` when it is silent for the limits' idle gap, slower than their tokens/s, or ``left_s`` from now.

    One timer a stream, moved only when it fires: a chunk costs nothing. A pause that the client asked for is not the
    upstream's silence, and speed is not judged over it.
    """

    def __init__(
        self, answer: Answer, limits: TimeLimits, *, left_s: float, speed_window_s: float = SPEED_WINDOW_S
    ) -> None:
        loop = asyncio.get_running_loop()
        now_s = monotonic()
        self._later = loop.call_later
        self._answer = answer
        self._idle_gap_s = limits.idle_gap_s
        self._ends_at_s = now_s + left_s
        self._least_tokens = (limits.min_tokens_per_s or 0.0) * speed_window_s
        self._speed_window_s = speed_window_s
        self._judged_at_s = now_s + speed_window_s if self._least_tokens else inf
        self._written_tokens = 0
        self._timer = loop.call_later(max(self._wait_s(now_s, 0.0), 0.0), self._look)
        answer.on_close(lambda _: self._timer.cancel())

    def _wait_s(self, now_s: float, quiet_s: float) -> float:
        return min(self._idle_gap_s - quiet_s, self._ends_at_s - now_s, self._judged_at_s - now_s)

    def _look(self) -> None:
        answer, now_s = self._answer, monotonic()
        quiet_s = 0.0 if answer.paused else now_s - answer.last_event_at_s
        if now_s >= self._ends_at_s:
            self._end(DeadlineExceeded("The stream ran past the deadline of its route."))
        elif quiet_s >= self._idle_gap_s:
            self._end(UpstreamTimeout(f"The provider sent nothing for {self._idle_gap_s:g} s."))
        elif now_s >= self._judged_at_s and self._crawls(now_s):
            least = self._least_tokens / self._speed_window_s
            self._end(UpstreamTimeout(f"The provider writes less than {least:g} tokens/s."))
        else:
            self._timer = self._later(self._wait_s(now_s, quiet_s), self._look)

    def _crawls(self, now_s: float) -> bool:
        """Whether too little has come since speed was judged last."""
        answer, before = self._answer, self._written_tokens
        self._written_tokens = answer.written_tokens()
        self._judged_at_s = now_s + self._speed_window_s
        held_back, answer.was_paused = answer.was_paused, answer.paused
        return not held_back and self._written_tokens - before < self._least_tokens

    def _end(self, error: PenstockError) -> None:
        self._answer.end(Outcome("error", error))
