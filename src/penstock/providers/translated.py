"""``Translated``: a deployment that answers in one dialect, for callers of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from penstock.core.answer import Answer, Event, EventKind
from penstock.core.call import Call, Dialect, Usage
from penstock.core.conversation import (
    Begun,
    Ended,
    Finish,
    Item,
    Part,
    Refusal,
    RefusalGrown,
    Text,
    TextGrown,
    Thought,
    ThoughtGrown,
    ThoughtSealed,
    ToolBegun,
    ToolGrown,
    ToolUse,
    Used,
)
from penstock.core.tokens import estimate_tokens
from penstock.dialects.callers import CALLER_SIDES
from penstock.dialects.sse import SseSplitter
from penstock.dialects.translation import CallerSide, ItemReader, ItemWriter, ProviderSide
from penstock.providers.way import Way

EVENT_LIMIT_BYTES = 8 * 1024 * 1024
# What stages and metrics call them, whatever the dialect.
REASONS: Mapping[Finish, str] = {
    "stop": "stop",
    "length": "length",
    "tools": "tool_calls",
    "filtered": "content_filter",
    "refused": "content_filter",
    "paused": "pause",
    "context": "length",
}


def translations(provider: ProviderSide, *, path: str, stream_path: str) -> dict[Dialect, Way]:
    """A way for every dialect that calls come in."""
    return {
        dialect: Translated(caller, provider, path=path, stream_path=stream_path)
        for dialect, caller in CALLER_SIDES.items()
    }


class Translated:
    """A way (see ``way.Way``) through ``core.conversation``: one dialect's caller side, another's provider side."""

    passes_lines = False  # they speak of a body that goes no further

    def __init__(
        self, caller: Callable[[], CallerSide], provider: ProviderSide, *, path: str, stream_path: str
    ) -> None:
        self.path = path
        self.stream_path = stream_path
        self._caller = caller
        self._provider = provider

    def encode(self, call: Call) -> bytes:
        """The call as the provider reads it. Raises ``InvalidParameter``, ``UnsupportedParameter``."""
        return self._provider.request(self._caller().conversation(call), call)

    def decode(self, body: bytes, call: Call) -> Answer:
        """The provider's answer as the caller reads it."""
        reply = self._provider.reply(body)
        usage = _counted(reply.usage, call, sum(map(_tokens, reply.parts)))
        answer = Answer(call.dialect, body=self._caller().reply(reply, call, usage), usage=usage)
        answer.finish_reason = REASONS[reply.finish]
        return answer

    def reader(self, call: Call) -> TranslatingReader:
        """The provider's stream as the caller reads it."""
        return TranslatingReader(call, self._provider.reader(), self._caller().writer(call))


class TranslatingReader:
    """A ``relay.StreamReader``: events that ``items`` reads, as ``writer`` writes them."""

    __slots__ = (
        "_call",
        "_items",
        "_output_tokens",
        "_said",
        "_splitter",
        "_writer",
        "finished",
        "has_content",
    )

    def __init__(self, call: Call, items: ItemReader, writer: ItemWriter) -> None:
        self.has_content = self.finished = False
        self._call = call
        self._items = items
        self._writer = writer
        self._splitter = SseSplitter(EVENT_LIMIT_BYTES)
        self._said: Usage | None = None
        self._output_tokens = 0

    @property
    def done(self) -> bool:
        """Whether the provider has said that nothing follows."""
        return self._items.done

    @property
    def usage(self) -> Usage:
        """As the provider said last, else estimated from what it sent."""
        return _counted(self._said, self._call, self._output_tokens)

    def read(self, data: bytes, events: list[Event]) -> None:
        """Append the events that ``data`` completes. Raises ``UpstreamMalformed`` behind the last good one."""
        for payload in self._splitter.feed(data):
            self._take(payload, events)

    def flush(self, events: list[Event]) -> None:
        """The body has ended: append the event that its last blank line is missing from, if any."""
        for payload in self._splitter.flush():
            self._take(payload, events)

    def ending(self) -> Event:
        """The last event: what the caller's dialect says at the end."""
        usage = self.usage
        return Event(self._writer.end(usage), self._call.dialect, "usage", usage)

    def _take(self, payload: bytes, events: list[Event]) -> None:
        if self._items.done:
            return
        for item in self._items.read(payload):
            kind, reason = self._judge(item)
            raw = self._writer.write(item)
            if raw or reason:
                events.append(Event(raw, self._call.dialect, kind, None, reason))

    def _judge(self, item: Item) -> tuple[EventKind, str | None]:
        if isinstance(item, TextGrown | ThoughtGrown | RefusalGrown | ToolGrown):
            if not item.text:
                return "started", None
            self._output_tokens += estimate_tokens(item.text)
            self.has_content = True
            return "delta", None
        if isinstance(item, ToolBegun | ThoughtSealed):
            self.has_content = True
            return "delta", None
        if isinstance(item, Ended):
            self.finished = self.has_content = True
            return "finished", REASONS[item.finish]
        if isinstance(item, Begun | Used):
            self._said = item.usage
        return "started", None


def _counted(said: Usage | None, call: Call, output_tokens: int) -> Usage:
    """As the provider said; where it counts nothing of what was asked or answered, the estimate of that."""
    said = said or Usage()
    if (said.input_tokens or not call.input_tokens) and (said.output_tokens or not output_tokens):
        return said
    return replace(
        said,
        input_tokens=said.input_tokens or call.input_tokens,
        output_tokens=said.output_tokens or output_tokens,
        estimated=True,
    )


def _tokens(part: Part) -> int:
    if isinstance(part, Text | Refusal | Thought):
        return estimate_tokens(part.text)
    return estimate_tokens(part.arguments) if isinstance(part, ToolUse) else 0
