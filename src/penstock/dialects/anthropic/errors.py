"""Error bodies, and how a stream says that it broke."""

from __future__ import annotations

import msgspec

from penstock.core.errors import PenstockError
from penstock.dialects.anthropic.words import frame

# platform.claude.com/docs/en/api/errors and anthropic 2.12 ``types/shared``, 2026-11-21. Statuses that are not there
# are the client's mistake under 500, and ours above.
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_SERVER_ERROR = 500


def error_body(error: PenstockError, request_id: str | None = None) -> bytes:
    """The JSON body of an answer that failed before its first content."""
    kind = _TYPES.get(error.status) or ("api_error" if error.status >= _SERVER_ERROR else "invalid_request_error")
    said: dict[str, object] = {"type": "error", "error": {"type": kind, "message": error.message}}
    if request_id is not None:
        said["request_id"] = request_id
    return msgspec.json.encode(said)


def error_event(error: PenstockError, request_id: str | None = None) -> bytes:
    """The last event of a stream that broke after its first content; ``message_stop`` does not follow it."""
    return frame("error", error_body(error, request_id))
