"""How a stream breaks. Bodies of errors are those of chat completions (``dialects/openai/errors.py``)."""

from __future__ import annotations

import msgspec

from penstock.core.errors import PenstockError


def error_event(error: PenstockError, sequence_number: int = 0) -> bytes:
    """The last event of a stream that broke: nothing follows it.

    Flat fields are OpenAI's documentation (openai 3.54, ``types/responses/response_error_event.py``). The nested
    object is what OpenAI sends (github.com/vercel/ai/pull/20022), what its SDKs for Python and Node raise by
    (``_streaming.py``: any event with an ``error``), and what the Vercel AI SDK and Open Responses read; none of them
    raises by `response.failed`. All 2026-11-21.
    """
    said = {"code": error.code, "message": error.message, "param": error.param}
    event = {"type": "error", "sequence_number": sequence_number, **said, "error": {"type": error.type, **said}}
    return b"event: error\ndata: " + msgspec.json.encode(event) + b"\n\n"
