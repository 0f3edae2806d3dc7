"""``resume``: a stream that is cut goes on at another target, with the text so far. Only where its target is resumable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from penstock.core.answer import Answer, Event, Outcome, report
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError, UpstreamError

# What is kept of a stream to go on with; a longer one is not continued.
KEPT_BYTES = 1024 * 1024


class Continuation(Protocol):
    """What a dialect knows of going on."""

    def continued(self, call: Call, raws: Sequence[bytes]) -> Call | None:
        """The call that asks for the rest, after these events; ``None`` where there can be none."""

    def mark(self, last: bytes, target: str) -> bytes:
        """What tells the client that ``target`` writes from here on."""


def resume(main: Handler, others: Handler, continuation: Continuation) -> Handler:
    """Answer with ``main``; when its stream is cut before it was complete, ``others`` write the rest.

    Where they cannot, the client is told of the cut.
    """

    async def handle(call: Call) -> Answer:
        answer = await main(call)
        return answer if answer.body is not None else _Resumed(answer, call, others, continuation).answer

    return handle


class _Resumed:
    """The sink of each part of the stream, one after another, and the source of what the client gets."""

    def __init__(self, part: Answer, call: Call, others: Handler, continuation: Continuation) -> None:
        self.answer = Answer(part.dialect, source=self)
        self.answer.attempt = part.attempt
        self._part = part
        self._call = call
        self._others = others
        self._continuation = continuation
        self._kept: list[bytes] | None = []
        self._kept_bytes = 0
        self._task: asyncio.Task[None] | None = None
        part.attach(self)

    # --- the part's sink ---

    def feed(self, events: Sequence[Event]) -> None:
        """Pass them on, and keep them while they may be needed."""
        if self._kept is not None:
            self._kept += [event.raw for event in events]
            self._kept_bytes += sum(len(event.raw) for event in events)
            if self._kept_bytes > KEPT_BYTES:
                self._kept = None
        self.answer.feed(events)

    def end(self, outcome: Outcome) -> None:
        """A good end is one; a cut is another target's turn, once."""
        kept, self._kept = self._kept, None
        rest = None
        if isinstance(outcome.error, UpstreamError) and kept and any(kept):
            rest = self._continuation.continued(self._call, kept)
        if rest is None:
            self.answer.end(outcome)
            return
        last = next(raw for raw in reversed(kept or ()) if raw)
        self._task = asyncio.get_running_loop().create_task(self._go_on(rest, outcome, last))
        self._task.add_done_callback(_tell)

    # --- the client's source ---

    def written_tokens(self) -> int:
        """Of the part that is being written."""
        return self._part.written_tokens()

    def pause(self) -> None:
        """Let the provider wait."""
        self._part.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._part.resume()

    def close(self) -> None:
        """End the part with what has ended the whole."""
        if self._task is not None:
            self._task.cancel()
        if self.answer.outcome is not None:
            self._part.close(self.answer.outcome)
        self.answer.usage = self.answer.usage or self._part.usage

    # --- within ---

    async def _go_on(self, rest: Call, cut: Outcome, last: bytes) -> None:
        trail, part = self._call.trail, self._part
        if part.attempt is not None and cut.error is not None:
            # The provider bills what it has written.
            made = trail.attempts[part.attempt]
            trail.attempts[part.attempt] = replace(made, error_code=cut.error.code, usage=part.usage)
        answered_by, first_content_at_s = (trail.target, trail.provider, trail.model), trail.first_content_at_s
        try:
            answer = await self._others(rest)
        except PenstockError:
            trail.target, trail.provider, trail.model = answered_by
            self.answer.end(cut)
            return
        self._part = answer
        self._task = None
        trail.first_content_at_s = first_content_at_s
        trail.fallback_used = True
        mark = self._continuation.mark(last, trail.target)
        self.answer.feed([Event(mark, answer.dialect, "started")])
        answer.attach(self)
        if self.answer.paused:  # which attaching would have undone
            answer.pause()


def _tell(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Exception):
        report(error)
