"""``Answer``: what a handler returns at the first content, and the stream that follows it.

Content is *pushed*: whoever produces it calls ``feed`` and ``end``, whoever delivers it ``attach``es one sink, and
between them no task is woken. What is fed before a sink is attached is held. Stages act through two hooks only:
``on_event`` for every event on its way to the sink and ``on_close`` exactly once, however the answer ends. What must be
done however the call ends, without an answer too, is the trail's ``endings`` (``chain.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from penstock.core.call import Dialect, Outcome, Usage

__all__ = ["CANCEL", "DISCONNECT", "END", "Answer", "Event", "EventKind", "Outcome", "Sink", "Source", "report"]

EventKind: TypeAlias = Literal["started", "delta", "usage", "finished"]


class Event(Struct, frozen=True):
    """One item of a stream as its dialect frames it.

    ``raw`` is what a client of the same dialect gets, byte for byte; empty when the item is for the gateway alone
    (usage that the client did not ask for). An error is never an event: it ends the answer.
    """

    raw: bytes
    dialect: Dialect
    kind: EventKind
    usage: Usage | None = None
    finish_reason: str | None = None


END = Outcome("end")
CANCEL = Outcome("cancel")
DISCONNECT = Outcome("disconnect")


class Sink(Protocol):
    """Takes a stream: an edge's connection, or a test's list."""

    def feed(self, events: Sequence[Event]) -> None:
        """Take the next events, in order."""

    def end(self, outcome: Outcome) -> None:
        """Take the end; nothing follows it."""


class Source(Protocol):
    """Produces a stream, and can be told to wait or to stop. ``close`` may be called twice."""

    def written_tokens(self) -> int:
        """About how many tokens of output have come so far."""

    def pause(self) -> None:
        """Stop reading from the upstream until ``resume``."""

    def resume(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Free the upstream, whether or not it has ended."""


class Answer:
    """Head first, then either one complete ``body`` or a stream of events.

    Whoever holds an answer must bring it to an end: ``attach`` a sink and let it run, or ``close`` it.
    """

    # A producer that runs ahead of its sink is paused at this many held events.
    HELD_EVENTS = 64

    __slots__ = (
        "_close_hooks",
        "_event_hooks",
        "_held",
        "_pending_end",
        "_sink",
        "_source",
        "attempt",
        "body",
        "dialect",
        "finish_reason",
        "last_event_at_s",
        "outcome",
        "paused",
        "usage",
        "was_paused",
    )

    def __init__(
        self, dialect: Dialect, *, body: bytes | None = None, source: Source | None = None, usage: Usage | None = None
    ) -> None:
        self.dialect = dialect
        self.body = body
        self.usage = usage
        self.finish_reason: str | None = None
        self.last_event_at_s = 0.0
        self.outcome: Outcome | None = None
        # ``was_paused`` stays true until whoever looks for it has seen it.
        self.paused = self.was_paused = False
        # Which of the trail's attempts it comes from.
        self.attempt: int | None = None
        self._source = source
        self._sink: Sink | None = None
        self._held: list[Event] = []
        self._pending_end: Outcome | None = None
        self._event_hooks: list[Callable[[Event], None]] = []
        self._close_hooks: list[Callable[[Outcome], None]] = []

    # --- stages ---

    def on_event(self, hook: Callable[[Event], None]) -> None:
        """Call ``hook`` with every event just before the sink gets it; it must neither wait nor raise."""
        self._event_hooks.append(hook)

    def on_close(self, hook: Callable[[Outcome], None]) -> None:
        """Call ``hook`` once when the answer ends; at once if it has ended. Inner stages' hooks run first."""
        if self.outcome is None:
            self._close_hooks.append(hook)
        else:
            hook(self.outcome)

    # --- the producer ---

    def feed(self, events: Sequence[Event]) -> None:
        """Push events towards the sink; ignored after the end."""
        sink = self._sink
        if sink is not None:  # never after the end
            self.last_event_at_s = monotonic()
            self._deliver(events, sink)
        elif self.outcome is None and self._pending_end is None:
            self.last_event_at_s = monotonic()
            self._held.extend(events)
            if len(self._held) >= self.HELD_EVENTS and not self.paused:
                self.pause()

    def end(self, outcome: Outcome = END) -> None:
        """The stream is over: complete, or broken by ``outcome.error``. Held back until the sink has all before it."""
        if self.outcome is not None or self._pending_end is not None:
            return
        if self._sink is None:
            self._pending_end = outcome
        else:
            self._finish(outcome)

    # --- the consumer ---

    def attach(self, sink: Sink) -> None:
        """Deliver what is held, then everything that comes, to ``sink``. Once only."""
        if self._sink is not None or self.outcome is not None:
            msg = "an answer is attached once, before it has ended"
            raise RuntimeError(msg)
        self._sink = sink
        held, self._held = self._held, []
        if held:
            self._deliver(held, sink)
        if self._pending_end is not None:
            self._finish(self._pending_end)
        elif self.paused:
            self.resume()

    def pause(self) -> None:
        """The client is slow: stop reading from the upstream."""
        self.paused = self.was_paused = True
        if self._source is not None:
            self._source.pause()

    def resume(self) -> None:
        """The client has caught up."""
        self.paused = False
        self.last_event_at_s = monotonic()
        if self._source is not None:
            self._source.resume()

    def close(self, outcome: Outcome) -> None:
        """End the answer from the consumer's side: delivered, cancelled or disconnected. Frees the source."""
        if self.outcome is None:
            self._sink = None
            self._held.clear()
            self._finish(outcome)

    def written_tokens(self) -> int:
        """About how many tokens of output have come so far."""
        return 0 if self._source is None else self._source.written_tokens()

    # --- within ---

    def _deliver(self, events: Sequence[Event], sink: Sink) -> None:
        for event in events:
            if event.usage is not None:
                self.usage = event.usage
            if event.finish_reason is not None:
                self.finish_reason = event.finish_reason
            for hook in self._event_hooks:
                hook(event)
        sink.feed(events)

    def _finish(self, outcome: Outcome) -> None:
        self.outcome = outcome
        sink, self._sink = self._sink, None
        source, self._source = self._source, None
        hooks, self._close_hooks = self._close_hooks, []
        self._event_hooks.clear()
        if source is not None:
            hooks.insert(0, lambda _: source.close())
        if sink is not None:
            hooks.append(sink.end)
        for hook in hooks:
            try:
                hook(outcome)
            except Exception as error:  # noqa: BLE001 - one stage's fault must not keep the next from settling
                report(error)


def report(error: Exception) -> None:
    """Tell the loop of a hook that failed; nobody else is to suffer by it."""
    asyncio.get_running_loop().call_exception_handler({"message": "a close hook failed", "exception": error})
