"""Targets in good standing, and plans that leave nothing to chance."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from penstock.core.call import Call
from penstock.core.plan import Mirror, Plan, Ranked, Ranking, Select, Split, Target
from penstock.core.policy import BreakerPolicy, BulkheadPolicy
from penstock.core.ports import Clock
from penstock.resilience import Breaker, Bulkhead, RetryBudget, Signal, Standing


def standing(
    target: Target,
    clock: Clock,
    *,
    breaker: BreakerPolicy | None = None,
    retries: RetryBudget | None = None,
    bulkhead: BulkheadPolicy | None = None,
) -> Standing:
    """One that nothing is known of; its breaker and its retry budget are out of the way unless they are given."""
    made = Breaker(breaker or BreakerPolicy(failures=1_000_000))
    return Standing(
        target=target,
        clock=clock,
        breaker=made,
        retries=retries or RetryBudget(floor=1_000_000),
        signal=Signal(made.gate),
        bulkhead=None if bulkhead is None else Bulkhead(target.alias, bulkhead),
    )


class PlainChoices:
    """Equals in their order, the first arm of a split, a hedge as ``p95_s`` says, and no call is a probe."""

    def __init__(
        self,
        p95_s: Callable[[Plan], float] = lambda _plan: inf,
        trial_after_s: Callable[[str], float | None] = lambda _target: None,
    ) -> None:
        self.hedge_after_s = p95_s
        self.trial_after_s = trial_after_s

    def rank(self, plan: Select) -> Ranking:
        """As they stand."""
        return Ranking(tuple(Ranked(use.target, "as it stands") for use in plan.plans))

    def arm(self, _plan: Split, _call: Call) -> int:
        """The first."""
        return 0

    def shadow(self, _plan: Mirror, _call: Call) -> None:
        """None is sent."""

    def continuation(self, _target: str) -> None:
        """A cut is told."""
