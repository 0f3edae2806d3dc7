"""What a running gateway says of its targets, asked over HTTP and put into words."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from penstock.core.health import BreakerState

Condition: TypeAlias = Literal["up", "idle", "resting", "trying", "down", "-"]

COLUMNS = ("target", "state", "breaker", "since", "p50 ms", "p95 ms", "errors", "calls")
_TIMEOUT_S = 5.0
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_OK = 200
# Below it a time is told with a decimal.
_SMALL_MS = 10


class NotTold(Exception):
    """Why a gateway's state is not known; its text follows `The gateway at URL`."""


class TargetStatus(Struct, frozen=True):
    """One of ``targets`` in an answer of ``/health``; ``since_s`` is how long its breaker has been in ``state``.

    ``workers`` counts those whose breaker is in a state, of which ``state`` is the worst; in ``resting`` of them the
    provider has asked to be left alone.
    """

    state: BreakerState | None = None
    since_s: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    error_rate: float | None = None
    calls: int | None = None
    workers: dict[str, int] = {}
    resting: int = 0

    @property
    def condition(self) -> Condition:
        """One word, for whoever does not think in breakers."""
        if self.resting and self.state != "open":
            return "resting"
        if self.state == "closed":
            return "up" if self.calls else "idle"
        return "down" if self.state == "open" else "trying" if self.state == "half_open" else "-"

    def row(self, alias: str) -> tuple[str, ...]:
        """The cells of ``COLUMNS``."""
        return (
            alias,
            f"{self.condition}{self._in_how_many()}",
            (self.state or "-").replace("_", " "),
            _span(self.since_s),
            _ms(self.p50_ms),
            _ms(self.p95_ms),
            "-" if self.error_rate is None else f"{self.error_rate:.1%}",
            "-" if self.calls is None else str(self.calls),
        )

    def _in_how_many(self) -> str:
        """` in 1 of 4`, unless it is so in all workers."""
        count = self.resting if self.condition == "resting" else self.workers.get(self.state or "", 0)
        everyone = sum(self.workers.values())
        return "" if count == everyone else f" in {count} of {everyone}"


class WorkerStatus(Struct, frozen=True):
    """One of ``workers``; without what it knows if it has not ``answered``."""

    worker: int
    answered: bool = True


class Health(Struct, frozen=True):
    """An answer of ``/health`` to an admin key."""

    targets: dict[str, TargetStatus]
    workers: tuple[WorkerStatus, ...] = ()

    @property
    def silent(self) -> list[int]:
        """Workers whose part is missing."""
        return [each.worker for each in self.workers if not each.answered]


def ask(url: str, key: str) -> bytes:
    """What ``/health`` of the gateway at ``url`` answers. No proxy is asked: it runs on this machine. Raises ``NotTold``."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health", headers={"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, HTTPException):
        raise NotTold("does not answer: it is starting, ending or stuck; look at its log") from None
    finally:
        connection.close()
    if answer.status != _OK:
        raise NotTold(f"answers /health with status {answer.status}: try again in a minute")
    return text


def read(text: bytes) -> Health:
    """What ``/health`` has answered. Raises ``NotTold``."""
    try:
        if "targets" in msgspec.json.decode(text, type=dict[str, msgspec.Raw]):
            return msgspec.json.decode(text, type=Health)
    except msgspec.DecodeError:
        raise NotTold("is not understood: is it of another version than this command?") from None
    raise NotTold("does not know the first admin key of this config: `penstock reload` makes it read the config again")


def _span(seconds: float | None) -> str:
    """`12 s`, `3 min`, `5 h`, `2 d`: in the largest unit that is full."""
    if seconds is None:
        return "-"
    unit, size_s = next((each for each in _UNITS if seconds >= each[1]), _UNITS[-1])
    return f"{int(seconds // size_s)} {unit}"


def _ms(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.1f}" if milliseconds < _SMALL_MS else f"{milliseconds:.0f}"
