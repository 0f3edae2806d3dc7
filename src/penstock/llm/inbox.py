"""``Inbox``: a sink for whoever takes a streamed answer at a pace of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from penstock.core.answer import Answer, Event, Outcome


class Inbox:
    """Keeps what has come of ``answer`` until it is taken; a provider that runs ahead is told to wait."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._events: deque[Event] = deque()
        self._outcome: Outcome | None = None
        self._news = asyncio.Event()
        answer.attach(self)

    def feed(self, events: Sequence[Event]) -> None:
        """See ``core.answer.Sink.feed``."""
        self._events.extend(events)
        self._news.set()
        if len(self._events) >= Answer.HELD_EVENTS and not self._answer.paused:
            self._answer.pause()

    def end(self, outcome: Outcome) -> None:
        """See ``core.answer.Sink.end``."""
        self._outcome = outcome
        self._news.set()

    async def take(self) -> Event | None:
        """The next event, ``None`` after the last one. Raises the error that the stream has ended with."""
        while not self._events:
            if self._outcome is not None:
                if self._outcome.error is not None:
                    raise self._outcome.error
                return None
            self._news.clear()
            if self._answer.paused:
                self._answer.resume()
            await self._news.wait()
        return self._events.popleft()
