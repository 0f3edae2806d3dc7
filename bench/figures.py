"""What was measured: the figures of every round of every case, and what is computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

Figures = dict[str, float]


class Key(NamedTuple):
    """One case: the kind of load, its size (connections, streams or bytes), and what it went through."""

    load: str
    size: int
    through: str


class Measured:
    """Rounds by case, in the order in which they were taken.

    Cases of one load and size took turns, so that their rounds pair up: a ratio is the median of the rounds' ratios.
    """

    def __init__(self) -> None:
        self._rounds: dict[Key, list[Figures]] = {}

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Measured:
        """Take back what ``rows`` gave."""
        measured = cls()
        for row in rows:
            for figures in row["rounds"]:
                measured.add(Key(row["load"], row["size"], row["through"]), figures)
        return measured

    def add(self, key: Key, figures: Figures) -> None:
        self._rounds.setdefault(key, []).append(figures)

    def rows(self) -> list[dict[str, Any]]:
        """One JSON object per case."""
        return [key._asdict() | {"rounds": rounds} for key, rounds in self._rounds.items()]

    def keys(self, load: str) -> list[Key]:
        return [key for key in self._rounds if key.load == load]

    def values(self, key: Key, name: str) -> list[float]:
        """One figure of every round that has it."""
        return [figures[name] for figures in self._rounds.get(key, ()) if name in figures]

    def median(self, key: Key, name: str) -> float | None:
        values = self.values(key, name)
        return median(values) if values else None

    def spread(self, key: Key, name: str) -> float | None:
        """Largest less smallest round, as a share of the median; None for fewer than two rounds."""
        values = self.values(key, name)
        middle = median(values) if len(values) > 1 else 0
        return (max(values) - min(values)) / abs(middle) if middle else None

    def pair(self, load: str, size: int, name: str, throughs: Sequence[str]) -> list[tuple[float, ...]]:
        """One figure of what the same load went through, round by round; empty when one of them was not measured."""
        return list(zip(*(self.values(Key(load, size, through), name) for through in throughs), strict=False))


def ratio(pairs: Sequence[tuple[float, ...]]) -> float | None:
    """The median over the rounds of the first figure by the second."""
    return median(own / other for own, other in pairs) if pairs and all(other for _, other in pairs) else None


def added(pairs: Sequence[tuple[float, ...]]) -> float | None:
    """The median over the rounds of the first figure less the second."""
    return median(own - other for own, other in pairs) if pairs else None


def three_digits(value: float) -> str:
    """Rounded to what the next run may give again."""
    return f"{float(f'{value:.3g}'):,.10g}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the ordered values lies; there must be one."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)
