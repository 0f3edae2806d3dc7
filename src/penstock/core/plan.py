"""``Plan``: how a call is to be answered, as data; and ``Decision``: why. Routing makes both, dispatch follows."""

from __future__ import annotations

from collections.abc import Container
from typing import TypeAlias

from msgspec import Struct


class Use(Struct, frozen=True):
    """Ask one target (a model alias)."""

    target: str


class First(Struct, frozen=True):
    """Ask each plan in turn until one answers: fallback."""

    plans: tuple[Plan, ...]


class Race(Struct, frozen=True):
    """Start the second after ``delay_s``, both go on, the first good answer wins: hedge."""

    plans: tuple[Plan, ...]
    delay_s: float


class Select(Struct, frozen=True):
    """Choose one among equals by a signal (``lowest_latency``, ``cheapest`` ...)."""

    by: str
    plans: tuple[Plan, ...]


class Split(Struct, frozen=True):
    """Choose one by weight, the same one for the same sticky key: canary, A/B, blue-green."""

    plans: tuple[Plan, ...]
    weights: tuple[float, ...]
    sticky: str | None = None


class Mirror(Struct, frozen=True):
    """Answer with ``main`` and send ``copy`` the same call unseen: shadow."""

    main: Plan
    copy: Plan


class Degrade(Struct, frozen=True):
    """Answer with a fixed text, marked as such: the last resort."""

    text: str


Plan: TypeAlias = Use | First | Race | Select | Split | Mirror | Degrade


def plan_targets(plan: Plan) -> tuple[str, ...]:
    """The targets a plan may ask, in its order, each once."""
    return tuple(dict.fromkeys(plan_uses(plan)))


def plan_uses(plan: Plan) -> tuple[str, ...]:
    """The targets a plan may ask, in its order, as often as it may ask each."""
    if isinstance(plan, Use):
        return (plan.target,)
    if isinstance(plan, First | Race | Select | Split):
        return tuple(target for part in plan.plans for target in plan_uses(part))
    if isinstance(plan, Mirror):
        return (*plan_uses(plan.main), *plan_uses(plan.copy))
    return ()


def narrow(plan: Plan, allowed: Container[str]) -> Plan | None:
    """The plan without the targets that are not ``allowed``; ``None`` when nothing is left."""
    if isinstance(plan, Use):
        return plan if plan.target in allowed else None
    if isinstance(plan, First):
        left = tuple(kept for part in plan.plans if (kept := narrow(part, allowed)) is not None)
        return left[0] if len(left) == 1 else First(left) if left else None
    if isinstance(plan, Degrade):
        return plan
    raise NotImplementedError(type(plan).__name__)  # the config refuses plans that are not followed yet


class Exclusion(Struct, frozen=True):
    """A target that a rule left out, and why."""

    target: str
    rule: str
    reason: str


class Decision(Struct, frozen=True):
    """Why this plan: what was asked, which rule chose, what was excluded, what is left in order."""

    asked: str
    rule: str
    targets: tuple[str, ...]
    excluded: tuple[Exclusion, ...] = ()
    degraded: bool = False


class Target(Struct, frozen=True):
    """One deployment behind an alias. ``None`` tokens mean no limit of its own.

    Prices are integer nano-USD per 1,000 tokens: exact for prices down to 1e-6 USD a million tokens.
    """

    alias: str
    provider: str
    model_id: str
    max_output_tokens: int | None = None
    max_input_tokens: int | None = None
    input_nano_usd_per_1k: int = 0
    output_nano_usd_per_1k: int = 0

    def cost_nano_usd(self, input_tokens: int, output_tokens: int) -> int:
        """What this many tokens cost here, in nano-USD, rounded up."""
        return -((-input_tokens * self.input_nano_usd_per_1k - output_tokens * self.output_nano_usd_per_1k) // 1000)
