"""Bounds on waiting, for the path of every request."""

from __future__ import annotations

import asyncio
from math import inf
from types import TracebackType


class Deadlines:
    """Bounds on waits in one loop, all under one timer.

    Nearly every wait ends long before its bound, so a bound is an entry in a dict: a timer of its own, set and
    cancelled, would take 3 us of every call. The one timer stands at the earliest entry it has seen and looks again
    when it fires.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        # When each is due; whoever adds an earlier one than the timer stands at moves it there.
        self.due: dict[TimeLimit, float] = {}
        self.fires_at_s = inf
        self._timer: asyncio.TimerHandle | None = None

    def move(self, at_s: float) -> None:
        """Look at ``at_s`` (seconds of the loop's clock)."""
        if self._timer is not None:
            self._timer.cancel()
        self.fires_at_s = at_s
        self._timer = self.loop.call_at(at_s, self._fire)

    def _fire(self) -> None:
        self._timer, self.fires_at_s = None, inf
        now_s = self.loop.time()
        for limit in [limit for limit, at_s in self.due.items() if at_s <= now_s]:
            del self.due[limit]
            limit.expire()
        if self.due:
            self.move(min(self.due.values()))


class TimeLimit:
    """``with TimeLimit(deadlines, seconds):`` cancels the task inside and raises ``TimeoutError`` when they have passed.

    What ``asyncio.timeout`` does, without a timer of its own.
    """

    __slots__ = ("_cancelling", "_deadlines", "_expired", "_seconds", "_task")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        deadlines = self._deadlines
        task = asyncio.current_task(deadlines.loop)
        if task is None:
            msg = "a time limit bounds a task, and there is none"
            raise RuntimeError(msg)
        self._task = task
        self._cancelling = task.cancelling()
        at_s = deadlines.due[self] = deadlines.loop.time() + self._seconds
        if at_s < deadlines.fires_at_s:
            deadlines.move(at_s)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.due.pop(self, None)
        # A cancellation from outside that came as well goes on as one.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """The time is up."""
        self._expired = True
        self._task.cancel()
