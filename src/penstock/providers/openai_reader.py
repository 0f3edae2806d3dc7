"""``ChunkReader``: a stream of chat completion chunks for a caller who reads such chunks."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.answer import Event, EventKind
from penstock.core.call import Call, Usage
from penstock.dialects.openai.response import Chunk, ChunkRewriter, read_chunk
from penstock.dialects.openai.stencil import Stencil
from penstock.dialects.sse import SseSplitter

EVENT_LIMIT_BYTES = 8 * 1024 * 1024


class ChunkReader:
    """Events out of one stream's bytes, and what is known of it so far.

    ``has_content`` once a client would see something, ``finished`` once every choice has its finish reason, ``done``
    after ``[DONE]``. ``read_payload`` is for streams whose chunks have another shape than those of a chat.
    """

    __slots__ = (
        "_choices",
        "_finished_choices",
        "_input_tokens",
        "_last_chunk",
        "_output_tokens",
        "_read_payload",
        "_rewriter",
        "_splitter",
        "_stencil",
        "_usage",
        "_usage_asked",
        "_usage_chunk",
        "done",
        "has_content",
    )

    def __init__(self, call: Call, alias: str, read_payload: Callable[[bytes], Chunk] = read_chunk) -> None:
        self._read_payload = read_payload
        self.has_content = False
        self.done = False
        self._usage: Usage | None = None
        self._input_tokens = call.input_tokens
        self._output_tokens = 0
        self._choices = call.choices
        self._finished_choices: set[int] = set()
        self._usage_asked = call.include_usage
        self._usage_chunk = b""
        self._last_chunk = b""
        self._splitter = SseSplitter(EVENT_LIMIT_BYTES)
        self._rewriter = ChunkRewriter(alias, keep_usage=call.include_usage)
        self._stencil = Stencil(self._rewriter)

    @property
    def finished(self) -> bool:
        """Whether the answer is complete, whatever may still follow."""
        return len(self._finished_choices) >= self._choices

    @property
    def usage(self) -> Usage:
        """As the provider said last, else estimated from what it sent; a count of no output is none."""
        said, output_tokens = self._usage, self._output_tokens + self._stencil.tokens
        if said is not None and (said.output_tokens or not output_tokens):
            return said
        input_tokens = self._input_tokens if said is None else said.input_tokens or self._input_tokens
        return Usage(input_tokens, output_tokens, estimated=True)

    def read(self, data: bytes, events: list[Event]) -> None:
        """Append the events that ``data`` completes. Raises ``UpstreamMalformed`` behind the last good one."""
        if self._splitter.between_events:
            passed = self._stencil.apply(data, events)
            if passed:
                data = data[passed:]
        for payload in self._splitter.feed(data) if data else ():
            self._take(payload, events)

    def flush(self, events: list[Event]) -> None:
        """The body has ended: append the event that its last blank line is missing from, if any."""
        for payload in self._splitter.flush():
            self._take(payload, events)

    def ending(self) -> Event:
        """The last event: the stream's usage, and for a client that asked the one chunk of it."""
        usage, chunk = self.usage, self._usage_chunk
        if not self._usage_asked:
            chunk = b""
        elif usage.estimated or not chunk:
            chunk = self._rewriter.usage_chunk(self._last_chunk, usage)
        return Event(b"data: " + chunk + b"\n\n" if chunk else b"", "openai", "usage", usage)

    def _take(self, payload: bytes, events: list[Event]) -> None:
        if self.done or payload.strip() == b"[DONE]":
            self.done = True
            return
        chunk = self._read_payload(payload)
        if b"\n" in payload:  # between values, for strings hold none; an event of ours is one line
            payload = payload.replace(b"\n", b" ")
        self._last_chunk = payload
        kind: EventKind = "started"
        reason = text = None
        for choice in chunk.choices or ():
            delta = choice.delta
            if delta:
                kind, text = "delta", delta.content
                self._output_tokens += delta.estimated_tokens
            if choice.finish_reason:
                reason = choice.finish_reason
                self._finished_choices.add(choice.index)
        if reason is not None:
            kind = "finished"
        self.has_content = self.has_content or kind != "started"
        raw = self._rewriter.rewrite(payload, chunk)
        if chunk.wire_usage is not None:
            # However often a provider says it, usage is told once, at the end: clients add it up.
            self._usage = chunk.usage or self._usage
            self._usage_chunk = b"" if chunk.choices else raw
            if not chunk.choices:
                return
        elif text:
            self._stencil.learn(payload, chunk)
        events.append(Event(b"data: " + raw + b"\n\n", "openai", kind, None, reason))
