"""Metrics as Prometheus text. Imported at the first scrape."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from penstock.telemetry.totals import BUCKETS_MS, Amount, Gauges, Histogram, QuotaUse, Totals

Values: TypeAlias = Mapping[tuple[str, ...], float]

_BOUNDS = [*(str(bound) for bound in BUCKETS_MS), "+Inf"]
_CALL = ("task", "provider", "model")
_TENANT = ("tenant_id", "task", "model")
_NANO = 1e9
_TOKENS: tuple[tuple[str, str, Callable[[Amount], int]], ...] = (
    ("llm_input_tokens_total", "Tokens read.", attrgetter("input_tokens")),
    ("llm_cached_tokens_total", "Of the tokens read, those from a provider's cache.", attrgetter("cached_tokens")),
    ("llm_cache_write_tokens_total", "Of them, those that it has put there.", attrgetter("cache_write_tokens")),
    ("llm_output_tokens_total", "Tokens written.", attrgetter("output_tokens")),
    ("llm_reasoning_tokens_total", "Of the tokens written, thoughts.", attrgetter("reasoning_tokens")),
)


def render(totals: Totals, gauges: Gauges) -> bytes:
    """Every metric of the gateway, and of the process that is asked."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gateway(totals, gauges))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Gateway(Collector):
    def __init__(self, totals: Totals, gauges: Gauges) -> None:
        self._totals = totals
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        yield from _calls(self._totals)
        yield from _money(self._totals)
        yield from _quota(self._gauges.quota)
        yield from _process(self._totals, self._gauges)

    def describe(self) -> Iterable[Metric]:
        return ()


def _calls(of: Totals) -> Iterator[Metric]:
    labels = ("tenant_tier", *_CALL, "status")
    yield _counter("llm_requests_total", "Calls that are over.", labels, of.requests)
    yield _histogram("llm_latency_ms", "From the request to the end of its answer.", of.latency)
    yield _histogram("llm_first_content_ms", "From the request to the answer's first content.", of.first_content)
    errors = ("provider", "error_type")
    yield _counter("llm_attempts_total", "Requests sent to providers.", ("provider", "model"), of.attempts)
    yield _counter("llm_provider_errors_total", "Failed attempts, timeouts among them.", errors, of.provider_errors)
    yield _counter("llm_retries_total", "Attempts beyond a target's first.", ("provider", "task"), of.retries)
    models = ("task", "from_model", "to_model")
    yield _counter("llm_fallbacks_total", "Calls that another target answered.", models, of.fallbacks)
    races = "Calls that two targets were asked at once, by who answered."
    yield _counter("penstock_races_total", races, ("task", "winner"), of.races)
    changes = "Changes of a target's circuit breaker, by its new state."
    yield _counter("penstock_breaker_changes_total", changes, ("target", "state"), of.breaker_changes)
    states = "Processes in which a target's circuit breaker is in that state."
    yield _gauge("penstock_breakers", states, ("target", "state"), of.breakers)
    places = "Calls that are in a target's bulkhead, or wait for a place there."
    yield _gauge("penstock_bulkhead_calls", places, ("target", "place"), of.bulkheads)
    yield _counter("llm_cache_hits_total", "Calls answered from a cache.", ("task", "cache_type"), of.cache_hits)
    seconds: Values = {(name,): stage.seconds for name, stage in of.stages.items() if stage.count}
    yield _counter("penstock_stage_seconds_total", "Time in a stage before the next one.", ("stage",), seconds)
    counts: Values = {(name,): stage.count for name, stage in of.stages.items() if stage.count}
    yield _counter("penstock_stage_calls_total", "Calls that went through a stage.", ("stage",), counts)


def _money(of: Totals) -> Iterator[Metric]:
    amounts = of.amounts
    for name, text, count in _TOKENS:
        tokens: Values = {key: count(amount) for key, amount in amounts.items() if count(amount)}
        yield _counter(name, text, _TENANT, tokens)
    unpriced: Values = {key: amount.unpriced_calls for key, amount in amounts.items() if amount.unpriced_calls}
    yield _counter(
        "llm_unpriced_calls_total", "Calls whose cost leaves out a model without a price.", _TENANT, unpriced
    )
    costs: Values = {key: amount.cost_nano_usd / _NANO for key, amount in amounts.items()}
    yield _counter("llm_estimated_cost_usd_total", "Cost by the prices configured.", _TENANT, costs)
    costs = {key: nano_usd / _NANO for key, nano_usd in of.tagged_cost.items()}
    tags = ("tenant_id", "team", "feature")
    yield _counter("llm_tagged_cost_usd_total", "Cost of calls tagged with team or feature.", tags, costs)
    reasons = ("tenant_id", "reason")
    yield _counter("llm_quota_rejections_total", "Calls refused by a limit or a budget.", reasons, of.rejections)


def _quota(quota: Sequence[QuotaUse]) -> Iterator[Metric]:
    window = ("tenant_id", "window")
    used: Values = {(use.tenant, use.window): use.used for use in quota}
    yield _gauge("llm_quota_used", "Used of the current window.", window, used)
    limits: Values = {(use.tenant, use.window): use.limit for use in quota}
    yield _gauge("llm_quota_limit", "Limit of the window.", window, limits)


def _process(of: Totals, gauges: Gauges) -> Iterator[Metric]:
    yield _gauge("penstock_calls_in_flight", "Calls that are not over.", (), {(): of.in_flight})
    yield _gauge("penstock_tasks", "Tasks of the event loops.", (), {(): of.tasks})
    lost = "Audit events that could not be appended."
    yield _counter("penstock_audit_events_lost_total", lost, (), {(): of.audit_lost})
    wrong = "Requests refused with 401, which are no calls of anybody and have no audit event."
    yield _counter("penstock_auth_failures_total", wrong, (), {(): of.auth_failures})
    yield _gauge("penstock_uptime_seconds", "Since the gateway started.", (), {(): gauges.uptime_s})
    yield _gauge("penstock_workers", "Processes that serve.", (), {(): gauges.workers})
    died = "Workers that died and were replaced."
    yield _counter("penstock_worker_restarts_total", died, (), {(): gauges.restarts})
    build: Values = {(gauges.version, platform.python_version()): 1}
    yield _gauge("penstock_build_info", "Always 1.", ("version", "python"), build)


def _counter(name: str, text: str, labels: Sequence[str], values: Values) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _gauge(name: str, text: str, labels: Sequence[str], values: Values) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, values: Mapping[tuple[str, ...], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=_CALL)
    for key, histogram in values.items():
        buckets = list(zip(_BOUNDS, map(float, accumulate(histogram.counts)), strict=True))
        family.add_metric(key, buckets, histogram.sum_ms)
    return family
