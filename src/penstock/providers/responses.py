"""Answers of providers that have ``/responses`` themselves, whole and streamed: passed on but for the model's name."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.answer import Answer, Event, EventKind
from penstock.core.call import Call, Usage
from penstock.core.plan import Target
from penstock.dialects.openai.response import rename_model
from penstock.dialects.responses.body import ResponsesBody
from penstock.dialects.responses.response import (
    StreamEvent,
    estimate_delta_tokens,
    estimate_output_tokens,
    read_event,
    read_response,
    rename_event,
)
from penstock.dialects.sse import SseSplitter
from penstock.providers.openai_reader import EVENT_LIMIT_BYTES


class ResponsesWay:
    """Responses of one deployment that has them itself, for callers who speak them too. See ``Way``."""

    path = stream_path = "/responses"
    passes_lines = True

    def __init__(self, target: Target, *, withhold: Sequence[str] = ()) -> None:
        self._alias = target.alias
        self.encode = ResponsesBody(
            target.model_id, max_output_tokens=target.max_output_tokens, withhold=withhold
        ).write

    def decode(self, body: bytes, call: Call) -> Answer:
        """The provider's answer under the name that the caller used."""
        response = read_response(body)
        usage = response.usage or Usage(call.input_tokens, estimate_output_tokens(body), estimated=True)
        answer = Answer("responses", body=rename_model(body, call.model or self._alias, response.model), usage=usage)
        answer.finish_reason = response.finish_reason
        return answer

    def reader(self, call: Call) -> ResponseReader:
        """The provider's events under the name that the caller used."""
        return ResponseReader(call, call.model or self._alias)


class ResponseReader:
    """Events out of one stream's bytes, and what is known of it so far. A ``relay.StreamReader``.

    ``done`` comes with ``finished``: the event that holds the whole answer is the last one. An event that tells of an
    error raises, so that before the first content another target can answer, and after it the edge ends the stream with
    an event of its own; the provider's words are not passed on.
    """

    __slots__ = ("_alias", "_input_tokens", "_output_tokens", "_splitter", "_usage", "done", "finished", "has_content")

    def __init__(self, call: Call, alias: str) -> None:
        self.has_content = False
        self.finished = False
        self.done = False
        self._alias = alias
        self._usage: Usage | None = None
        self._input_tokens = call.input_tokens
        self._output_tokens = 0
        self._splitter = SseSplitter(EVENT_LIMIT_BYTES)

    @property
    def usage(self) -> Usage:
        """As the provider said last, else estimated from what it sent; a count of no output is none."""
        said, output_tokens = self._usage, self._output_tokens
        if said is not None and (said.output_tokens or not output_tokens):
            return said
        input_tokens = self._input_tokens if said is None else said.input_tokens or self._input_tokens
        return Usage(input_tokens, output_tokens, estimated=True)

    def read(self, data: bytes, events: list[Event]) -> None:
        """Append the events that ``data`` completes. Raises ``UpstreamMalformed`` behind the last good one."""
        for payload in self._splitter.feed(data) if data else ():
            self._take(payload, events)

    def flush(self, events: list[Event]) -> None:
        """The body has ended: append the event that its last blank line is missing from, if any."""
        for payload in self._splitter.flush():
            self._take(payload, events)

    def ending(self) -> Event:
        """The stream's usage, for the gateway alone: a client has read it in the event before."""
        return Event(b"", "responses", "usage", self.usage)

    def _take(self, payload: bytes, events: list[Event]) -> None:
        if self.done or payload.strip() == b"[DONE]":  # not of this dialect: without the whole answer it ends nothing
            return
        event = read_event(payload)
        kind, reason = self._learn(event)
        if event.response is not None:
            payload = rename_event(payload, self._alias, event.response.model)
        if b"\n" in payload:  # between values, for strings hold none; an event of ours is one line
            payload = payload.replace(b"\n", b" ")
        raw = b"event: %b\ndata: %b\n\n" % (event.type.encode(), payload)
        events.append(Event(raw, "responses", kind, None, reason))

    def _learn(self, event: StreamEvent) -> tuple[EventKind, str | None]:
        kind: EventKind = "started"
        reason = None
        response = event.response
        if response is not None:
            self._usage = response.usage or self._usage
            if event.ends:
                kind, reason = "finished", response.finish_reason or "stop"
                self.finished = self.done = True
        elif event.delta:
            kind = "delta"
            self._output_tokens += estimate_delta_tokens(event)
        elif event.type == "response.output_item.done" and event.item is not None and event.item.type != "reasoning":
            kind = "delta"  # some items come without deltas
        self.has_content = self.has_content or kind != "started"
        return kind, reason
