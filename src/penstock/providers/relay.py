"""``Relay``: a provider's stream becomes an answer. What its bytes mean is for a ``StreamReader`` to say."""

from __future__ import annotations

import asyncio
from typing import Protocol

from penstock.core.answer import END, Answer, Event, Outcome
from penstock.core.call import Dialect, Usage
from penstock.core.errors import PenstockError, UpstreamCut, UpstreamMalformed
from penstock.core.ports import HttpResponse

# What a provider may send before the first event with content.
EARLY_LIMIT_BYTES = 8 * 1024 * 1024
# How long a body may stay open after its last event, unseen by the client: if it ends, its connection can be used again.
DONE_GRACE_S = 0.5
_ENDED_EARLY = "The provider's stream ended before the answer was complete."
_FRAMING = frozenset({b"transfer-encoding", b"content-length"})


class StreamReader(Protocol):
    """Makes events of one stream's bytes, without I/O, and knows how far the answer is."""

    @property
    def has_content(self) -> bool:
        """Whether a client would have seen something."""

    @property
    def finished(self) -> bool:
        """Whether the answer is complete, whatever may still follow."""

    @property
    def done(self) -> bool:
        """Whether the provider has said that nothing follows."""

    @property
    def usage(self) -> Usage:
        """As the provider said last, else estimated from what it sent."""

    def read(self, data: bytes, events: list[Event]) -> None:
        """Append the events that ``data`` completes. Raises ``UpstreamMalformed`` behind the last good one."""

    def flush(self, events: list[Event]) -> None:
        """The body has ended: append the event that its last blank line is missing from, if any."""

    def ending(self) -> Event:
        """The last event: the stream's usage, and what its client gets at the end."""


class Relay:
    """One stream in flight: receives the provider's body and is the answer's source.

    ``first_content`` resolves when the answer may be handed on, or raises why it never will be. Whoever made the
    relay closes it unless the answer was handed on.
    """

    __slots__ = (
        "_body_over",
        "_early",
        "_early_bytes",
        "_framed",
        "_grace",
        "_handed_on",
        "_over",
        "_reader",
        "_response",
        "answer",
        "first_content",
    )

    def __init__(self, reader: StreamReader, response: HttpResponse, dialect: Dialect) -> None:
        loop = asyncio.get_running_loop()
        self.answer = Answer(dialect, source=self)
        self.first_content: asyncio.Future[None] = loop.create_future()
        self._reader = reader
        self._response = response
        self._early: list[Event] = []
        self._early_bytes = 0
        self._handed_on = False
        self._over = False
        self._body_over = False
        self._grace: asyncio.TimerHandle | None = None
        # A body whose end is said by nothing but its connection's looks the same when it is cut (RFC 9112, 8).
        self._framed = any(name in _FRAMING for name, _ in response.headers)
        response.attach(self)

    # --- the provider's side ---

    def body_received(self, data: bytes) -> None:
        """Turn one read into one push. What follows ``[DONE]`` is not read."""
        if self._over:
            self._release()
            return
        events: list[Event] = []
        try:
            self._reader.read(data, events)
        except PenstockError as error:  # malformed, or blocked by the provider
            self._push(events)
            self._break(error)
            return
        self._push(events)
        if self._reader.done and not self._over:
            self._finish()

    def body_ended(self) -> None:
        """A body may end without ``[DONE]`` once every choice has finished, if it is known to have ended."""
        self._body_over = True
        if self._over:
            self._release()
            return
        events: list[Event] = []
        try:
            self._reader.flush(events)
        except PenstockError as error:
            self._break(error if self._framed else UpstreamCut(_ENDED_EARLY))
            return
        self._push(events)
        if self._reader.done or (self._reader.finished and self._framed):
            self._finish()
        elif not self._handed_on and not self._early:
            self._break(UpstreamMalformed("The provider did not answer with a stream of events."))
        else:
            self._break(UpstreamCut(_ENDED_EARLY))

    def body_failed(self, error: Exception) -> None:
        """A connection that breaks before ``[DONE]`` has cut the stream, whatever came before: we do not say it for them."""
        self._body_over = True
        if self._over:
            self._release()
            return
        if isinstance(error, PenstockError):
            self._break(error)
        else:
            self._break(UpstreamCut("The connection to the provider broke before the answer was complete."))

    # --- the answer's side ---

    def written_tokens(self) -> int:
        """About how many tokens of output have come so far."""
        return self._reader.usage.output_tokens

    def pause(self) -> None:
        """Let the provider wait."""
        self._response.pause()

    def resume(self) -> None:
        """Read on."""
        self._response.resume()

    def close(self) -> None:
        """Free the connection, unless the end of its body may still come; usage is what the reader makes of it all."""
        self._over = True
        self.answer.usage = self._reader.usage
        if self._body_over or not self._reader.done:
            self._release()
        elif self._grace is None:
            self._response.resume()
            self._grace = asyncio.get_running_loop().call_later(DONE_GRACE_S, self._response.close)

    # --- within ---

    def _release(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
        self._response.close()

    def _push(self, events: list[Event]) -> None:
        if not events:
            return
        if self._handed_on:
            self.answer.feed(events)
            return
        self._early += events
        if self._reader.has_content:
            self._handed_on = True
            early, self._early = self._early, []
            self.answer.feed(early)
            if not self.first_content.done():
                self.first_content.set_result(None)
            return
        self._early_bytes += sum(len(event.raw) for event in events)
        if self._early_bytes > EARLY_LIMIT_BYTES:
            self._break(UpstreamMalformed("The provider's stream is long and has no content."))

    def _finish(self) -> None:
        if not self._handed_on:
            self._break(UpstreamCut("The provider's stream ended without content."))
            return
        self._over = True
        self.answer.feed([self._reader.ending()])
        self.answer.end(END)

    def _break(self, error: PenstockError) -> None:
        self._over = True
        if self._handed_on:
            self.answer.end(Outcome("error", error))
        elif not self.first_content.done():
            self.first_content.set_exception(error)
