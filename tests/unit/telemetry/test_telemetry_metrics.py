"""Metrics: what each call adds, and the text that a scraper reads."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from penstock.core.answer import DISCONNECT, END, Answer, Outcome
from penstock.core.call import CANCELLED, Attempt, Call, Usage
from penstock.core.chain import Handler, chain
from penstock.core.errors import BudgetExceeded, PenstockError, RateLimited, UpstreamCut
from penstock.telemetry import Gauges, Metrics, QuotaUse, Trace
from penstock.telemetry.exposition import render
from support.calls import ask, make_call
from support.clocks import HandClock

BY = {"task": "chat", "provider": "sim", "model": "sim-1"}


def shown(metrics: Metrics, quota: Sequence[QuotaUse] = ()) -> str:
    return render(metrics.totals(), Gauges(version="1.2.3", uptime_s=5.0, quota=quota)).decode()


def families(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(shown(metrics))}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One sample's value; ``None`` when there is no such sample."""
    for family in families(metrics).values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


class Run:
    """Calls through ``trace``, with clocks that stand still unless moved."""

    def __init__(self, metrics: Metrics) -> None:
        self.clock = HandClock()
        self.failed: list[tuple[str, float]] = []
        self.stage = Trace(
            metrics,
            on_failed=lambda _call, error, latency_ms: self.failed.append((error.code, latency_ms)),
            clock=self.clock,
        )

    async def answered(self, call: Call, outcome: Outcome = END, latency_s: float = 0.1) -> None:
        answer = await ask(self.stage, call, _answers)
        self.clock.now_s = call.trail.received_at_s + latency_s
        answer.close(outcome)

    async def failed_with(self, call: Call, error: BaseException) -> None:
        async def proceed(_call: Call) -> Answer:
            raise error

        with pytest.raises(type(error)):
            await ask(self.stage, call, proceed)


async def _answers(_call: Call) -> Answer:
    return Answer("openai", body=b"{}")


def dispatched(*attempts: Attempt, **changes: Any) -> Call:
    """A call that asked ``attempts``; one good one of ``sim`` when none is named."""
    call = make_call(**changes)
    trail = call.trail
    trail.task = call.task
    trail.attempts = list(attempts) or [Attempt("fast", "sim", "sim-1", 50.0)]
    last = trail.attempts[-1]
    trail.target, trail.provider, trail.model = last.target, last.provider, last.model
    return call


async def test_a_call_adds_its_count_latency_tokens_and_cost() -> None:
    metrics = Metrics()
    run = Run(metrics)
    for _ in range(2):
        call = dispatched()
        call.trail.usage, call.trail.cost_nano_usd, call.trail.first_content_at_s = Usage(10, 5), 1_500_000_000, 0.04
        await run.answered(call)
    assert value(metrics, "llm_requests_total", tenant_tier="pro", **BY, status="ok") == 2
    assert value(metrics, "llm_latency_ms_count", **BY) == 2
    assert value(metrics, "llm_latency_ms_sum", **BY) == pytest.approx(200)
    assert value(metrics, "llm_latency_ms_bucket", **BY, le="50.0") == 0
    assert value(metrics, "llm_latency_ms_bucket", **BY, le="100.0") == 2
    assert value(metrics, "llm_latency_ms_bucket", **BY, le="+Inf") == 2
    assert value(metrics, "llm_first_content_ms_bucket", **BY, le="50.0") == 2
    by_tenant = {"tenant_id": "acme", "task": "chat", "model": "sim-1"}
    assert value(metrics, "llm_input_tokens_total", **by_tenant) == 20
    assert value(metrics, "llm_output_tokens_total", **by_tenant) == 10
    assert value(metrics, "llm_estimated_cost_usd_total", **by_tenant) == 3.0
    assert run.failed == []


async def test_money_without_tokens_is_money_too() -> None:
    metrics, call = Metrics(), dispatched()
    call.trail.usage, call.trail.cost_nano_usd = Usage(), 2_000_000_000
    await Run(metrics).answered(call)
    assert value(metrics, "llm_estimated_cost_usd_total", tenant_id="acme", task="chat", model="sim-1") == 2.0


