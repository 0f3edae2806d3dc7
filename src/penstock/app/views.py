"""``View``: what one process knows of a target; and what all of them know, as an operator wants to see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from penstock.core.health import RESTING, BreakerState, Quantiles
from penstock.resilience import Tally, figures_of

# From the best to the worst.
_STATES: tuple[BreakerState, ...] = ("closed", "half_open", "open")


class View(Struct, frozen=True, array_like=True):
    """How a target stands here: its breaker, for how many seconds now (``None``: since the start), and its calls."""

    state: BreakerState
    since_s: float | None
    refusal: str
    tally: Tally


# Those of one process, by alias.
Views: TypeAlias = Mapping[str, View]


def shown(views: Sequence[Views]) -> dict[str, dict[str, Any]]:
    """What an operator wants to see of each target that anyone knows."""
    aliases = dict.fromkeys(alias for each in views for alias in each)
    return {alias: _shown([each[alias] for each in views if alias in each]) for alias in aliases}


def _shown(views: Sequence[View]) -> dict[str, Any]:
    """Of one target: the worst state, since the first has been in it; milliseconds, and ``None`` where nobody knows."""
    states = Counter(view.state for view in views)
    state = max(states, key=_STATES.index)
    worst = [view for view in views if view.state == state]
    since_s = [view.since_s for view in worst if view.since_s is not None]
    refusals = [view.refusal for view in worst if view.refusal]
    figures = figures_of([view.tally for view in views])
    return {
        "state": state,
        "refusal": refusals[0] if refusals else None,
        "since_s": round(max(since_s), 3) if len(since_s) == len(worst) else None,
        "p50_ms": _p50_ms(figures.first_content),
        "p95_ms": _p95_ms(figures.first_content),
        "whole_p50_ms": _p50_ms(figures.whole),
        "whole_p95_ms": _p95_ms(figures.whole),
        "error_rate": figures.error_rate,
        "calls": figures.calls,
        "workers": {each: states[each] for each in _STATES if each in states},
        "resting": sum(view.refusal == RESTING for view in views),
    }


def _p50_ms(times: Quantiles | None) -> float | None:
    return None if times is None else round(times.p50_s * 1000, 3)


def _p95_ms(times: Quantiles | None) -> float | None:
    return None if times is None else round(times.p95_s * 1000, 3)
