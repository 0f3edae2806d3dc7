"""``explain``: a provider's refusal becomes one of our errors."""

from __future__ import annotations

import msgspec
import pytest

from penstock.core.errors import (
    ContentBlocked,
    InputTooLong,
    PenstockError,
    UpstreamMisconfigured,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from penstock.providers.explain import explain


def body(message: str = "", code: str | None = None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": "x", "param": None, "code": code}})


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, None, UpstreamRateLimited),
        (429, "insufficient_quota", UpstreamMisconfigured),
        (401, "invalid_api_key", UpstreamMisconfigured),
        (402, None, UpstreamMisconfigured),
        (403, None, UpstreamMisconfigured),
        (404, "model_not_found", UpstreamMisconfigured),
        (302, None, UpstreamMisconfigured),
        (400, None, UpstreamRejected),
        (413, None, UpstreamRejected),
        (422, None, UpstreamRejected),
        (400, "context_length_exceeded", InputTooLong),
        (400, "content_filter", ContentBlocked),
        (403, "content_policy_violation", ContentBlocked),
        (408, None, UpstreamUnavailable),
        (409, None, UpstreamUnavailable),
        (500, None, UpstreamUnavailable),
        (503, None, UpstreamUnavailable),
        (529, None, UpstreamUnavailable),
    ],
)
def test_each_status_has_its_meaning(status: int, code: str | None, expected: type[PenstockError]) -> None:
    assert type(explain(status, (), body("Something.", code))) is expected


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([(b"Retry-After", b"7")], 7.0),
        ([(b"retry-after", b"0.5")], 0.5),
        ([(b"retry-after-ms", b"250"), (b"retry-after", b"9")], 0.25),
        ([(b"retry-after", b"Thu, 01 Jan 1970 00:01:40 GMT")], 90.0),
        ([(b"retry-after", b"Thu, 01 Jan 1970 00:00:01 GMT")], 0.0),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"nan")], None),
        ([(b"retry-after", b"-3")], 0.0),
        ([], None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_wish_to_wait_is_read(status: int, headers: list[tuple[bytes, bytes]], wait_s: float | None) -> None:
    assert explain(status, headers, b"", now_s=10.0).retry_after_s == wait_s


def test_what_concerns_the_callers_request_quotes_the_provider_within_bounds() -> None:
    error = explain(400, (), body("tools[0] is odd. " + "x" * 5000))
    assert "tools[0] is odd." in error.message
    assert len(error.message) < 600


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
def test_the_provider_key_is_never_shown(status: int) -> None:
    error = explain(status, (), body("Incorrect API key provided: sk-secret."), secret="sk-secret")
    assert "sk-secret" not in error.message


@pytest.mark.parametrize(
    "shape",
    [
        b'{"error":"too odd"}',
        b'{"message":"too odd","code":"3"}',
        b'{"object":"error","message":{"detail":[{"msg":"too odd"}]}}',
        b'{"detail":[{"msg":"too odd"}]}',
        b'[{"error":{"message":"too odd","status":"INVALID_ARGUMENT"}}]',
    ],
)
def test_the_shapes_in_use_are_read(shape: bytes) -> None:
    assert "too odd" in explain(422, (), shape).message


@pytest.mark.parametrize("noise", [b"", b"<html>", b"null", b"[]", b"7", b'{"error":{}}', b"[" * 100_000, b"\xff"])
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_any_body_is_explained(noise: bytes, status: int) -> None:
    assert explain(status, (), noise).message.endswith(".")


def test_words_tell_a_long_input_where_no_code_does() -> None:
    message = "This model's maximum context length is 4096 tokens."
    assert isinstance(explain(400, (), body(message)), InputTooLong)