async def test_retries_fallbacks_and_provider_errors_are_counted_by_what_was_asked() -> None:
    metrics = Metrics()
    attempts = [Attempt("big", "p1", "m1", 9.0, "upstream_timeout"), Attempt("big", "p1", "m1", 9.0, "upstream_cut")]
    call = dispatched(*attempts, Attempt("small", "p2", "m2", 9.0))
    call.trail.fallback_used = True
    await Run(metrics).answered(call)
    assert value(metrics, "llm_retries_total", provider="p1", task="chat") == 1
    assert value(metrics, "llm_retries_total", provider="p2", task="chat") is None
    assert value(metrics, "llm_fallbacks_total", task="chat", from_model="m1", to_model="m2") == 1
    assert value(metrics, "llm_provider_errors_total", provider="p1", error_type="upstream_timeout") == 1
    assert value(metrics, "llm_provider_errors_total", provider="p1", error_type="upstream_cut") == 1


async def test_every_attempt_is_counted_whatever_became_of_it() -> None:
    metrics = Metrics()
    first, second = Attempt("big", "p1", "m1", 9.0, "upstream_timeout"), Attempt("small", "p2", "m2", 9.0)
    await Run(metrics).answered(dispatched(first, first, second))
    await Run(metrics).answered(dispatched(second))
    await Run(metrics).answered(dispatched())
    assert value(metrics, "llm_attempts_total", provider="p1", model="m1") == 2
    assert value(metrics, "llm_attempts_total", provider="p2", model="m2") == 2


async def test_races_are_counted_by_their_winner() -> None:
    metrics = Metrics()
    call = dispatched(Attempt("big", "p1", "m1", 9.0, CANCELLED), Attempt("small", "p2", "m2", 9.0))
    call.trail.race_won_by, call.trail.fallback_used = "fallback", True
    await Run(metrics).answered(call)
    await Run(metrics).answered(dispatched(Attempt("big", "p1", "m1", 9.0)))
    assert value(metrics, "penstock_races_total", task="chat", winner="fallback") == 1
    assert value(metrics, "penstock_races_total", task="chat", winner="main") is None
    assert value(metrics, "llm_fallbacks_total", task="chat", from_model="m1", to_model="m2") == 1


async def test_a_provider_that_fails_behind_a_fixed_text_is_counted() -> None:
    metrics = Metrics()
    call = dispatched(Attempt("big", "p1", "m1", 9.0, "upstream_timeout"))
    call.trail.provider, call.trail.model, call.trail.fallback_used = "penstock", "degrade", True
    await Run(metrics).answered(call)
    assert value(metrics, "llm_provider_errors_total", provider="p1", error_type="upstream_timeout") == 1
    assert value(metrics, "llm_fallbacks_total", task="chat", from_model="m1", to_model="degrade") == 1


async def test_a_stream_that_breaks_is_its_providers_error() -> None:
    metrics = Metrics()
    run = Run(metrics)
    await run.answered(dispatched(), Outcome("error", UpstreamCut("cut")))
    assert value(metrics, "llm_provider_errors_total", provider="sim", error_type="upstream_cut") == 1
    assert value(metrics, "llm_requests_total", tenant_tier="pro", **BY, status="error") == 1
    assert run.failed == [("upstream_cut", 100.0)]


@pytest.mark.parametrize(
    ("decision", "error", "reason"),
    [
        ("deny:rate_limit", RateLimited("slow down"), "rate_limit"),
        ("deny:budget", BudgetExceeded("spent"), "budget"),
        ("allow", RateLimited("slow down"), "rate_limit_exceeded"),
    ],
)
async def test_refusals_are_counted_by_reason(decision: str, error: PenstockError, reason: str) -> None:
    metrics, call = Metrics(), make_call()
    call.trail.policy_decision = decision
    await Run(metrics).failed_with(call, error)
    assert value(metrics, "llm_quota_rejections_total", tenant_id="acme", reason=reason) == 1


async def test_a_cache_hit_is_counted() -> None:
    metrics, call = Metrics(), make_call()
    call.trail.cache, call.trail.task = "hit", "chat"
    await Run(metrics).answered(call)
    assert value(metrics, "llm_cache_hits_total", task="chat", cache_type="exact") == 1


