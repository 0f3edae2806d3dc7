"""``Totals``: what a process has counted, as values that can be sent, added to those of other processes, and shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from msgspec import Struct, field

BUCKETS_MS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 1.5e3, 2.5e3, 4e3, 5e3, 1e4, 3e4, 6e4, 1.2e5, 3e5, 6e5)

Labels: TypeAlias = tuple[str, ...]
Counts: TypeAlias = dict[Labels, int]


def _no_counts() -> list[int]:
    return [0] * (len(BUCKETS_MS) + 1)


class Histogram(Struct):
    """Counts per bucket of ``BUCKETS_MS``, the last one being everything above."""

    counts: list[int] = field(default_factory=_no_counts)
    sum_ms: float = 0.0

    def add(self, other: Histogram) -> None:
        """Count what ``other`` has counted."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.sum_ms += other.sum_ms


class Amount(Struct):
    """Tokens and money of one tenant, task and model."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    unpriced_calls: int = 0

    def add(self, other: Amount) -> None:
        """Count what ``other`` has counted."""
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost_nano_usd += other.cost_nano_usd
        self.cached_tokens += other.cached_tokens
        self.cache_write_tokens += other.cache_write_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.unpriced_calls += other.unpriced_calls


class StageTime(Struct):
    """Time that one stage took itself, over so many calls."""

    seconds: float = 0.0
    count: int = 0

    def add(self, other: StageTime) -> None:
        """Count what ``other`` has counted."""
        self.seconds += other.seconds
        self.count += other.count


class Totals(Struct, kw_only=True):
    """Everything counted since the start. The keys are the labels of each metric, in the order of ``exposition.py``."""

    in_flight: int = 0
    tasks: int = 0
    audit_lost: int = 0
    auth_failures: int = 0
    requests: Counts = field(default_factory=dict)
    tagged_cost: Counts = field(default_factory=dict)
    attempts: Counts = field(default_factory=dict)
    provider_errors: Counts = field(default_factory=dict)
    retries: Counts = field(default_factory=dict)
    fallbacks: Counts = field(default_factory=dict)
    races: Counts = field(default_factory=dict)
    breaker_changes: Counts = field(default_factory=dict)
    breakers: Counts = field(default_factory=dict)
    bulkheads: Counts = field(default_factory=dict)
    cache_hits: Counts = field(default_factory=dict)
    rejections: Counts = field(default_factory=dict)
    latency: dict[Labels, Histogram] = field(default_factory=dict)
    first_content: dict[Labels, Histogram] = field(default_factory=dict)
    amounts: dict[Labels, Amount] = field(default_factory=dict)
    stages: dict[str, StageTime] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Count what another process has counted; nothing is shared with it afterwards."""
        self.in_flight += other.in_flight
        self.tasks += other.tasks
        self.audit_lost += other.audit_lost
        self.auth_failures += other.auth_failures
        for mine, its in zip(self._counts(), other._counts(), strict=True):
            for labels, count in its.items():
                mine[labels] = mine.get(labels, 0) + count
        for labels, histogram in other.latency.items():
            self.latency.setdefault(labels, Histogram()).add(histogram)
        for labels, histogram in other.first_content.items():
            self.first_content.setdefault(labels, Histogram()).add(histogram)
        for labels, amount in other.amounts.items():
            self.amounts.setdefault(labels, Amount()).add(amount)
        for name, stage in other.stages.items():
            self.stages.setdefault(name, StageTime()).add(stage)

    def end(self) -> None:
        """The process is gone: what it has counted stays, and what was so while it ran is not so any more."""
        self.in_flight = self.tasks = 0
        self.breakers.clear()
        self.bulkheads.clear()

    def _counts(self) -> Sequence[Counts]:
        return (
            self.requests,
            self.tagged_cost,
            self.attempts,
            self.provider_errors,
            self.retries,
            self.fallbacks,
            self.races,
            self.breaker_changes,
            self.breakers,
            self.bulkheads,
            self.cache_hits,
            self.rejections,
        )


class QuotaUse(Struct, frozen=True):
    """One tenant's use of one window, in the window's own unit (``day_usd``, ``minute_requests``, ``concurrent``)."""

    tenant: str
    window: str
    used: float
    limit: float


class Gauges(Struct, frozen=True, kw_only=True):
    """What is so at this moment, beside what was counted. ``restarts`` are workers that died and were replaced."""

    version: str
    uptime_s: float
    quota: Sequence[QuotaUse] = ()
    workers: int = 1
    restarts: int = 0


def summed(totals: Iterable[Totals]) -> Totals:
    """All of them as one."""
    whole = Totals()
    for each in totals:
        whole.add(each)
    return whole
