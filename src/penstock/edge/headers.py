"""Response headers that say what happened to a call. Pure; names follow OpenAI's API and W3C Trace Context.

They are written as they stand on the wire, each line with its end: a dozen pairs of name and value would cost thrice.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from random import getrandbits
from time import monotonic

import msgspec

from penstock.core.answer import Answer
from penstock.core.call import Call, RateState, Trail
from penstock.core.errors import PenstockError, Unauthenticated

_NANO = 1_000_000_000
_UNSAFE = bytes(byte for byte in range(256) if not " " <= chr(byte) <= "~")


def _lines(*lines: bytes) -> bytes:
    return b"".join([b"%b\r\n" % line for line in lines])


_TRACE = _lines(b"x-request-id: %b", b"traceparent: 00-%b-%016x-01")
_RATE = _lines(
    b"x-ratelimit-limit-requests: %d",
    b"x-ratelimit-remaining-requests: %d",
    b"x-ratelimit-reset-requests: %b",
)
_ANSWER = _lines(
    b"x-penstock-model: %b",
    b"x-penstock-provider: %b",
    b"x-penstock-attempts: %d",
    b"x-penstock-fallback: %b",
)


def answer_lines(call: Call, answer: Answer) -> bytes:
    """Everything an answer's head says. The cost of a stream is not known before its end, so it is left out there."""
    trail = call.trail
    lines = _trace(call)
    if trail.rate is not None:
        lines += _rate(trail.rate)
    lines += b"x-penstock-overhead-ms: %.2f\r\n" % _overhead_ms(trail)
    return lines + _facts(call, answer)


def closing_lines(call: Call, answer: Answer) -> bytes:
    """What a stream's head said, as it stands now that the stream has ended: comments, which its readers pass over."""
    return b"".join([b": %b\n" % line for line in _facts(call, answer).split(b"\r\n")[:-1]]) + b"\n"


def _facts(call: Call, answer: Answer) -> bytes:
    trail = call.trail
    lines = _ANSWER % (
        _safe(trail.model),
        _safe(trail.provider),
        len(trail.attempts),
        b"true" if trail.fallback_used else b"false",
    )
    if trail.cache:
        lines += b"x-penstock-cache: %b\r\n" % trail.cache.encode()
    if (answer.body is not None or answer.outcome is not None) and not trail.unpriced:
        lines += b"x-penstock-cost-usd: %d.%09d\r\n" % divmod(trail.cost_nano_usd, _NANO)
    if trail.degraded:
        lines += b"x-penstock-degraded: true\r\n"
    if trail.dropped:
        lines += b"x-penstock-dropped: %b\r\n" % ",".join(trail.dropped).encode().translate(None, _UNSAFE)
    if call.explain:
        lines += _explanation(trail)
    return lines


def error_lines(error: PenstockError, call: Call | None = None) -> bytes:
    """What goes with an error: when to come back, whether to, and what is known of the call."""
    lines = b""
    if call is not None:
        lines = _trace(call)
        if call.trail.rate is not None:
            lines += _rate(call.trail.rate)
        if call.trail.attempts:
            lines += b"x-penstock-attempts: %d\r\n" % len(call.trail.attempts)
        if call.explain:
            lines += _explanation(call.trail)
    if error.retry_after_s is not None:
        # Whole seconds for everyone, milliseconds for the OpenAI SDKs (openai 3.54, _base_client.py, 2026-11-21).
        lines += b"retry-after: %d\r\n" % ceil(error.retry_after_s)
        lines += b"retry-after-ms: %d\r\n" % ceil(error.retry_after_s * 1000)
    if error.should_retry is not None:
        lines += b"x-should-retry: true\r\n" if error.should_retry else b"x-should-retry: false\r\n"
    if isinstance(error, Unauthenticated):
        lines += b"www-authenticate: Bearer\r\n"
    return lines


def header_fields(lines: bytes) -> list[tuple[bytes, bytes]]:
    """The same as names and values, for servers that want them so."""
    fields = [line.partition(b": ") for line in lines.split(b"\r\n")[:-1]]
    return [(name, value) for name, _, value in fields]


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


def _trace(call: Call) -> bytes:
    return _TRACE % (call.request_id.encode(), call.trace_id.encode(), getrandbits(64) or 1)


def _rate(state: RateState) -> bytes:
    return _RATE % (state.limit, state.remaining, duration(state.reset_s))


def _overhead_ms(trail: Trail) -> float:
    """All time up to here that no provider is to blame for; waits between attempts are ours."""
    spent_ms = (monotonic() - trail.received_at_s) * 1000
    for attempt in trail.attempts:
        spent_ms -= attempt.latency_ms
    return max(spent_ms, 0.0)


def _explanation(trail: Trail) -> bytes:
    lines = b""
    decision = trail.why
    if decision is not None:
        told = msgspec.structs.asdict(decision) | {"attempts": trail.attempts, "usage": trail.usage}
        lines += b"x-penstock-decision: %b\r\n" % _ascii_json(told)
    marks_s = trail.marks
    if marks_s:
        ends_s = [*marks_s[1:], trail.first_content_at_s or monotonic()]
        times = [
            b"%b;dur=%.3f" % (name.encode(), max(end_s - at_s, 0.0) * 1000)
            for name, at_s, end_s in zip(trail.stages, marks_s, ends_s, strict=False)
        ]
        lines += b"server-timing: %b\r\n" % b", ".join(times)
    return lines


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
