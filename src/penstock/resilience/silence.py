"""After the first content: a stream that falls silent, or runs past its deadline, is ended with an error."""

from __future__ import annotations

import asyncio
from time import monotonic

from penstock.core.answer import Answer, Outcome
from penstock.core.errors import DeadlineExceeded, PenstockError, UpstreamTimeout


class SilenceWatch:
    """Ends ``answer`` when no event comes for ``idle_gap_s``, or ``left_s`` from now.

    One timer a stream, moved only when it fires: a chunk costs nothing. A pause that the client asked for is not the
    upstream's silence.
    """

    def __init__(self, answer: Answer, *, idle_gap_s: float, left_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._later = loop.call_later
        self._answer = answer
        self._idle_gap_s = idle_gap_s
        self._ends_at_s = monotonic() + left_s
        self._timer = loop.call_later(min(idle_gap_s, max(left_s, 0.0)), self._look)
        answer.on_close(lambda _: self._timer.cancel())

    def _look(self) -> None:
        now_s = monotonic()
        quiet_s = 0.0 if self._answer.paused else now_s - self._answer.last_event_at_s
        if now_s >= self._ends_at_s:
            self._end(DeadlineExceeded("The stream ran past the deadline of its route."))
        elif quiet_s >= self._idle_gap_s:
            self._end(UpstreamTimeout(f"The provider sent nothing for {self._idle_gap_s:g} s."))
        else:
            self._timer = self._later(min(self._idle_gap_s - quiet_s, self._ends_at_s - now_s), self._look)

    def _end(self, error: PenstockError) -> None:
        self._answer.end(Outcome("error", error))
