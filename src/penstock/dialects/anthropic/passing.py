"""What the gateway reads of messages and events that pass to a caller of the same dialect; the rest stays bytes."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Usage
from penstock.core.errors import UpstreamMalformed
from penstock.core.tokens import estimate_tokens
from penstock.dialects.anthropic.words import WireUsage, finish_reason_of

_MODEL_KEYS = (b'"model":', b'"model": ')
_ERROR_INSIDE = "The provider reported an error inside an answer that began as a success."
_encode = msgspec.json.encode


class _Said(Struct, gc=False):
    """A block, or what a stream adds to one; of any type, and so of any shape."""

    type: Any = None
    text: Any = None
    thinking: Any = None
    partial_json: Any = None
    name: Any = None
    input: Raw = Raw()

    @property
    def estimated_tokens(self) -> int:
        """For answers that never say; of a tool's input four bytes are about one."""
        text = self.text or self.partial_json or self.thinking
        return (estimate_tokens(text) if type(text) is str else 0) + len(self.input) // 4


class _Change(_Said, gc=False):
    stop_reason: str | None = None


class PassedMessage(Struct, gc=False):
    """A whole answer, or in a stream its beginning."""

    type: str = ""
    model: Any = None
    content: list[_Said] = []
    stop_reason: str | None = None
    wire_usage: WireUsage | None = msgspec.field(default=None, name="usage")

    @property
    def usage(self) -> Usage | None:
        """Tokens, where the provider says."""
        return None if self.wire_usage is None else self.wire_usage.usage

    @property
    def estimated_tokens(self) -> int:
        """About how long it is."""
        return sum(block.estimated_tokens for block in self.content)

    @property
    def finish_reason(self) -> str | None:
        """Why it ended, in the words of the gateway's stages."""
        return finish_reason_of(self.stop_reason)

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The tools of the caller's that it calls."""
        return tuple(block.name for block in self.content if block.type == "tool_use" and isinstance(block.name, str))


class PassedEvent(Struct, gc=False):
    """One event of a stream."""

    type: str
    index: int = 0
    delta: _Change | None = None
    content_block: _Said | None = None
    message: PassedMessage | None = None
    usage: WireUsage | None = None


class _Start(Struct, gc=False):
    message: dict[str, Raw]


_decode_message = msgspec.json.Decoder(PassedMessage).decode
_decode_event = msgspec.json.Decoder(PassedEvent).decode
_decode_start = msgspec.json.Decoder(_Start).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def read_passed_message(body: bytes) -> PassedMessage:
    """A message's body. Raises ``UpstreamMalformed`` for anything else, an error in a 200 too."""
    try:
        message = _decode_message(body)
        if not body.isascii():
            body.decode()  # what no field of ours holds was not looked at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamMalformed("The provider's answer is not a message.") from None
    if message.type != "message":
        raise UpstreamMalformed(_ERROR_INSIDE if message.type == "error" else "The provider's answer is not a message.")
    return message


def read_passed_event(payload: bytes) -> PassedEvent:
    """One event's data. Raises ``UpstreamMalformed`` when it is none, or an error in a stream that began well."""
    try:
        event = _decode_event(payload)
        if not payload.isascii():
            payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamMalformed("The provider's stream holds an event that is not of the Messages API.") from None
    if event.type == "error":
        raise UpstreamMalformed(_ERROR_INSIDE)
    return event


def rename_start(payload: bytes, alias: str, model: Any) -> bytes:
    """The data of ``message_start`` with ``alias`` as the message's model, which the provider says is ``model``."""
    new = _encode(alias)
    if isinstance(model, str) and payload.count(b'"model"') == 1:
        old = _encode(model)
        for key in _MODEL_KEYS:
            at = payload.find(key + old)
            if at > 0:
                value = at + len(key)
                return payload[:value] + new + payload[value + len(old) :]
    fields, message = _decode_fields(payload), _decode_start(payload).message
    message["model"] = Raw(new)
    return _encode(fields | {"message": message})
