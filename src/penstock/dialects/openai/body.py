"""Request bodies for the upstream: the caller's fields with what the gateway decides put in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from penstock.core.call import Call

_encode = msgspec.json.encode
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_TRUE = Raw(b"true")
_NULL = b"null"
_USAGE_ONLY = Raw(b'{"include_usage":true}')


class ChatWriter:
    """Writes request bodies for one deployment: its model, and the least of the call's and its own token caps.

    The cap stands under the one spelling that the provider takes. A stream asks for usage when ``ask_usage``;
    otherwise ``stream_options`` is left out, because a provider without them may refuse the request for it. Fields
    named in ``withhold`` are left out.
    """

    def __init__(
        self,
        model_id: str,
        *,
        max_output_tokens: int | None,
        max_tokens_field: str,
        ask_usage: bool,
        withhold: Sequence[str] = (),
    ) -> None:
        self._model = Raw(_encode(model_id))
        self._max_output_tokens = max_output_tokens
        self._max_tokens_field = max_tokens_field
        self._ask_usage = ask_usage
        self._left_out = ("max_tokens", "max_completion_tokens", *withhold)

    def write(self, call: Call) -> bytes:
        """``call.fields`` with model, token cap and streaming as decided, all else byte for byte."""
        fields = call.fields.copy()
        fields["model"] = self._model
        for name in self._left_out:
            fields.pop(name, None)
        cap, own_cap = call.max_output_tokens, self._max_output_tokens
        if cap is None or (own_cap is not None and own_cap < cap):
            cap = own_cap
        if cap is not None:
            fields[self._max_tokens_field] = Raw(_encode(cap))
        if call.stream:
            fields["stream"] = _TRUE
            if self._ask_usage:
                fields["stream_options"] = _with_usage(fields.get("stream_options"))
            else:
                fields.pop("stream_options", None)
        return _encode(fields)


def compose_fields(
    messages: Sequence[dict[str, str]], *, temperature: float | None, max_output_tokens: int | None
) -> dict[str, Raw]:
    """A call's fields for a request that did not come as chat completions."""
    fields = {"messages": Raw(_encode(messages))}
    if temperature is not None:
        fields["temperature"] = Raw(_encode(temperature))
    if max_output_tokens is not None:
        fields["max_completion_tokens"] = Raw(_encode(max_output_tokens))
    return fields


def _with_usage(options: Raw | None) -> Raw:
    if options is None or bytes(options) == _NULL:
        return _USAGE_ONLY
    merged = _read_fields(options)
    merged["include_usage"] = _TRUE
    return Raw(_encode(merged))
