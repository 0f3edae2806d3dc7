"""Structured logs: JSON for machines, coloured lines for people. No prompt or answer text, no secrets."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any, Literal, Protocol, TextIO

from penstock.core.call import Call
from penstock.core.errors import PenstockError, UpstreamError
from penstock.core.ports import Clock

Level = Literal["debug", "info", "warning", "error"]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET = ("key", "authorization", "secret", "password")
_NAME_CHARS = 128
_SERVER_ERRORS = 500


class Logger(Protocol):
    """What this package needs of a logger: an event's name and its fields."""

    def info(self, event: str, **fields: Any) -> Any:
        """Tell of something ordinary."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Tell of something that failed for one caller."""

    def error(self, event: str, **fields: Any) -> Any:
        """Tell of something that an operator has to look at."""


def build_logger(stream: TextIO, *, style: Literal["json", "console"], level: Level = "info", **always: Any) -> Logger:
    """A logger on ``stream``, configured by itself: nothing process-wide is changed. Every line says ``always``."""
    import structlog  # noqa: PLC0415 - 5 MB that a process without logs is spared

    render: Any = structlog.processors.JSONRenderer()
    if style == "console":
        render = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    logger: Logger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            redact,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        **always,
    )
    return logger


def redact(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put ``[redacted]`` in the place of every value whose name speaks of a key or an authorization, at any depth."""
    for name, value in fields.items():
        if any(word in name.lower() for word in _SECRET):
            fields[name] = "[redacted]"
        elif isinstance(value, dict):
            fields[name] = redact(None, "", dict(value))
    return fields


class FailedCalls:
    """One line per failed call, at most ``per_second``: a flood of refusals must not become a flood of writing.

    What was left out is counted in the next second's first line.
    """

    def __init__(self, logger: Logger, *, per_second: int = 100, clock: Clock = time.monotonic) -> None:
        self._logger = logger
        self._per_second = per_second
        self._clock = clock
        self._second = -1
        self._written = 0
        self._left_out = 0

    def __call__(self, call: Call, error: PenstockError, latency_ms: float) -> None:
        """Write the line of one call."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._written = second, 0
        if self._written >= self._per_second:
            self._left_out += 1
            return
        self._written += 1
        trail = call.trail
        left_out, self._left_out = self._left_out, 0
        # What the caller did wrong is not the operator's to mend.
        tell = self._logger.info if error.status < _SERVER_ERRORS else self._logger.warning
        # Of a provider's failure the words are ours; those about a request may hold what the caller wrote.
        cause = {"reason": error.message} if isinstance(error, UpstreamError) else {}
        tell(
            "call failed",
            call_id=call.call_id,
            request_id=call.request_id,
            tenant=call.identity.tenant[:_NAME_CHARS],
            error=error.code,
            **cause,
            status=error.status,
            endpoint=call.endpoint,
            task=trail.task,
            target=trail.target,
            provider=trail.provider,
            attempts=len(trail.attempts),
            latency_ms=round(latency_ms, 1),
            **({"left_out": left_out} if left_out else {}),
        )
