"""A clock that a test moves by hand, and a loop that goes by one."""

from __future__ import annotations

import asyncio


class HandClock:
    """Calling it gives ``now_s``; monotonic or wall time, as the test likes."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        """Move on."""
        self.now_s += seconds


class HandLoop(asyncio.SelectorEventLoop):
    """A loop that runs when it is told to, at the time that it is told: ``now_s`` is what its timers go by."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__()

    def time(self) -> float:
        """See ``asyncio``."""
        return self.now_s

    def settle(self) -> None:
        """Run what is ready and what is due, and what that makes ready; nothing is waited for."""
        self.run_until_complete(_turns())


async def _turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)
