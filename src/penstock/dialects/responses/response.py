"""What the gateway reads of a provider's answers and events; everything else of them passes through as bytes.

Shapes are those of openai 3.54 (``types/responses/response.py``, ``response_stream_event.py``, 2026-11-21).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Usage
from penstock.core.errors import UpstreamMalformed
from penstock.core.tokens import estimate_tokens
from penstock.dialects.openai.response import MAX_TOKENS, rename_model

_NULL = (b"", b"null")
# The words of chat completions, which the gateway records for every dialect.
_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_ENDED = ("completed", "incomplete")
_BROKEN = "The provider reported an error inside an answer that began as a success."


class _Usage(Struct, gc=False):
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    input_tokens_details: Any = None
    output_tokens_details: Any = None


class _Incomplete(Struct, gc=False):
    reason: Any = None


class _Item(Struct, gc=False):
    type: Any = None
    name: Any = None


class ResponseBody(Struct, gc=False):
    """A ``response`` object, whole or as it stands within a stream."""

    status: str | None = None
    model: Any = None
    output: list[_Item] | None = None
    error: Raw = Raw()
    incomplete_details: _Incomplete | None = None
    wire_usage: _Usage | None = msgspec.field(default=None, name="usage")

    @property
    def finish_reason(self) -> str | None:
        """Why it ended, in the words of chat completions; ``None`` where it has not."""
        if self.status == "completed":
            return "tool_calls" if self.tool_names else "stop"
        if self.status == "incomplete":
            reason = self.incomplete_details.reason if self.incomplete_details is not None else None
            return _REASONS.get(reason, "stop") if isinstance(reason, str) else "stop"
        return None

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The caller's tools that it calls."""
        return tuple(
            item.name
            for item in self.output or ()
            if item.type in ("function_call", "custom_tool_call") and isinstance(item.name, str)
        )

    @property
    def usage(self) -> Usage | None:
        """Its tokens, where the provider says."""
        wire = self.wire_usage
        if wire is None or (wire.input_tokens is None and wire.output_tokens is None):
            return None
        asked, said = _count(wire.input_tokens), _count(wire.output_tokens)
        if max(asked, said) > MAX_TOKENS:  # no count of tokens, and nothing that money should be reckoned by
            return None
        return Usage(
            asked,
            said,
            cached_tokens=min(_detail(wire.input_tokens_details, "cached_tokens"), asked),
            cache_write_tokens=min(_detail(wire.input_tokens_details, "cache_write_tokens"), asked),
            reasoning_tokens=min(_detail(wire.output_tokens_details, "reasoning_tokens"), said),
        )


class StreamEvent(Struct, gc=False):
    """One event of a stream. ``delta`` is what it adds to a text, to arguments or to a thought."""

    type: str
    delta: Any = None
    item: _Item | None = None
    response: ResponseBody | None = None

    @property
    def ends(self) -> bool:
        """Whether nothing follows it."""
        return self.type in ("response.completed", "response.incomplete")


_decode_body = msgspec.json.Decoder(ResponseBody).decode
_decode_event = msgspec.json.Decoder(StreamEvent).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode


def read_response(body: bytes) -> ResponseBody:
    """A whole answer. Raises ``UpstreamMalformed`` for anything else, an answer that failed too."""
    try:
        response = _decode_body(body)
        if not body.isascii():
            body.decode()  # what no field of ours holds was not looked at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamMalformed("The provider's answer is not a response.") from None
    if bytes(response.error) not in _NULL or response.status in ("failed", "cancelled"):
        raise UpstreamMalformed(_BROKEN)
    if response.status not in _ENDED or response.output is None:
        raise UpstreamMalformed("The provider's answer is not a response that has ended.")
    return response


def read_event(payload: bytes) -> StreamEvent:
    """One event's data. Raises ``UpstreamMalformed`` when it is none, or an error in a stream that began well."""
    try:
        event = _decode_event(payload)
        if not payload.isascii():
            payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamMalformed("The provider's stream holds an event that is none of a response.") from None
    if event.type in ("error", "response.failed", "response.cancelled"):
        raise UpstreamMalformed(_BROKEN)
    if not event.type.isascii() or not event.type.isprintable():  # it is written on a line of its own
        raise UpstreamMalformed("The provider's stream holds an event with a name that is none.")
    if event.ends and event.response is None:
        raise UpstreamMalformed("The provider's stream ended without the response that it should hold.")
    return event


def rename_event(payload: bytes, alias: str, model: Any = None) -> bytes:
    """``payload`` with ``alias`` as the model of its ``response``, whatever model the provider says it was."""
    fields = _decode_fields(payload)
    fields["response"] = Raw(rename_model(bytes(fields["response"]), alias, model))
    return _encode(fields)


def estimate_output_tokens(body: bytes) -> int:
    """For answers that never say; of an item's bytes about half is framing."""
    try:
        output = bytes(_decode_fields(body).get("output", Raw()))
    except msgspec.DecodeError:
        return len(body) // 4
    return len(output) // 8


def estimate_delta_tokens(event: StreamEvent) -> int:
    """For streams that never say."""
    return estimate_tokens(event.delta) if isinstance(event.delta, str) else 0


def _count(number: float | None) -> int:
    return int(number) if number is not None and number > 0 else 0


def _detail(details: Any, name: str) -> int:
    number = details.get(name) if isinstance(details, dict) else None
    return number if isinstance(number, int) and number > 0 else 0
