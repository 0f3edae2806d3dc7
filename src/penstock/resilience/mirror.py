"""``mirror``: a call is answered by one target and sent to another one as well, whose answer nobody gets: shadow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from penstock.core.answer import CANCEL, END, Answer, Event, Outcome, report
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError

# Copies under way at once: beyond that they are left out, for they must never cost a caller anything.
MOST = 64


def mirror(main: Handler, send_copy: Callable[[Call], object]) -> Handler:
    """Answer with ``main``; a copy of the call goes its own way, whatever becomes of either."""

    def handle(call: Call) -> Awaitable[Answer]:
        send_copy(call)
        return main(call)

    return handle


class Shadows:
    """The copies under way in this process, whose answers are read to their end and dropped."""

    def __init__(self, most: int = MOST) -> None:
        self.left_out = 0
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def send(self, handler: Handler, call: Call) -> bool:
        """Start ``call`` on its way through ``handler``; false where there is no room for it."""
        if len(self._tasks) >= self._most:
            self.left_out += 1
            return False
        task = asyncio.get_running_loop().create_task(_follow(handler, call))
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return True

    async def aclose(self) -> None:
        """Give up those that are under way; what they have used is settled."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            report(error)


async def _follow(handler: Handler, call: Call) -> None:
    with suppress(PenstockError):  # which stands in the copy's own record
        answer = await handler(call)
        if answer.body is not None:
            answer.close(END)
        else:
            await _Drain(answer).over


class _Drain:
    """A sink that drops what it gets; ``over`` is done at the end. The stream's own limits bound it."""

    def __init__(self, answer: Answer) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A copy that is given up frees its provider.
        self.over.add_done_callback(lambda over: answer.close(CANCEL) if over.cancelled() else None)
        answer.attach(self)

    def feed(self, events: Sequence[Event]) -> None:
        """Drop them."""

    def end(self, _outcome: Outcome) -> None:
        """It is over."""
        if not self.over.done():
            self.over.set_result(None)
