"""Request bodies for a deployment that speaks the caller's own Messages API."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from penstock.core.call import Call
from penstock.dialects.anthropic.provider import least_tokens

_encode = msgspec.json.encode


def write_messages(call: Call, model_id: str, max_output_tokens: int | None) -> bytes:
    """``call.fields`` with model, token cap and streaming as decided, all else byte for byte.

    ``max_output_tokens`` is the deployment's own cap.
    """
    fields = call.fields.copy()
    fields["model"] = Raw(_encode(model_id))
    fields["max_tokens"] = Raw(_encode(least_tokens(call, max_output_tokens)))
    if call.stream:
        fields["stream"] = Raw(b"true")
    return _encode(fields)


def write_count(call: Call, model_id: str) -> bytes:
    """``call.fields`` of a request to count tokens, with the deployment's model."""
    return _encode(call.fields | {"model": Raw(_encode(model_id))})
