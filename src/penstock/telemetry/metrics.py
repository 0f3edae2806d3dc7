"""``Metrics``: plain counters on the hot path, turned into Prometheus text when somebody asks (``exposition.py``).

A label takes only values that an operator chose, so that no caller can make series without end: a tenant that was not
identified is ``other``; task is the route that was chosen, provider and model are those of the target that was asked,
each ``""`` when there was none; status and error codes are fixed sets.
Team and feature are the one exception, being tags of the call: the first
hundred pairs of a tenant are told apart, the rest are ``other``.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter

from penstock.core.call import CANCELLED, Call, Usage
from penstock.core.errors import PenstockError, RateLimited, UpstreamError
from penstock.telemetry.totals import BUCKETS_MS, Amount, Histogram, StageTime, Totals, summed

# The format of prometheus.io/docs/instrumenting/exposition_formats (2026-11-21); every scraper takes it.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
TAGGED_PER_TENANT = 100
TAG_CHARS = 64
MARKS_SUMMED = 64


class Series:
    """What calls with the same labels add to: found once a call. The parts are shared with series that differ in less."""

    __slots__ = ("amount", "attempts", "first_content", "latency", "statuses")

    def __init__(self, latency: Histogram) -> None:
        # Of calls that made one, and were answered.
        self.attempts = 0
        self.statuses: Counter[str] = Counter()
        self.latency = latency
        # As soon as there is anything to add.
        self.first_content: Histogram | None = None
        self.amount: Amount | None = None


class Metrics:
    """Counts the calls of this process. One thread only."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.audit_lost = 0
        self.auth_failures = 0
        # By tenant, tier, task, provider and model.
        self.series: dict[tuple[str, ...], Series] = {}
        # By the labels of each metric, in their order.
        self.latency: dict[tuple[str, ...], Histogram] = {}
        self.first_content: dict[tuple[str, ...], Histogram] = {}
        self.amounts: dict[tuple[str, ...], Amount] = {}
        self.tagged_cost: Counter[tuple[str, ...]] = Counter()
        # Those of calls that made several, or came to nothing.
        self._attempts: Counter[tuple[str, ...]] = Counter()
        self.provider_errors: Counter[tuple[str, ...]] = Counter()
        self.retries: Counter[tuple[str, ...]] = Counter()
        self.fallbacks: Counter[tuple[str, ...]] = Counter()
        self.races: Counter[tuple[str, ...]] = Counter()
        self.breaker_changes: Counter[tuple[str, ...]] = Counter()
        self.cache_hits: Counter[tuple[str, ...]] = Counter()
        self.rejections: Counter[tuple[str, ...]] = Counter()
        self._stages: dict[str, StageTime] = {}
        # Marks that are not summed yet, by the stages' names and how many of them were entered.
        self._marks: dict[tuple[tuple[str, ...], int], list[list[float]]] = {}
        self._pairs: dict[str, set[tuple[str, str]]] = {}

    def count(self, call: Call, status: str, error: PenstockError | None, latency_ms: float) -> None:
        """Count a call that is over: ``status`` is ``ok``, ``error``, ``cancelled`` or ``disconnected``."""
        trail = call.trail
        task = trail.task
        tenant = call.identity.tenant if trail.tier else OTHER
        key = (tenant, trail.tier, task, trail.provider, trail.model)
        series = self.series.get(key) or self._begin(key)
        series.statuses[status] += 1
        _observe(series.latency, latency_ms)
        if trail.first_content_at_s:
            if series.first_content is None:
                series.first_content = self.first_content.setdefault(key[2:], Histogram())
            _observe(series.first_content, (trail.first_content_at_s - trail.received_at_s) * 1000)
        usage = trail.usage
        if usage is not None and (usage.input_tokens or usage.output_tokens or trail.cost_nano_usd):
            if series.amount is None:
                series.amount = self.amounts.setdefault((tenant, task, trail.model), Amount())
            self._add(series.amount, usage, tenant, call)
        if trail.cache == "hit":
            self.cache_hits[task, "exact"] += 1
        if isinstance(error, RateLimited):
            reason = trail.policy_decision.removeprefix("deny:") if trail.policy_decision != "allow" else error.code
            self.rejections[tenant, reason] += 1
        if error is not None or trail.fallback_used or len(trail.attempts) > 1:
            self._count_attempts(call, task, error)
        elif trail.attempts:
            series.attempts += 1
        self._keep_marks(trail.stages, trail.marks)

    @property
    def requests(self) -> Counter[tuple[str, ...]]:
        """Calls by tier, task, provider, model and status."""
        counts: Counter[tuple[str, ...]] = Counter()
        for (_, *labels), series in self.series.items():
            for status, count in series.statuses.items():
                counts[*labels, status] += count
        return counts

    @property
    def attempts(self) -> Counter[tuple[str, ...]]:
        """Attempts by provider and model."""
        counts = self._attempts.copy()
        for (*_, provider, model), series in self.series.items():
            if series.attempts:
                counts[provider, model] += series.attempts
        return counts

    @property
    def stages(self) -> dict[str, StageTime]:
        """Time in each stage: from its mark to the next; what began last is not over before the first content."""
        for (names, _), rows in self._marks.items():
            self._sum_marks(names, rows)
        return self._stages

    def totals(self) -> Totals:
        """What was counted so far, and what is so now; the caller's own."""
        return summed(
            [
                Totals(
                    in_flight=self.in_flight,
                    tasks=_tasks(),
                    audit_lost=self.audit_lost,
                    auth_failures=self.auth_failures,
                    requests=self.requests,
                    tagged_cost=self.tagged_cost,
                    attempts=self.attempts,
                    provider_errors=self.provider_errors,
                    retries=self.retries,
                    fallbacks=self.fallbacks,
                    races=self.races,
                    breaker_changes=self.breaker_changes,
                    cache_hits=self.cache_hits,
                    rejections=self.rejections,
                    latency=self.latency,
                    first_content=self.first_content,
                    amounts=self.amounts,
                    stages=self.stages,
                )
            ]
        )

    def lose_audit(self, _error: Exception | None = None) -> None:
        """An audit event could not be appended."""
        self.audit_lost += 1

    def _begin(self, key: tuple[str, ...]) -> Series:
        series = self.series[key] = Series(self.latency.setdefault(key[2:], Histogram()))
        return series

    def _add(self, amount: Amount, usage: Usage, tenant: str, call: Call) -> None:
        cost_nano_usd = call.trail.cost_nano_usd
        amount.input_tokens += usage.input_tokens
        amount.output_tokens += usage.output_tokens
        amount.cost_nano_usd += cost_nano_usd
        if usage.cached_tokens or usage.cache_write_tokens or usage.reasoning_tokens:
            amount.cached_tokens += usage.cached_tokens
            amount.cache_write_tokens += usage.cache_write_tokens
            amount.reasoning_tokens += usage.reasoning_tokens
        if call.trail.unpriced:
            amount.unpriced_calls += 1
        if call.tags and ("team" in call.tags or "feature" in call.tags):
            team, feature = self._pair(tenant, call.tags.get("team", ""), call.tags.get("feature", ""))
            self.tagged_cost[tenant, team, feature] += cost_nano_usd

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
            self._attempts[attempt.provider, attempt.model] += 1
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
        if trail.race_won_by:
            self.races[task, trail.race_won_by] += 1

    def _keep_marks(self, names: tuple[str, ...], marks_s: list[float]) -> None:
        """Stage times are sums of differences: of many calls at once they take a third of the time."""
        key = (names, len(marks_s))
        rows = self._marks.get(key)
        if rows is None:
            rows = self._marks[key] = []
        rows.append(marks_s)
        if len(rows) == MARKS_SUMMED:
            self._sum_marks(names, rows)

    def _sum_marks(self, names: tuple[str, ...], rows: list[list[float]]) -> None:
        sums_s = [sum(column) for column in zip(*rows, strict=True)]
        for name, began_s, ended_s in zip(names, sums_s, sums_s[1:], strict=False):
            stage = self._stages.setdefault(name, StageTime())
            stage.seconds += ended_s - began_s
            stage.count += len(rows)
        rows.clear()


def _tasks() -> int:
    """Of the loop that asks; a thread without one has none."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0


def _observe(histogram: Histogram, value_ms: float) -> None:
    histogram.counts[bisect_left(BUCKETS_MS, value_ms)] += 1
    histogram.sum_ms += value_ms
