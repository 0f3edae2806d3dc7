"""Structured logs: JSON for machines, coloured lines for people. No prompt or answer text, no secrets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TextIO

from penstock.core.call import Call
from penstock.core.errors import PenstockError, UpstreamError
from penstock.core.ports import Clock

Level = Literal["debug", "info", "warning", "error"]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET = ("key", "authorization", "secret", "password")
_NAME_CHARS = 128
_SERVER_ERRORS = 500
# Events of the console begin their fields in one column.
_EVENT_CHARS = 30
_QUOTED = frozenset(" ='\"")
# ANSI colours of levels; what is worth a look stands out.
_COLOURS = {"debug": 36, "info": 32, "warning": 33, "error": 31}


class Logger(Protocol):
    """What this package needs of a logger: an event's name and its fields."""

    def info(self, event: str, **fields: Any) -> Any:
        """Tell of something ordinary."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Tell of something that failed for one caller."""

    def error(self, event: str, **fields: Any) -> Any:
        """Tell of something that an operator has to look at."""


def build_logger(stream: TextIO, *, style: Literal["json", "console"], level: Level = "info") -> Logger:
    """A logger on ``stream``, configured by itself: nothing process-wide is changed."""
    if style == "json":
        return _Lines(stream, _json, level)
    return _Lines(stream, _coloured if stream.isatty() else _plain, level)


class _Lines:
    """One line per event, written at once, so that the lines of two threads do not mix."""

    def __init__(self, stream: TextIO, render: Callable[[str, str, dict[str, Any]], str], least: Level) -> None:
        self._stream = stream
        self._render = render
        self._least = _LEVELS[least]

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write("error", event, fields)

    def _write(self, level: Level, event: str, fields: Mapping[str, Any]) -> None:
        if _LEVELS[level] >= self._least:
            now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            self._stream.write(f"{self._render(level, event, {**redact(fields), 'time': now})}\n")
            self._stream.flush()


def _json(level: str, event: str, fields: dict[str, Any]) -> str:
    return json.dumps({**fields, "event": event, "level": level}, default=repr)


def _plain(level: str, event: str, fields: dict[str, Any]) -> str:
    stack = fields.pop("stack", None)
    shown = (f"{name}={_shown(value)}" for name, value in sorted(fields.items()))
    line = f"[{level:9}] {event:{_EVENT_CHARS}} {' '.join(shown)}"
    return line if stack is None else f"{line}\n{stack}"


def _coloured(level: str, event: str, fields: dict[str, Any]) -> str:
    return f"\x1b[{_COLOURS[level]}m{_plain(level, event, fields)}\x1b[0m"


def _shown(value: object) -> str:
    """A plain word as it is, anything else quoted: no value can look like another field or another line."""
    if isinstance(value, str) and value.isprintable() and _QUOTED.isdisjoint(value):
        return value
    return repr(value)


def redact(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Put ``[redacted]`` in the place of every value whose name speaks of a key or an authorization, at any depth."""
    return {name: _redacted(name, value) for name, value in fields.items()}


def _redacted(name: str, value: Any) -> Any:
    if any(word in name.lower() for word in _SECRET):
        return "[redacted]"
    return redact(value) if isinstance(value, dict) else value


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
