"""``Plan``: how a call is to be answered, as data; and ``Decision``: why. Routing makes both, dispatch follows."""

from __future__ import annotations

from collections.abc import Container
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace


class Use(Struct, frozen=True):
    """Ask one target (a model alias)."""

    target: str


class First(Struct, frozen=True):
    """Ask each plan in turn until one answers: fallback."""

    plans: tuple[Plan, ...]


class Race(Struct, frozen=True):
    """Ask ``main``, and ``fallback`` beside it after ``after_s`` or when ``main`` has failed; the first good answer wins.

    A ``hedge`` starts when ``main`` is later than 95 % of its own calls, if that is sooner. From the fallback's start
    both have ``limit_s``, or what is left of the call's deadline.
    """

    main: Plan
    fallback: Plan
    after_s: float
    limit_s: float | None = None
    hedge: bool = False


class Select(Struct, frozen=True):
    """Choose one among equals by a signal (``lowest_latency``, ``cheapest``, ``weighted``, ``quality``).

    The others are asked after it when it fails. ``weights`` are those of ``weighted``, in the order of ``plans``.
    """

    by: str
    plans: tuple[Use, ...]
    weights: tuple[float, ...] = ()


class Split(Struct, frozen=True):
    """Choose one by weight, the same one for the same ``user`` or ``tenant`` if it is sticky: canary, A/B, blue-green."""

    plans: tuple[Use, ...]
    weights: tuple[float, ...]
    sticky: str | None = None


class Mirror(Struct, frozen=True):
    """Answer with ``main``, and send ``copy`` a ``share`` (0 to 1) of the same calls unseen: shadow."""

    main: Plan
    copy: Plan
    share: float = 1.0


class Degrade(Struct, frozen=True):
    """Answer with a fixed text, marked as such: the last resort."""

    text: str


Plan: TypeAlias = Use | First | Race | Select | Split | Mirror | Degrade


def plan_targets(plan: Plan) -> tuple[str, ...]:
    """The targets a plan may ask, in its order, each once."""
    if isinstance(plan, Use):
        return (plan.target,)
    return tuple(dict.fromkeys(target for part in plan_parts(plan) for target in plan_targets(part)))


def plan_parts(plan: Plan) -> tuple[Plan, ...]:
    """The plans that a plan is made of, in its order."""
    if isinstance(plan, First | Select | Split):
        return plan.plans
    if isinstance(plan, Race):
        return plan.main, plan.fallback
    if isinstance(plan, Mirror):
        return plan.main, plan.copy
    return ()


def narrow(plan: Plan, allowed: Container[str]) -> Plan | None:
    """The plan without the targets that are not ``allowed``; ``None`` when nothing is left.

    A mirrored copy answers nobody: without its main nothing is left.
    """
    if isinstance(plan, Use):
        return plan if plan.target in allowed else None
    if isinstance(plan, Degrade):
        return plan
    left = [narrow(part, allowed) for part in plan_parts(plan)]
    if isinstance(plan, Race):
        main, fallback = left
        return replace(plan, main=main, fallback=fallback) if main and fallback else main or fallback
    if isinstance(plan, Mirror):
        main, copy = left
        return replace(plan, main=main, copy=copy) if main and copy else main
    return _narrowed(plan, left)


def _narrowed(plan: First | Select | Split, left: list[Plan | None]) -> Plan | None:
    kept = tuple(part for part in left if part is not None)
    if len(kept) < 2:  # noqa: PLR2004 - one of one is no choice
        return kept[0] if kept else None
    if isinstance(plan, First):
        return First(kept)
    weights = tuple(weight for weight, part in zip(plan.weights, left, strict=False) if part is not None)
    return replace(plan, plans=kept, weights=weights)


class Exclusion(Struct, frozen=True):
    """A target that a rule left out, and why."""

    target: str
    rule: str
    reason: str


class Ranked(Struct, frozen=True):
    """A target in its place among equals, and what put it there."""

    target: str
    reason: str


class Ranking(Struct, frozen=True):
    """Targets in the order in which to try them, the chosen one first; and those that are left out."""

    tries: tuple[Ranked, ...]
    excluded: tuple[Exclusion, ...] = ()


class Decision(Struct, frozen=True):
    """Why this plan: what was asked, which rule chose, what was excluded, what is left in order.

    ``ranked`` are the equals among which one was chosen, as they were tried.
    """

    asked: str
    rule: str
    targets: tuple[str, ...]
    excluded: tuple[Exclusion, ...] = ()
    degraded: bool = False
    ranked: tuple[Ranked, ...] = ()


class Price(Struct, frozen=True):
    """What the tokens of one model cost, in integer nano-USD per 1,000: exact down to 1e-6 USD a million tokens.

    Input that is read from the provider's cache costs ``cached``, input that is written to it ``cache_write``, and
    ``cache_write_1h`` where it is kept for an hour: ``None`` is what the kind before it costs, plain input in the end.
    A call of more than ``over_tokens`` input tokens costs ``over``, all of it. ``source`` is who says so.
    """

    input: int
    output: int
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    over_tokens: int | None = None
    over: Price | None = None
    source: str = "config"

    @property
    def of_input(self) -> tuple[int, int, int, int]:
        """Of plain input, a cached read, a cache write, and one for an hour."""
        write = self.input if self.cache_write is None else self.cache_write
        return (
            self.input,
            self.input if self.cached is None else self.cached,
            write,
            write if self.cache_write_1h is None else self.cache_write_1h,
        )

    @property
    def dearest_input(self) -> int:
        """The most that any input costs."""
        if self.cached is None and self.cache_write is None and self.cache_write_1h is None:
            return self.input
        return max(self.of_input)

    def at(self, input_tokens: int) -> Price:
        """The price of a call of so much input."""
        price = self
        while price.over is not None and price.over_tokens is not None and input_tokens > price.over_tokens:
            price = price.over
        return price


class Sold(Struct, frozen=True):
    """A model as a price list knows it: the kind of provider, its address, and what it calls the model."""

    kind: str
    base_url: str
    model_id: str


class Target(Struct, frozen=True):
    """One deployment behind an alias. ``None`` tokens mean no limit of its own, ``None`` as a price that nobody knows it.

    ``quality`` is on the operator's own scale, more is better. A stream of a ``resumable`` one that is cut may go on at
    another target.
    """

    alias: str
    provider: str
    model_id: str
    max_output_tokens: int | None = None
    max_input_tokens: int | None = None
    price: Price | None = None
    quality: float = 0.0
    resumable: bool = False
