"""Request bodies for a deployment that speaks the caller's own Messages API."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from penstock.core.call import Call
from penstock.dialects.anthropic.provider import least_budget, least_tokens

_encode = msgspec.json.encode
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode
# Longer than any budget, and not to be made a number.
_LONG_DIGITS = 19


def write_messages(call: Call, model_id: str, max_output_tokens: int | None) -> bytes:
    """``call.fields`` with model, token cap and streaming as decided, all else byte for byte.

    ``max_output_tokens`` is the deployment's own cap.
    """
    fields = call.fields.copy()
    fields["model"] = Raw(_encode(model_id))
    max_tokens = least_tokens(call, max_output_tokens)
    fields["max_tokens"] = Raw(_encode(max_tokens))
    thinking = fields.get("thinking")
    if thinking is not None and bytes(thinking).startswith(b"{"):
        fields["thinking"] = _within(thinking, max_tokens)
    if call.stream:
        fields["stream"] = Raw(b"true")
    return _encode(fields)


def _within(thinking: Raw, max_tokens: int) -> Raw:
    """``thinking`` with a budget that ``max_tokens`` has room for, for it may be less than the caller's."""
    asked = _read_fields(thinking)
    sent = bytes(asked.get("budget_tokens", b""))
    budget = least_budget(int(sent), max_tokens) if sent.isdigit() and len(sent) < _LONG_DIGITS else None
    if budget is None or budget == int(sent):
        return thinking
    return Raw(_encode(asked | {"budget_tokens": Raw(_encode(budget))}))


def write_count(call: Call, model_id: str) -> bytes:
    """``call.fields`` of a request to count tokens, with the deployment's model."""
    return _encode(call.fields | {"model": Raw(_encode(model_id))})
