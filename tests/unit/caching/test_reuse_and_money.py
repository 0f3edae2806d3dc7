"""The stages that admit and pay, in the pipeline's order: a repeated answer is admitted, and costs nothing."""

from __future__ import annotations

import pytest

from penstock.caching import CacheBounds, ExactCache, Reuse
from penstock.core.answer import DISCONNECT, END, Answer, Outcome
from penstock.core.call import Call, Usage
from penstock.core.chain import chain
from penstock.core.plan import Price, Target, Use
from penstock.core.policy import Tier
from penstock.stores.budgets import DayBudgets
from penstock.stores.memory import MemoryAdmissions, MemoryCounters
from penstock.tenancy import Fit, Identify, Ledger, Limit, Spend
from support.calls import ListSink, complete_answer, delta, finished, make_call
from support.clocks import HandClock
from support.logs import ListLog

TARGETS = {"fast": Target("fast", "p", "fast-1", price=Price(1000, 1000))}
TIERS = {
    "pro": Tier(
        name="pro",
        allowed_models=frozenset(TARGETS),
        daily_budget_nano_usd=10**9,
        requests_per_minute=10_000,
        concurrent_requests=2,
    )
}


class Works:
    """Five stages and a backend."""

    def __init__(self) -> None:
        clock = HandClock(1_800_000_000.0)
        self.admissions = MemoryAdmissions(MemoryCounters(clock))
        self.in_flight = self.admissions.in_flight
        self.budgets = DayBudgets(clock)
        self.log = ListLog()
        stages = (
            Identify({"acme": "pro"}, b"pepper"),
            Limit(TIERS, {}, self.admissions),
            Fit(TIERS, {}),
            Reuse(ExactCache(clock, CacheBounds()), TARGETS),
            Spend(TIERS, TARGETS, Ledger(self.budgets, self.log, wall_clock=clock, on_alert=lambda *_: None)),
        )
        self.answer = chain(stages, self.backend)

    async def backend(self, call: Call) -> Answer:
        call.trail.target = "fast"
        return Answer("openai") if call.stream else complete_answer(usage=Usage(10, 20))


def question(*, stream: bool = False) -> Call:
    return make_call(plan=Use("fast"), temperature=0.0, max_output_tokens=100, stream=stream)


async def test_a_hit_holds_a_slot_but_no_money_and_writes_no_intent() -> None:
    works = Works()
    (await works.answer(question())).close(END)
    assert works.budgets.spent_nano_usd("acme") == 30
    call = question()
    answer = await works.answer(call)
    assert call.trail.cache == "hit"
    assert works.in_flight == {"acme": 1}
    answer.close(END)
    assert works.in_flight == {}
    assert works.budgets.spent_nano_usd("acme") == 30
    assert len(works.log.records) == 1
    assert (call.trail.cost_nano_usd, call.trail.usage) == (0, Usage(10, 20))


@pytest.mark.parametrize("outcome", [END, DISCONNECT])
async def test_a_thousand_streams_leave_no_slot_taken_and_no_money_held(outcome: Outcome) -> None:
    works = Works()
    paid = 0
    for _ in range(1000):
        call = question(stream=True)
        answer = await works.answer(call)
        answer.attach(ListSink())
        if answer.outcome is None:
            answer.feed([delta("Hello"), finished()])
            answer.close(outcome)
        paid += call.trail.cost_nano_usd
    assert works.in_flight == {}
    assert works.budgets.spent_nano_usd("acme") == paid == (10 if outcome is END else 10_000)
