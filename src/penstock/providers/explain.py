"""``explain``: what a provider's refusal means for the caller and for the next attempt."""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from penstock.core.errors import (
    ContentBlocked,
    InputTooLong,
    PenstockError,
    UpstreamMisconfigured,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from penstock.core.ports import Headers

MESSAGE_CHARACTERS = 500
_REJECTED = frozenset({400, 413, 422})
# 3xx: the base_url is not the API's; 402: the account is out of credit (api-docs.deepseek.com, error codes, 2026-11-21).
_MISCONFIGURED = frozenset({301, 302, 303, 307, 308, 401, 402, 403, 404, 405})
_BLOCKED_CODES = frozenset({"content_filter", "content_policy_violation"})
# Providers without the code context_length_exceeded say it in words (vLLM, Anthropic, Gemini, Mistral; 2026-11-21).
_TOO_LONG_WORDS = (
    "context length",
    "context window",
    "prompt is too long",
    "maximum number of tokens",
    "too large for model",
)


def explain(
    status: int, headers: Headers, body: bytes, *, secret: str = "", now_s: float | None = None
) -> PenstockError:
    """The error that an answer of ``status`` (any but 2xx) means.

    Only what concerns the caller's own request quotes the provider; ``secret`` is cut out of it. ``now_s`` is Unix
    time, against which a Retry-After date is read.
    """
    message, codes = _read(body)
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        if "insufficient_quota" in codes:
            return UpstreamMisconfigured("The provider account behind this model has no quota left.")
        wait_s = _retry_after_s(headers, time.time() if now_s is None else now_s)
        return UpstreamRateLimited("The provider is rate limiting this gateway. Try again later.", retry_after_s=wait_s)
    if 400 <= status < 500:  # noqa: PLR2004 - the caller's or the gateway's fault, says the provider
        if codes & _BLOCKED_CODES:
            return ContentBlocked("The provider's content policy refused this request. Change its content.")
        if status in _REJECTED:
            return _rejection(message, codes, secret)
    if status in _MISCONFIGURED:
        return UpstreamMisconfigured(
            f"The provider refused this gateway (HTTP {status}): its operator must check key, model and base_url."
        )
    wait_s = _retry_after_s(headers, time.time() if now_s is None else now_s)
    return UpstreamUnavailable(f"The provider failed (HTTP {status}). Try again.", retry_after_s=wait_s)


def _rejection(message: str, codes: frozenset[str], secret: str) -> PenstockError:
    lowered = message.lower()
    if "context_length_exceeded" in codes or any(words in lowered for words in _TOO_LONG_WORDS):
        return InputTooLong("The input is longer than the model takes. Shorten it or choose a longer model.")
    if secret:
        message = message.replace(secret, "***")
    quoted = message[:MESSAGE_CHARACTERS] or "it gave no reason."
    return UpstreamRejected(f"The provider refused the request: {quoted}")


def _read(body: bytes) -> tuple[str, frozenset[str]]:
    """Message and codes out of the shapes in use: ``{error: {...}}``, ``{error: ""}``, ``{message, code}``, ``[...]``."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", frozenset()
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        found = found.get("error") or found
    if isinstance(found, str):
        return found, frozenset()
    if not isinstance(found, dict):
        return "", frozenset()
    message = found.get("message") or found.get("detail") or ""
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    return message, frozenset(str(found[key]) for key in ("code", "type", "status") if found.get(key))


def _retry_after_s(headers: Headers, now_s: float) -> float | None:
    """Seconds to wait: ``retry-after-ms`` (openai-python, _base_client.py, 2026-11-21), else seconds or a date."""
    values = {name.lower(): value for name, value in headers}
    for name, unit_s in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        try:
            wait_s = float(values[name]) * unit_s
        except (KeyError, ValueError):
            continue
        return max(wait_s, 0.0) if math.isfinite(wait_s) else None
    try:
        return max(parsedate_to_datetime(values[b"retry-after"].decode("latin-1")).timestamp() - now_s, 0.0)
    except (KeyError, ValueError, OverflowError):
        return None
