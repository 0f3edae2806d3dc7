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
        self._due: dict[TimeLimit, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at_s = inf

    def add(self, limit: TimeLimit, seconds: float) -> None:
        """Expire ``limit`` in so many seconds."""
        at_s = self._due[limit] = self.loop.time() + seconds
        if at_s < self._fires_at_s:
            self._set(at_s)

    def discard(self, limit: TimeLimit) -> None:
        """Forget ``limit``, whether or not it has expired."""
        self._due.pop(limit, None)

    def _set(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires_at_s = at_s
        self._timer = self.loop.call_at(at_s, self._fire)

    def _fire(self) -> None:
        self._timer, self._fires_at_s = None, inf
        now_s = self.loop.time()
        for limit in [limit for limit, at_s in self._due.items() if at_s <= now_s]:
            del self._due[limit]
            limit.expire()
        if self._due:
            self._set(min(self._due.values()))


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
        task = asyncio.current_task(self._deadlines.loop)
        if task is None:
            msg = "a time limit bounds a task, and there is none"
            raise RuntimeError(msg)
        self._task = task
        self._cancelling = task.cancelling()
        self._deadlines.add(self, self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.discard(self)
        # A cancellation from outside that came as well goes on as one.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """The time is up."""
        self._expired = True
        self._task.cancel()
