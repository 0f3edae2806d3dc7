"""``explain_gemini``: what a refusal of Gemini's API means, where its body says more than its status.

Statuses and shapes: ai.google.dev/gemini-api/docs/generate-content/api-errors, 2026-11-21.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from penstock.core.errors import (
    PenstockError,
    UpstreamMisconfigured,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from penstock.core.ports import Headers
from penstock.providers.explain import explain

# A file that the caller names: one that is not ready is a failed precondition too, and one that is gone (after two days)
# a permission denied (github.com/expectedparrot/edsl/issues/1907 and
# github.com/google-gemini/deprecated-generative-ai-python/issues/692, 2026-11-21).
_FILE_WORDS = "the file "


def explain_gemini(
    status: int, headers: Headers, body: bytes, *, secret: str = "", now_s: float | None = None
) -> PenstockError:
    """As ``explain``, with the body's ``google.rpc`` facts read: whose fault a 400 is, and how long a 429 lasts."""
    error = explain(status, headers, body, secret=secret, now_s=now_s)
    if isinstance(error, UpstreamMisconfigured):
        if _blames_file(_error_in(body)):
            return explain(400, headers, body, secret=secret, now_s=now_s)
    elif isinstance(error, UpstreamRejected):
        if _blames_account(_error_in(body)):
            return UpstreamMisconfigured(
                f"The provider refused this gateway (HTTP {status}): its operator must check key, billing and region."
            )
    elif isinstance(error, UpstreamRateLimited | UpstreamUnavailable) and error.retry_after_s is None:
        error.retry_after_s = _retry_delay_s(_error_in(body))
    return error


def _blames_file(told: dict[str, Any]) -> bool:
    return _FILE_WORDS in str(told.get("message")).lower()


def _blames_account(told: dict[str, Any]) -> bool:
    """A key that is wrong or expired is a 400, and so is a region or a project without billing."""
    if told.get("status") == "FAILED_PRECONDITION":
        return not _blames_file(told)
    return any(str(detail.get("reason")).startswith("API_KEY_") for detail in _details(told))


def _retry_delay_s(told: dict[str, Any]) -> float | None:
    """``google.rpc.RetryInfo``: seconds as in `47s` (github.com/googleapis/python-genai/issues/1875, 2026-11-21)."""
    for detail in _details(told):
        try:
            delay_s = float(detail["retryDelay"].removesuffix("s"))
        except (KeyError, AttributeError, ValueError):
            continue
        return max(delay_s, 0.0) if math.isfinite(delay_s) else None
    return None


def _details(told: dict[str, Any]) -> list[dict[str, Any]]:
    details = told.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _error_in(body: bytes) -> dict[str, Any]:
    """The error's fields; that of a stream stands in an array."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(found, list) and found:
        found = found[0]
    told = found.get("error") if isinstance(found, dict) else None
    return told if isinstance(told, dict) else {}
