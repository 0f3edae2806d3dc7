"""Answers and streams of a provider that speaks the Messages API.

Shapes are those of anthropic 2.12 (``types/message.py``, ``types/raw_message_stream_event.py``), 2026-11-21.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from penstock.core.conversation import (
    Begun,
    Ended,
    Item,
    Part,
    PartEnded,
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
    Used,
)
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.anthropic.words import WireUsage, finish_of

_SIGNER = "anthropic"
_EMPTY = (b"", b"{}", b"null")
_T = TypeVar("_T")


class _Block(Struct, gc=False):
    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = Raw()


class _Message(Struct, gc=False):
    """A whole answer, or in a stream what is known of it at the start."""

    type: str
    id: str = ""
    model: str = ""
    content: list[_Block] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: WireUsage | None = None


class _Delta(Struct, gc=False):
    """What an event adds to a block, or to the message."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(Struct, gc=False):
    """One event of a stream: which of the fields it has hangs on ``type``."""

    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: WireUsage | None = None


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def _read_message(body: bytes) -> _Message:
    """A message's body. Raises ``UpstreamMalformed`` for anything else, an error in a 200 too."""
    try:
        message = _decode_message(body)
        if not body.isascii():
            body.decode()  # what no field of ours holds was not looked at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamMalformed("The provider's answer is not a message.") from None
    if message.type != "message":
        raise UpstreamMalformed("The provider reported an error inside an answer that began as a success.")
    return message


def _read_event(payload: bytes) -> _Event:
    """One event's data. Raises ``UpstreamMalformed`` when it is none, or an error in a stream that began well."""
    try:
        event = _decode_event(payload)
        if not payload.isascii():
            payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamMalformed("The provider's stream holds an event that is not of the Messages API.") from None
    if event.type == "error":
        raise UpstreamMalformed("The provider reported an error inside an answer that began as a success.")
    return event


def read_reply(body: bytes) -> Reply:
    """What a whole answer says. Raises ``UpstreamMalformed``."""
    message = _read_message(body)
    return Reply(
        parts=tuple(part for block in message.content if (part := _part(block)) is not None),
        finish=finish_of(message.stop_reason),
        id=message.id,
        model=message.model,
        stop=message.stop_sequence or "",
        usage=None if message.usage is None else message.usage.usage,
    )


class MessageItems:
    """Reads one stream. Blocks that a call of another dialect cannot have asked for are passed over."""

    def __init__(self) -> None:
        self.done = False
        self._tools = 0
        self._slots: dict[int, int] = {}
        # The tool whose arguments have not begun.
        self._bare: int | None = None
        self._usage = WireUsage()
        self._stop_reason: str | None = None
        self._stop = ""

    def read(self, payload: bytes) -> list[Item]:  # noqa: PLR0911 - an arm for each type
        """What one event's data says. Raises ``UpstreamMalformed``, also for an error in a stream that began well."""
        event = _read_event(payload)
        match event.type:
            case "content_block_delta":
                return self._grown(_given(event.delta), event.index)
            case "content_block_start":
                return self._opened(_given(event.content_block), event.index)
            case "content_block_stop":
                bare, self._bare = self._bare, None
                return [PartEnded()] if bare is None else [ToolGrown(bare, "{}"), PartEnded()]
            case "message_start":
                return [self._begun(_given(event.message))]
            case "message_delta":
                return self._changed(_given(event.delta), event.usage)
            case "message_stop":
                self.done = True
                return [Ended(finish=finish_of(self._stop_reason), stop=self._stop)]
        return []  # `ping`, and what the API may add: docs/en/build-with-claude/streaming, 2026-11-21

    def _begun(self, message: _Message) -> Begun:
        usage = None
        if message.usage is not None:
            self._usage = message.usage
            said = message.usage.usage
            # Of the output it says a token or two, for all that will follow.
            usage = None if said is None else replace(said, output_tokens=0, reasoning_tokens=0)
        return Begun(id=message.id, model=message.model, usage=usage)

    def _changed(self, delta: _Delta, usage: WireUsage | None) -> list[Item]:
        self._stop_reason = delta.stop_reason or self._stop_reason
        self._stop = delta.stop_sequence or self._stop
        if usage is None:
            return []
        self._usage = self._usage.update(usage)
        said = self._usage.usage
        return [] if said is None else [Used(said)]

    def _opened(self, block: _Block, index: int) -> list[Item]:
        match block.type:
            case "text":
                return [TextGrown(block.text)] if block.text else []
            case "thinking":
                thought: list[Item] = [ThoughtGrown(block.thinking)] if block.thinking else []
                return [*thought, ThoughtSigned(block.signature, _SIGNER)] if block.signature else thought
            case "redacted_thinking":
                return [ThoughtSealed(block.data or "", _SIGNER)]
            case "tool_use":
                slot = self._slots[index] = self._tools
                self._tools += 1
                begun = ToolBegun(slot=slot, id=block.id or "", name=block.name or "")
                if bytes(block.input) not in _EMPTY:  # some compatible services send it whole
                    return [begun, ToolGrown(slot, bytes(block.input).decode())]
                self._bare = slot
                return [begun]
        return []

    def _grown(self, delta: _Delta, index: int) -> list[Item]:
        match delta.type:
            case "text_delta":
                return [TextGrown(delta.text)] if delta.text else []
            case "thinking_delta":
                return [ThoughtGrown(delta.thinking)] if delta.thinking else []
            case "signature_delta":
                return [ThoughtSigned(delta.signature, _SIGNER)] if delta.signature else []
            case "input_json_delta":
                slot = self._slots.get(index)
                if slot is None or not delta.partial_json:
                    return []
                if self._bare == slot:
                    self._bare = None
                return [ToolGrown(slot, delta.partial_json)]
        return []


def _part(block: _Block) -> Part | None:
    match block.type:
        case "text":
            return Text(text=block.text or "")
        case "thinking":
            signature = block.signature or ""
            return Thought(text=block.thinking or "", signature=signature, signer=_SIGNER if signature else "")
        case "redacted_thinking":
            return Thought(sealed=block.data or "", signer=_SIGNER)
        case "tool_use":
            arguments = bytes(block.input).decode() if bytes(block.input) not in _EMPTY else "{}"
            return ToolUse(id=block.id or "", name=block.name or "", arguments=arguments)
    return None


def _given(value: _T | None) -> _T:
    if value is None:
        raise UpstreamMalformed("The provider's stream holds an event that lacks what it is about.")
    return value
