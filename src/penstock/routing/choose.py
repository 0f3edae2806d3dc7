"""The order in which equals are tried, and why: a pure function of what is known of them and a chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Literal, TypeAlias

from msgspec import Struct

from penstock.core.health import Health
from penstock.core.plan import Exclusion, Ranked, Ranking
from penstock.routing.split import pick

By: TypeAlias = Literal["lowest_latency", "cheapest", "weighted", "quality"]

# Of the calls that look for the lowest latency, so many go to another target: what was slow may be quick by now.
EXPLORED = 0.05


class Candidate(Struct, frozen=True):
    """One of the equals. ``quality`` is the operator's own scale, where more is better; so is ``weight``.

    ``nano_usd_per_1k`` is one price for 1,000 tokens, blended of input and output as the caller sees fit; ``None`` where
    nobody knows it.
    """

    alias: str
    health: Health = Health()
    nano_usd_per_1k: int | None = 0
    weight: float = 1.0
    quality: float = 0.0


def choose(by: By, candidates: Sequence[Candidate], chance: float) -> Ranking:
    """Rank ``candidates``, equals in their order; ``chance`` in [0, 1) decides what is left to chance.

    Those whose gate refuses calls are left out, unless all of them do.
    """
    asked = [candidate for candidate in candidates if not candidate.health.gate.refusal]
    if len(asked) == len(candidates) or not asked:
        return Ranking(tuple(_ORDERS[by](candidates, chance)), ())
    refusals = ((candidate.alias, candidate.health.gate.refusal) for candidate in candidates)
    excluded = tuple(Exclusion(alias, "health", refusal) for alias, refusal in refusals if refusal)
    return Ranking(tuple(_ORDERS[by](asked, chance)), excluded)


def _by_latency(candidates: Sequence[Candidate], chance: float) -> list[Ranked]:
    """What nobody has asked comes first, then the lowest p95, last what was asked and has not answered yet."""
    ranked = [Ranked(each.alias, _latency_text(each)) for each in sorted(candidates, key=_latency_s)]
    others = len(ranked) - 1
    if others and chance < EXPLORED:
        tried = ranked.pop(1 + int(chance / EXPLORED * others))
        ranked.insert(0, Ranked(tried.target, f"{tried.reason}, tried now and then"))
    return ranked


def _latency_s(candidate: Candidate) -> float:
    figures = candidate.health.figures
    if figures.first_content is None:
        return inf if figures.calls else -inf
    return figures.first_content.p95_s


def _latency_text(candidate: Candidate) -> str:
    figures = candidate.health.figures
    if figures.first_content is None:
        return "asked, and has not answered yet" if figures.calls else "nobody has asked it yet"
    return f"p95 {figures.first_content.p95_s * 1000:.0f} ms"


def _by_price(candidates: Sequence[Candidate], _chance: float) -> list[Ranked]:
    """What nobody knows the price of comes last."""
    ranked = sorted(candidates, key=lambda each: inf if each.nano_usd_per_1k is None else each.nano_usd_per_1k)
    return [Ranked(each.alias, _price_text(each.nano_usd_per_1k)) for each in ranked]


def _price_text(nano_usd_per_1k: int | None) -> str:
    return "no known price" if nano_usd_per_1k is None else f"{nano_usd_per_1k / 1e6:g} USD per 1M tokens"


def _by_weight(candidates: Sequence[Candidate], chance: float) -> list[Ranked]:
    """One by chance, the others heaviest first."""
    weights = [each.weight for each in candidates]
    chosen = candidates[pick(weights, chance)]
    ranked = sorted(candidates, key=lambda each: (each is not chosen, -each.weight))
    total = sum(weights)
    return [Ranked(each.alias, f"weight {each.weight:g} of {total:g}") for each in ranked]


def _by_quality(candidates: Sequence[Candidate], _chance: float) -> list[Ranked]:
    ranked = sorted(candidates, key=lambda each: -each.quality)
    return [Ranked(each.alias, f"quality {each.quality:g}") for each in ranked]


_ORDERS: Mapping[By, Callable[[Sequence[Candidate], float], list[Ranked]]] = {
    "lowest_latency": _by_latency,
    "cheapest": _by_price,
    "weighted": _by_weight,
    "quality": _by_quality,
}
