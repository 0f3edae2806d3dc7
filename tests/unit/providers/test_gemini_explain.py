"""``explain_gemini``: refusals of Gemini's API, as they were recorded in public."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.errors import (
    InputTooLong,
    PenstockError,
    UpstreamMisconfigured,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from penstock.providers.gemini import explain_gemini

RPC = "type.googleapis.com/google.rpc."


def body(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": message, "status": status, "details": details}})


# github.com/google/timesketch/pull/3703, 2026-11-21
WRONG_KEY = body(
    400,
    "INVALID_ARGUMENT",
    "API key not valid. Please pass a valid API key.",
    {"@type": f"{RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
    {"@type": f"{RPC}LocalizedMessage", "locale": "en-US", "message": "API key not valid."},
)
# ai.google.dev/gemini-api/docs/generate-content/api-errors, 2026-11-21
NO_BILLING = body(400, "FAILED_PRECONDITION", "Gemini API free tier is not available in your country.")
# github.com/googleapis/python-genai/issues/2044, 2026-11-21
NO_QUOTA = body(
    429,
    "RESOURCE_EXHAUSTED",
    "You exceeded your current quota. Please retry in 47.016342224s.",
    {"@type": f"{RPC}QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]},
    {"@type": f"{RPC}RetryInfo", "retryDelay": "47s"},
)
# github.com/google-gemini/gemini-cli/issues/2020, 2026-11-21
EXHAUSTED = body(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")
OVERLOADED = body(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
NO_MODEL = body(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta.")
NOT_ALLOWED = body(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.")
NO_CREDIT = body(402, "RESOURCE_EXHAUSTED", "Your prepay credits are depleted.")
# github.com/google-gemini/deprecated-generative-ai-python/issues/692, 2026-11-21
NO_FILE = body(403, "PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist.")
# github.com/expectedparrot/edsl/issues/1907, 2026-11-21
NOT_READY = body(400, "FAILED_PRECONDITION", "The File abc is not in an ACTIVE state and usage is not allowed.")
TOO_LONG = body(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8).")
ODD = body(400, "INVALID_ARGUMENT", "Invalid value at 'contents[0].role'.", {"@type": f"{RPC}BadRequest"})


@pytest.mark.parametrize(
    ("status", "refusal", "expected"),
    [
        (400, WRONG_KEY, UpstreamMisconfigured),
        (400, b"[" + WRONG_KEY + b"]", UpstreamMisconfigured),
        (400, NO_BILLING, UpstreamMisconfigured),
        (402, NO_CREDIT, UpstreamMisconfigured),
        (403, NOT_ALLOWED, UpstreamMisconfigured),
        (404, NO_MODEL, UpstreamMisconfigured),
        (400, NOT_READY, UpstreamRejected),
        (403, NO_FILE, UpstreamRejected),
        (400, ODD, UpstreamRejected),
        (400, TOO_LONG, InputTooLong),
        (429, NO_QUOTA, UpstreamRateLimited),
        (503, OVERLOADED, UpstreamUnavailable),
        (500, body(500, "INTERNAL", "An internal error has occurred."), UpstreamUnavailable),
        (504, body(504, "DEADLINE_EXCEEDED", "Deadline expired."), UpstreamUnavailable),
    ],
)
def test_each_refusal_has_its_meaning(status: int, refusal: bytes, expected: type[PenstockError]) -> None:
    assert type(explain_gemini(status, (), refusal)) is expected


@pytest.mark.parametrize(
    ("status", "refusal", "wait_s"),
    [
        (429, NO_QUOTA, 47.0),
        (429, b"[" + NO_QUOTA + b"]", 47.0),
        (429, EXHAUSTED, None),
        (503, OVERLOADED, None),
        (503, body(503, "UNAVAILABLE", "Busy.", {"@type": f"{RPC}RetryInfo", "retryDelay": "0.5s"}), 0.5),
        (429, body(429, "", "", {"retryDelay": "soon"}, {"retryDelay": 3}, {"retryDelay": "3s"}), 3.0),
        (429, body(429, "", "", {"retryDelay": "infs"}), None),
        (429, body(429, "", "", {"retryDelay": "-3s"}), 0.0),
    ],
)
def test_the_wish_to_wait_is_read_from_the_details(status: int, refusal: bytes, wait_s: float | None) -> None:
    assert explain_gemini(status, (), refusal).retry_after_s == wait_s


def test_a_header_that_says_how_long_to_wait_comes_first() -> None:
    assert explain_gemini(429, [(b"retry-after", b"5")], NO_QUOTA, now_s=0.0).retry_after_s == 5.0


@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_the_provider_key_is_never_shown(status: int) -> None:
    told = body(status, "INVALID_ARGUMENT", "Invalid key AIza-secret.", {"detail": "AIza-secret"})
    assert "AIza-secret" not in explain_gemini(status, (), told, secret="AIza-secret").message


@pytest.mark.parametrize(
    "noise", [b"", b"<html>", b"null", b"[]", b'{"error":[]}', b'{"error":{"details":{}}}', b"[" * 100_000, b"\xff"]
)
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_any_body_is_explained(noise: bytes, status: int) -> None:
    assert explain_gemini(status, (), noise).message.endswith(".")
