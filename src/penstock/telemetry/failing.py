"""Failing targets, told to operators whatever came of the calls: a fallback's good answer hides an outage."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from penstock.core.errors import DeadlineExceeded, PenstockError, UpstreamError
from penstock.core.plan import Target
from penstock.telemetry.logs import Logger

Later: TypeAlias = Callable[[float, Callable[[], None]], object]


class FailingTargets:
    """Hears of every failed attempt; an outage at a thousand calls a second must not write a thousand lines.

    A target's first failure is told at once, then each ``EVERY_S`` one line sums up what followed, until nothing did.
    ``later`` calls a function after so many seconds.
    """

    EVERY_S = 30.0

    def __init__(self, logger: Logger, *, later: Later | None = None) -> None:
        self._logger = logger
        self._later = later or _on_the_loop
        # The failures since the last line, by error code.
        self._since: dict[Target, Counter[str]] = {}

    def __call__(self, target: Target, error: PenstockError) -> None:
        """Take one failed attempt. What a provider says against the call itself is no failure of the target."""
        if not isinstance(error, UpstreamError | DeadlineExceeded):
            return
        since = self._since.get(target)
        if since is not None:
            since[error.code] += 1
        else:
            self._since[target] = Counter()
            self._tell("target failed", target, error=error.code, reason=error.message)
            self._later(self.EVERY_S, partial(self._sum_up, target))

    def _sum_up(self, target: Target) -> None:
        failures = self._since[target]
        if not failures:
            del self._since[target]
            return
        self._since[target] = Counter()
        self._tell(
            "target goes on failing", target, failures=failures.total(), in_s=self.EVERY_S, errors=dict(failures)
        )
        self._later(self.EVERY_S, partial(self._sum_up, target))

    def _tell(self, event: str, target: Target, **fields: object) -> None:
        self._logger.warning(event, target=target.alias, provider=target.provider, model=target.model_id, **fields)


def _on_the_loop(delay_s: float, act: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(delay_s, act)
