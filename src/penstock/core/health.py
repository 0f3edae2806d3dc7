"""How a target is doing at a moment: routing chooses by it, an operator looks at it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]

# The refusal of a gate whose breaker would let a call through.
RESTING = "the provider wants a rest"


class Gate(Struct, frozen=True):
    """What a target's breaker says: its state, since when (monotonic seconds), and why it would refuse a call now.

    ``since_s`` is ``None`` for its first state. ``refusal`` is ``""`` as soon as one call would be let in, be it a probe:
    a target that nobody asks cannot recover.
    """

    state: BreakerState = "closed"
    since_s: float | None = None
    refusal: str = ""


class Quantiles(Struct, frozen=True):
    """Half of the times, and 95 % of them, are no longer than this, in seconds."""

    p50_s: float
    p95_s: float


class Figures(Struct, frozen=True, kw_only=True):
    """How calls at a target have gone lately; ``None`` where nobody knows.

    ``calls`` are the attempts begun, ``error_rate`` (0 to 1) is of those that are over. ``first_content`` is that of
    streams, and of answers that are not streamed the time to all of it; ``whole`` is of answers that ended well.
    """

    calls: int = 0
    error_rate: float | None = None
    first_content: Quantiles | None = None
    whole: Quantiles | None = None


class Health(Struct, frozen=True):
    """Whether a target may be asked, and how it has done."""

    gate: Gate = Gate()
    figures: Figures = Figures()
