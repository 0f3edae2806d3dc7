"""``Metrics``: plain counters on the hot path, turned into Prometheus text when somebody asks (``exposition.py``).

A label takes only values that an operator chose, so that no caller can make series without end: a tenant that was not
identified is ``other``; task is the route that was chosen, provider and model are those of the target that was asked,
each ``""`` when there was none; status and error codes are fixed sets.
Team and feature are the one exception, being tags of the call: the first
hundred pairs of a tenant are told apart, the rest are ``other``.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct

from penstock.core.call import CANCELLED, Call, Usage
from penstock.core.errors import PenstockError, RateLimited, UpstreamError
from penstock.core.ports import Clock

# The format of prometheus.io/docs/instrumenting/exposition_formats (2026-11-21); every scraper takes it.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
TAGGED_PER_TENANT = 100
TAG_CHARS = 64
BUCKETS_MS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 1.5e3, 2.5e3, 4e3, 5e3, 1e4, 3e4, 6e4, 1.2e5, 3e5, 6e5)

_NO_USAGE = Usage()


class QuotaUse(Struct, frozen=True):
    """One tenant's use of one window, in the window's own unit (``day_usd``, ``minute_requests``, ``concurrent``)."""

    tenant: str
    window: str
    used: float
    limit: float


class Histogram:
    """Counts per bucket of ``BUCKETS_MS``, the last one being everything above."""

    __slots__ = ("counts", "sum_ms")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_MS) + 1)
        self.sum_ms = 0.0

    def observe(self, value_ms: float) -> None:
        """Count one value."""
        self.counts[bisect_left(BUCKETS_MS, value_ms)] += 1
        self.sum_ms += value_ms


class Amount:
    """Tokens and money of one tenant, task and model."""

    __slots__ = ("cost_nano_usd", "input_tokens", "output_tokens")

    def __init__(self) -> None:
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_nano_usd = 0


class StageTime:
    """Time that one stage took itself, over so many calls."""

    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.count = 0


class Metrics:
    """Counts calls; ``quota`` is asked at each scrape. One thread only."""

    def __init__(
        self,
        *,
        version: str,
        quota: Callable[[], Iterable[QuotaUse]] = tuple,
        clock: Clock = time.monotonic,
    ) -> None:
        self.version = version
        self.quota = quota
        self.started_at_s = clock()
        self.clock = clock
        self.in_flight = 0
        self.audit_lost = 0
        self.auth_failures = 0
        # By the labels of each metric, in their order.
        self.requests: Counter[tuple[str, ...]] = Counter()
        self.latency: dict[tuple[str, ...], Histogram] = {}
        self.first_content: dict[tuple[str, ...], Histogram] = {}
        self.amounts: dict[tuple[str, ...], Amount] = {}
        self.tagged_cost: Counter[tuple[str, ...]] = Counter()
        self.provider_errors: Counter[tuple[str, ...]] = Counter()
        self.retries: Counter[tuple[str, ...]] = Counter()
        self.fallbacks: Counter[tuple[str, ...]] = Counter()
        self.cache_hits: Counter[tuple[str, ...]] = Counter()
        self.rejections: Counter[tuple[str, ...]] = Counter()
        self.stages: dict[str, StageTime] = {}
        self._pairs: dict[str, set[tuple[str, str]]] = {}

    def count(self, call: Call, status: str, error: PenstockError | None, latency_ms: float) -> None:
        """Count a call that is over: ``status`` is ``ok``, ``error``, ``cancelled`` or ``disconnected``."""
        trail = call.trail
        tenant = call.identity.tenant if trail.tier else OTHER
        task, model = trail.task, trail.model
        self.requests[trail.tier, task, trail.provider, model, status] += 1
        by = (task, trail.provider, model)
        _histogram(self.latency, by).observe(latency_ms)
        if trail.first_content_at_s:
            _histogram(self.first_content, by).observe((trail.first_content_at_s - trail.received_at_s) * 1000)
        usage = trail.usage or _NO_USAGE
        if usage.input_tokens or usage.output_tokens:
            self._add(tenant, task, call, usage)
        if trail.cache == "hit":
            self.cache_hits[task, "exact"] += 1
        if isinstance(error, RateLimited):
            reason = trail.policy_decision.removeprefix("deny:") if trail.policy_decision != "allow" else error.code
            self.rejections[tenant, reason] += 1
        if error is not None or len(trail.attempts) > 1:
            self._count_attempts(call, task, error)
        self._count_stages(trail.marks)

    def lose_audit(self, _error: Exception | None = None) -> None:
        """An audit event could not be appended."""
        self.audit_lost += 1

    def _add(self, tenant: str, task: str, call: Call, usage: Usage) -> None:
        trail = call.trail
        key = (tenant, task, trail.model)
        amount = self.amounts.get(key)
        if amount is None:
            amount = self.amounts[key] = Amount()
        amount.input_tokens += usage.input_tokens
        amount.output_tokens += usage.output_tokens
        amount.cost_nano_usd += trail.cost_nano_usd
        if call.tags and ("team" in call.tags or "feature" in call.tags):
            team, feature = self._pair(tenant, call.tags.get("team", ""), call.tags.get("feature", ""))
            self.tagged_cost[tenant, team, feature] += trail.cost_nano_usd

    def _pair(self, tenant: str, team: str, feature: str) -> tuple[str, str]:
        pairs = self._pairs.setdefault(tenant, set())
        if (team, feature) not in pairs:
            if len(pairs) >= TAGGED_PER_TENANT or len(team) > TAG_CHARS or len(feature) > TAG_CHARS:
                return OTHER, OTHER
            pairs.add((team, feature))
        return team, feature

    def _count_attempts(self, call: Call, task: str, error: PenstockError | None) -> None:
        trail, seen = call.trail, set()
        for attempt in trail.attempts:
            if attempt.target in seen:
                self.retries[attempt.provider, task] += 1
            seen.add(attempt.target)
            if attempt.error_code not in {None, CANCELLED}:
                self.provider_errors[attempt.provider, str(attempt.error_code)] += 1
        if not trail.attempts:
            return
        if isinstance(error, UpstreamError) and trail.attempts[-1].error_code is None:  # broken after its first content
            self.provider_errors[trail.provider, error.code] += 1
        if trail.fallback_used:
            self.fallbacks[task, trail.attempts[0].model, trail.model] += 1

    def _count_stages(self, marks: list[tuple[str, float]]) -> None:
        """A stage took the time from its mark to the next; what began last is not over before the first content."""
        stages, before, since_s = self.stages, None, 0.0
        for name, at_s in marks:
            if before is not None:
                before.seconds += at_s - since_s
                before.count += 1
            before, since_s = stages.get(name), at_s
            if before is None:
                before = stages[name] = StageTime()


def _histogram(histograms: dict[tuple[str, ...], Histogram], key: tuple[str, ...]) -> Histogram:
    histogram = histograms.get(key)
    if histogram is None:
        histogram = histograms[key] = Histogram()
    return histogram
