"""Response headers that say what happened to a call. Pure; names follow OpenAI's API and W3C Trace Context."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from random import getrandbits
from time import monotonic

import msgspec

from penstock.core.answer import Answer
from penstock.core.call import Call, RateState, Trail
from penstock.core.errors import PenstockError, Unauthenticated

Fields = list[tuple[bytes, bytes]]

_NANO = 1_000_000_000
_UNSAFE = bytes(byte for byte in range(256) if not " " <= chr(byte) <= "~")


def answer_headers(call: Call, answer: Answer) -> Fields:
    """Everything an answer's head says. The cost of a stream is not known yet, so it is left out there."""
    trail = call.trail
    headers = _trace(call)
    if trail.rate is not None:
        headers += _rate(trail.rate)
    headers += (
        (b"x-penstock-model", _safe(trail.model)),
        (b"x-penstock-provider", _safe(trail.provider)),
        (b"x-penstock-attempts", b"%d" % len(trail.attempts)),
        (b"x-penstock-fallback", b"true" if trail.fallback_used else b"false"),
        (b"x-penstock-overhead-ms", b"%.2f" % _overhead_ms(trail)),
    )
    if trail.cache:
        headers.append((b"x-penstock-cache", trail.cache.encode()))
    if answer.body is not None:
        headers.append((b"x-penstock-cost-usd", b"%d.%09d" % divmod(trail.cost_nano_usd, _NANO)))
    if trail.degraded:
        headers.append((b"x-penstock-degraded", b"true"))
    if call.explain:
        headers += _explanation(trail)
    return headers


def error_headers(error: PenstockError, call: Call | None = None) -> Fields:
    """What goes with an error: when to come back, whether to, and what is known of the call."""
    headers: Fields = []
    if call is not None:
        headers = _trace(call)
        if call.trail.rate is not None:
            headers += _rate(call.trail.rate)
        if call.trail.attempts:
            headers.append((b"x-penstock-attempts", b"%d" % len(call.trail.attempts)))
        if call.explain:
            headers += _explanation(call.trail)
    if error.retry_after_s is not None:
        # Whole seconds for everyone, milliseconds for the OpenAI SDKs (openai 3.54, _base_client.py, 2026-11-21).
        headers.append((b"retry-after", b"%d" % ceil(error.retry_after_s)))
        headers.append((b"retry-after-ms", b"%d" % ceil(error.retry_after_s * 1000)))
    if error.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if error.should_retry else b"false"))
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def duration(seconds: float) -> bytes:
    """A time as OpenAI's rate headers have it, rounded up: ``12ms``, ``59s``, ``6m0s``, ``1h0m30s``."""
    if seconds < 1:
        return b"%dms" % ceil(max(seconds, 0.0) * 1000)
    whole_s = ceil(seconds)
    if whole_s < 60:  # noqa: PLR2004 - a minute
        return b"%ds" % whole_s
    minutes, left_s = divmod(whole_s, 60)
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, left_s) if hours else b"%dm%ds" % (minutes, left_s)


def _trace(call: Call) -> Fields:
    return [
        (b"x-request-id", call.request_id.encode()),
        (b"traceparent", b"00-%b-%016x-01" % (call.trace_id.encode(), getrandbits(64) or 1)),
    ]


def _rate(state: RateState) -> Fields:
    return [
        (b"x-ratelimit-limit-requests", b"%d" % state.limit),
        (b"x-ratelimit-remaining-requests", b"%d" % state.remaining),
        (b"x-ratelimit-reset-requests", duration(state.reset_s)),
    ]


def _overhead_ms(trail: Trail) -> float:
    """All time up to here that no provider is to blame for; waits between attempts are ours."""
    spent_ms = (monotonic() - trail.received_at_s) * 1000
    for attempt in trail.attempts:
        spent_ms -= attempt.latency_ms
    return max(spent_ms, 0.0)


def _explanation(trail: Trail) -> Fields:
    headers: Fields = []
    if trail.decision is not None:
        told = msgspec.structs.asdict(trail.decision) | {"attempts": trail.attempts}
        headers.append((b"x-penstock-decision", _ascii_json(told)))
    marks_s = trail.marks
    if marks_s:
        ends_s = [*marks_s[1:], trail.first_content_at_s or monotonic()]
        times = [
            b"%b;dur=%.3f" % (name.encode(), max(end_s - at_s, 0.0) * 1000)
            for name, at_s, end_s in zip(trail.stages, marks_s, ends_s, strict=False)
        ]
        headers.append((b"server-timing", b", ".join(times)))
    return headers


def _ascii_json(value: object) -> bytes:
    """Compact JSON in which every other character is escaped, as a header value must be ASCII."""
    encoded = msgspec.json.encode(value)
    if encoded == encoded.translate(None, _UNSAFE):
        return encoded
    return b"".join([char.encode() if " " <= char <= "~" else _escape(char) for char in encoded.decode()])


def _escape(char: str) -> bytes:
    pair = char.encode("utf-16-be")
    return b"".join([b"\\u%b" % pair[index : index + 2].hex().encode() for index in range(0, len(pair), 2)])


@lru_cache(1024)  # names of models and providers, which are the config's
def _safe(value: str) -> bytes:
    return value.encode().translate(None, _UNSAFE)
