"""``Standings``: what this process knows of each target. It outlives a reload that leaves the target as it was."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from penstock.app.views import View
from penstock.core.plan import Target
from penstock.core.policy import Care
from penstock.resilience import Breaker, Bulkhead, RetryBudget, Signal, Standing
from penstock.resilience.breaker import Change
from penstock.telemetry import Metrics, Totals
from penstock.telemetry.logs import Logger


class Tellers(Protocol):
    """Whom changes are told to."""

    metrics: Metrics
    logger: Logger


class Standings:
    """Those of the targets of one config: of ``previous`` each whose target, and the care it gets, are what they were.

    Changes of breakers are logged and counted.
    """

    def __init__(
        self, targets: Mapping[str, Target], care: Mapping[str, Care], tellers: Tellers, previous: Standings | None
    ) -> None:
        self._metrics = tellers.metrics
        self._logger = tellers.logger
        self._care = care
        kept = {} if previous is None else previous.unchanged(targets, care)
        self._standings = {
            alias: kept.get(alias) or self._new(target, care[alias]) for alias, target in targets.items()
        }

    def __getitem__(self, alias: str) -> Standing:
        return self._standings[alias]

    def unchanged(self, targets: Mapping[str, Target], care: Mapping[str, Care]) -> dict[str, Standing]:
        """Those of targets that are what they were, and are treated as they were."""
        return {
            alias: standing
            for alias, standing in self._standings.items()
            if standing.target == targets.get(alias) and self._care[alias] == care[alias]
        }

    def _new(self, target: Target, care: Care) -> Standing:
        breaker = Breaker(care.breaker, lambda change: self._tell(target, change))
        return Standing(
            target=target,
            clock=time.monotonic,
            breaker=breaker,
            retries=RetryBudget(share=care.retry_share, floor=care.retry_floor),
            signal=Signal(breaker.gate),
            bulkhead=None if care.bulkhead is None else Bulkhead(target.alias, care.bulkhead),
        )

    def mended(self, provider: str) -> None:
        """Whoever made the provider's faults says that they are over."""
        for standing in self._standings.values():
            if standing.target.provider == provider:
                standing.breaker.reset(standing.clock())

    def add_to(self, totals: Totals) -> None:
        """Breakers' states, and who waits at bulkheads."""
        for alias, standing in self._standings.items():
            totals.breakers[alias, standing.breaker.state] = 1
            if standing.bulkhead is not None:
                totals.bulkheads[alias, "in"] = standing.bulkhead.taken
                totals.bulkheads[alias, "waiting"] = standing.bulkhead.in_line

    def views(self) -> dict[str, View]:
        """What is known of each target now."""
        return {alias: _view(standing, time.monotonic()) for alias, standing in self._standings.items()}

    def _tell(self, target: Target, change: Change) -> None:
        self._metrics.breaker_changes[target.alias, change.became] += 1
        tell = self._logger.info if change.became == "closed" else self._logger.warning
        tell(
            "breaker changed",
            target=target.alias,
            provider=target.provider,
            was=change.was,
            now=change.became,
            why=change.why,
        )


def _view(standing: Standing, now_s: float) -> View:
    gate = standing.breaker.gate(now_s)
    since_s = None if gate.since_s is None else now_s - gate.since_s
    return View(gate.state, since_s, gate.refusal, standing.signal.tally(now_s))
