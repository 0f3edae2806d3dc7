"""``ResponsesCaller``: callers of ``POST /v1/responses``, whatever dialect answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import time
from typing import Any

import msgspec

from penstock.core.call import Call, Usage
from penstock.core.conversation import (
    Conversation,
    Ended,
    Item,
    Part,
    PartEnded,
    Refusal,
    RefusalGrown,
    Reply,
    Text,
    TextGrown,
    Thought,
    ThoughtGrown,
    ThoughtSealed,
    ThoughtSigned,
    ToolBegun,
    ToolGrown,
    ToolUse,
)
from penstock.dialects.responses.conversation import read_conversation
from penstock.dialects.responses.output import Event, Output
from penstock.dialects.responses.resource import answer_key, begun, finished

_encode = msgspec.json.encode


class ResponsesCaller:
    """Reads calls and writes answers; ``clock`` is Unix time in seconds.

    A whole answer and the last event of a stream hold the same object for the same items. Ids come from the call's.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock

    def conversation(self, call: Call) -> Conversation:
        """What ``call.fields`` ask, earlier turns included where ``go_on`` has put them. Raises ``InvalidParameter``."""
        return read_conversation(call)

    def reply(self, reply: Reply, call: Call, usage: Usage) -> bytes:
        """The body of a whole answer."""
        now_s = int(self._clock())
        output = Output(answer_key(call))
        for item in _items(reply.parts):
            output.add(item)
        output.add(Ended(finish=reply.finish))
        finish = output.finish or reply.finish
        return _encode(finished(begun(call, now_s), output.items, finish, usage, now_s))

    def writer(self, call: Call) -> ResponsesWriter:
        """For one stream."""
        return ResponsesWriter(call, self._clock)


class ResponsesWriter:
    """Writes one stream, its events numbered from 0; ``[DONE]`` is not of this dialect."""

    def __init__(self, call: Call, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._response = begun(call, int(clock()))
        self._output = Output(answer_key(call))
        self._written = 0

    @property
    def sequence_number(self) -> int:
        """That of the next event."""
        return self._written

    def write(self, item: Item) -> bytes:
        """The events for ``item``; before the first, those that tell of the answer itself."""
        begins = b"" if self._written else self._begin()
        return begins + b"".join([self._frame(event) for event in self._output.add(item)])

    def end(self, usage: Usage) -> bytes:
        """The event that holds the whole answer."""
        last = b"" if self._written else self._begin()
        if self._output.finish is None:
            last += self.write(Ended(finish="stop"))
        finish = self._output.finish or "stop"
        response = finished(self._response, self._output.items, finish, usage, int(self._clock()))
        return last + self._frame((f"response.{response['status']}", {"response": response}))

    def _begin(self) -> bytes:
        said = {"response": self._response}
        return self._frame(("response.created", said)) + self._frame(("response.in_progress", said))

    def _frame(self, event: Event) -> bytes:
        name, fields = event
        data: dict[str, Any] = {"type": name, "sequence_number": self._written, **fields}
        self._written += 1
        # What a caller's own fields hold between values, for strings hold none; an event of ours is one line.
        line = _encode(data).replace(b"\n", b" ").replace(b"\r", b" ")
        return b"event: %b\ndata: %b\n\n" % (name.encode(), line)


def _items(parts: tuple[Part, ...]) -> Iterator[Item]:
    for slot, part in enumerate(parts):
        match part:
            case Text(text=text):
                yield TextGrown(text)
            case Refusal(text=text):
                yield RefusalGrown(text)
            case Thought(sealed=sealed) if sealed:
                yield ThoughtGrown(part.text)
                yield PartEnded()
                yield ThoughtSealed(sealed, part.signer)
            case Thought(text=text):
                yield ThoughtGrown(text)
                if part.signature:
                    yield ThoughtSigned(part.signature, part.signer)
            case ToolUse():
                yield ToolBegun(
                    slot=slot,
                    id=part.id,
                    name=part.name,
                    freeform=part.freeform,
                    signature=part.signature,
                    signer=part.signer,
                )
                yield ToolGrown(slot, part.arguments)
            case _:  # pictures and sounds are made by OpenAI's own tools alone, which no other dialect has
                continue
        yield PartEnded()