async def test_calls_in_flight_go_down_however_a_call_ends() -> None:
    metrics = Metrics()
    run = Run(metrics)
    open_answer = await ask(run.stage, make_call(), _answers)
    assert value(metrics, "penstock_calls_in_flight") == 1
    open_answer.close(DISCONNECT)
    await run.failed_with(make_call(), ValueError("bug"))
    await run.failed_with(make_call(), asyncio.CancelledError())
    assert value(metrics, "penstock_calls_in_flight") == 0
    statuses = {labels[-1] for labels in metrics.requests}
    assert statuses == {"disconnected", "error", "cancelled"}
    assert [code for code, _ in run.failed] == ["internal_error"]


async def test_callers_cannot_make_series_without_end() -> None:
    metrics = Metrics()
    run = Run(metrics)
    for number in range(300):
        call = dispatched(tenant=f"t{number}", task=f"task{number}", model=f"m{number}")
        call.trail.tier = call.trail.task = ""  # neither identified nor routed
        call.trail.usage = Usage(1, 1)
        await run.answered(call)
        tagged = dispatched(tags={"team": f"team{number}", "feature": "f" * number})
        tagged.trail.usage, tagged.trail.cost_nano_usd = Usage(1, 1), 10
        await run.answered(tagged)
    assert len(metrics.requests) == 2
    assert len(metrics.amounts) == 2
    assert value(metrics, "llm_input_tokens_total", tenant_id="other", task="", model="sim-1") == 300
    assert len(metrics.tagged_cost) <= 101
    assert sum(metrics.tagged_cost.values()) == 3000


async def test_a_stage_is_charged_until_the_next_one_begins() -> None:
    metrics = Metrics()
    clock = HandClock()

    class Slow:
        def __init__(self, name: str, seconds: float) -> None:
            self.name, self._seconds = name, seconds

        async def __call__(self, call: Call, proceed: Handler) -> Answer:
            clock.pass_s(self._seconds)
            call.trail.marks[-1] = clock.now_s - self._seconds
            return await proceed(call)

    async def end(call: Call) -> Answer:
        call.trail.marks[-1] = clock.now_s
        return await _answers(call)

    trace = Trace(metrics, on_failed=lambda *_: None, clock=clock)
    handler = chain([trace, Slow("identify", 0.25), Slow("reuse", 0.5)], end)
    for _ in range(2):
        (await handler(make_call())).close(END)
    assert value(metrics, "penstock_stage_seconds_total", stage="identify") == 0.5
    assert value(metrics, "penstock_stage_seconds_total", stage="reuse") == 1.0
    assert value(metrics, "penstock_stage_calls_total", stage="reuse") == 2


def test_quota_process_and_build_are_shown_at_each_scrape() -> None:
    metrics = Metrics()
    metrics.lose_audit()
    text = shown(metrics, [QuotaUse("acme", "day_usd", 1.5, 20.0)])
    assert 'llm_quota_used{tenant_id="acme",window="day_usd"} 1.5' in text
    assert 'llm_quota_limit{tenant_id="acme",window="day_usd"} 20.0' in text
    assert value(metrics, "penstock_audit_events_lost_total") == 1
    found = families(metrics)
    assert found["process_resident_memory_bytes"].samples[0].value > 1e6
    assert found["process_open_fds"].samples[0].value > 0
    assert found["penstock_uptime_seconds"].samples[0].value == 5.0
    assert found["penstock_build_info"].samples[0].labels["version"] == "1.2.3"


def test_names_and_types_are_those_of_the_requirements() -> None:
    text = shown(Metrics())
    for name in ("requests", "provider_errors", "retries", "fallbacks", "cache_hits", "quota_rejections"):
        assert f"# TYPE llm_{name}_total counter" in text
    for name in ("input_tokens", "output_tokens", "estimated_cost_usd", "tagged_cost_usd"):
        assert f"# TYPE llm_{name}_total counter" in text
    assert "# TYPE llm_latency_ms histogram" in text
    assert "# TYPE llm_quota_used gauge" in text
    assert "# TYPE llm_quota_limit gauge" in text


def test_what_only_a_scrape_or_a_log_needs_is_imported_then() -> None:
    code = "import sys, penstock.telemetry; print({'prometheus_client', 'structlog'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
