"""Bulkheads: so many calls are in one place at once, a few more wait in line, the rest are told at once.

What hangs then holds its own share of the gateway, and nothing of its neighbours'. (``asyncio.Semaphore`` bounds
neither its line nor the time in it.)
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

from penstock.core.errors import BulkheadFull
from penstock.core.policy import BulkheadPolicy

W = TypeVar("W", bound=Hashable)

# Calls end at no known time; a second is long enough to free a slot and short enough not to idle one.
_RETRY_AFTER_S = 1.0


class Slots(Generic[W]):
    """Who has a slot, who stands in line for one and who is refused. Pure: no clock, no task.

    A slot that is given back goes to the first in line before anyone else can see it, so nobody overtakes.
    """

    __slots__ = ("_line", "_most", "_waiting", "taken")

    def __init__(self, *, most: int, waiting: int) -> None:
        self.taken = 0
        self._most = most
        self._waiting = waiting
        self._line: OrderedDict[W, None] = OrderedDict()

    @property
    def in_line(self) -> int:
        """How many wait."""
        return len(self._line)

    def enter(self) -> bool:
        """Take a slot, if one is free."""
        if self.taken < self._most:
            self.taken += 1
            return True
        return False

    def line_up(self, waiter: W) -> bool:
        """Stand at the end of the line, if it is not full; to be asked after ``enter``, in the same turn."""
        if len(self._line) >= self._waiting:
            return False
        self._line[waiter] = None
        return True

    def step_out(self, waiter: W) -> None:
        """Wait no more; nothing where the waiter has been called already."""
        self._line.pop(waiter, None)

    def pass_on(self) -> W | None:
        """Give a slot back: the waiter that is returned has it from now on; without one it is free."""
        if self._line:
            return self._line.popitem(last=False)[0]
        self.taken -= 1
        return None


class Bulkhead(Slots["asyncio.Future[bool]"]):
    """The slots of one target, or of any other thing that may hang; ``name`` is what a refused caller is told.

    ``enter``, else ``wait``, and ``leave`` once for each that came in; ``async with bulkhead`` does so for a block.
    """

    __slots__ = ("_name", "_policy")

    def __init__(self, name: str, policy: BulkheadPolicy) -> None:
        super().__init__(most=policy.most, waiting=policy.waiting)
        self._name = name
        self._policy = policy

    async def wait(self, left_s: float = inf) -> None:
        """Take a slot, in line if need be, for no longer than the policy and ``left_s`` say. Raises ``BulkheadFull``."""
        if self.enter():
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        wait_s = min(self._policy.wait_s, left_s)
        if wait_s <= 0 or not self.line_up(turn):
            raise self._full()
        timer = loop.call_later(wait_s, _call_off, turn)
        try:
            entered = await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.result():  # cancelled in the very turn that was ours
                self.leave()
            raise
        finally:
            timer.cancel()
            self.step_out(turn)
        if not entered:
            raise self._full()

    def leave(self) -> None:
        """Give a slot back: to the first in line that still waits."""
        while (turn := self.pass_on()) is not None:
            if not turn.done():
                turn.set_result(True)
                return

    async def __aenter__(self) -> None:
        await self.wait()

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def _full(self) -> BulkheadFull:
        policy = self._policy
        return BulkheadFull(
            f"'{self._name}' answers {policy.most} calls at once and no more, and none has ended for this one: ask "
            "again shortly, name another model, or ask your operator for a higher limit.",
            retry_after_s=_RETRY_AFTER_S,
        )


def _call_off(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)
