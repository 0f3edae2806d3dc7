"""An event loop whose time is played: it moves on when nothing is ready, by just as much as is waited for."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _PlayedSelector(selectors.SelectSelector):
    """Never waits: whoever would sleep finds the time passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; without anything, ``timeout`` has passed."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                msg = "everybody waits, and for nothing that time could bring"
                raise RuntimeError(msg)
            self.now_s += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time`` is virtual seconds, from 0."""

    def __init__(self) -> None:
        self._played = _PlayedSelector()
        super().__init__(self._played)

    def time(self) -> float:
        """The time that is played."""
        return self._played.now_s


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, in no time; nothing may be left running."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(main)
        left = [task for task in asyncio.all_tasks(runner.get_loop()) if not task.done()]
        assert not left, left
        return result


def now_s() -> float:
    """The clock of the loop that runs."""
    return asyncio.get_running_loop().time()
