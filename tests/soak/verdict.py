"""Whether a row of samples is flat: a robust slope after a warm-up, never the first sample against the last. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

from msgspec import Struct


class Tolerance(Struct, frozen=True):
    """How much a figure may grow over the measured part of a run: the larger of the two."""

    least: float
    share: float

    def of(self, level: float) -> float:
        """In the figure's own unit, at its usual ``level``."""
        return max(self.least, self.share * level)


class Growth(Struct, frozen=True):
    """Slope times length of the measured part, and what it may be."""

    level: float
    grown: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Falling is as good as staying."""
        return self.grown <= self.allowed


def growth(times_s: Sequence[float], values: Sequence[float], tolerance: Tolerance) -> Growth:
    """Growth of ``values`` by the Theil-Sen slope, which a few outliers cannot move (Sen 1968).

    Raises ``ValueError`` for fewer than four samples.
    """
    if len(times_s) < 4:
        raise ValueError("a slope needs four samples or more: run for longer")
    pairs = itertools.combinations(zip(times_s, values, strict=True), 2)
    slope = median((later - earlier) / (after - before) for (before, earlier), (after, later) in pairs)
    level = median(values)
    return Growth(level, slope * (times_s[-1] - times_s[0]), tolerance.of(level))
