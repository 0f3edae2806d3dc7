"""Request bodies for a provider that has ``/responses`` itself: the caller's fields with what the gateway decides."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from penstock.core.call import Call

_encode = msgspec.json.encode
_TRUE = Raw(b"true")


class ResponsesBody:
    """Writes request bodies for one deployment: its model, and the least of the call's and its own token caps.

    ``previous_response_id`` is left out with the fields named in ``withhold``: answers are kept here, tenant by tenant,
    and what a call goes on from stands in its input already. A provider's own store knows one key, not our tenants.
    """

    def __init__(self, model_id: str, *, max_output_tokens: int | None, withhold: Sequence[str] = ()) -> None:
        self._model = Raw(_encode(model_id))
        self._max_output_tokens = max_output_tokens
        self._left_out = ("previous_response_id", "max_output_tokens", *withhold)

    def write(self, call: Call) -> bytes:
        """``call.fields`` with model, token cap and streaming as decided, all else byte for byte."""
        fields = call.fields.copy()
        fields["model"] = self._model
        for name in self._left_out:
            fields.pop(name, None)
        caps = [cap for cap in (call.max_output_tokens, self._max_output_tokens) if cap is not None]
        if caps:
            fields["max_output_tokens"] = Raw(_encode(min(caps)))
        if call.stream:
            fields["stream"] = _TRUE
        return _encode(fields)
