"""Error bodies, and how a stream ends."""

from __future__ import annotations

import msgspec

from penstock.core.errors import PenstockError

# What an edge writes after the last event of a stream that ended well; no event of an answer carries it.
DONE = b"data: [DONE]\n\n"


def error_body(error: PenstockError) -> bytes:
    """The JSON body of an answer that failed before its first content."""
    return msgspec.json.encode(
        {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    )


def error_event(error: PenstockError) -> bytes:
    """The last event of a stream that broke after its first content; ``DONE`` does not follow it."""
    return b"data: " + error_body(error) + b"\n\n"
