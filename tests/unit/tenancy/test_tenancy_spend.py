from __future__ import annotations

import asyncio

import pytest

from penstock.core.answer import CANCEL, DISCONNECT, END, Answer, Outcome
from penstock.core.call import CANCELLED, Attempt, Call, Dialect, Usage
from penstock.core.chain import Handler
from penstock.core.errors import BudgetExceeded, StoreFailed, UpstreamCut, UpstreamUnavailable
from penstock.core.plan import Decision, Degrade, First, Plan, Use
from penstock.core.policy import Tier
from support.calls import ListSink, ask, complete_answer, delta, finished, make_call, usage_event
from support.tills import PLAN, Till

MICRO = 1000  # nano-USD


class EstimatingSource:
    """A source that tells the usage only when it is closed, as providers' streams do."""

    def __init__(self) -> None:
        self.answer = Answer("openai", source=self)

    def written_tokens(self) -> int:
        raise AssertionError

    def pause(self) -> None:
        raise AssertionError

    def resume(self) -> None:
        raise AssertionError

    def close(self) -> None:
        self.answer.usage = Usage(10, 2, estimated=True)


async def test_the_real_cost_replaces_what_was_held() -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    call, answer = await till.ask()
    assert call.trail.usage is None
    answer.close(END)
    assert till.spent == call.trail.cost_nano_usd == 10 * 1 + 20 * 2
    assert call.trail.usage == Usage(10, 20)


async def test_without_a_budget_nothing_is_held_but_intent_and_cost_are_kept() -> None:
    till = Till()
    call, answer = await till.ask()
    assert till.log.records[0]["reserved_nano_usd"] == 0
    answer.close(END)
    assert till.spent == call.trail.cost_nano_usd == 50


# --- settling, however it ends ---


async def test_a_stream_is_settled_by_its_usage() -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    till.respond = lambda: Answer("openai")
    call, answer = await till.ask(stream=True)
    answer.attach(ListSink())
    answer.feed([delta("Hel"), delta("lo"), finished(), usage_event(12, 2)])
    answer.end()
    assert call.trail.usage == Usage(12, 2)
    assert till.spent == 12 + 4


@pytest.mark.parametrize("outcome", [CANCEL, DISCONNECT, Outcome("error", UpstreamCut("cut"))])
async def test_a_stream_cut_short_pays_for_what_its_source_says_was_streamed(outcome: Outcome) -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    till.respond = lambda: EstimatingSource().answer
    call, answer = await till.ask(stream=True)
    answer.attach(ListSink())
    answer.feed([delta("Hel"), delta("lo")])
    answer.close(outcome)
    assert call.trail.usage == Usage(10, 2, estimated=True)
    assert till.spent == 10 + 4


async def test_an_answer_of_which_nobody_counted_anything_pays_its_input() -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    till.respond = complete_answer
    call, answer = await till.ask()
    answer.close(END)
    assert call.trail.usage == Usage(10, 0, estimated=True)
    assert till.spent == 10


async def test_a_failure_costs_nothing() -> None:
    till = Till(daily_budget_nano_usd=1_000_000)

    async def fail(call: Call) -> Answer:
        call.trail.target = "fast"
        raise UpstreamUnavailable("down")

    call = make_call(plan=PLAN)
    with pytest.raises(UpstreamUnavailable):
        await ask(till.stage, call, fail)
    assert till.spent == call.trail.cost_nano_usd == 0


async def test_a_call_cancelled_while_a_target_works_pays_for_its_input() -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    asked = asyncio.Event()

    async def hang(call: Call) -> Answer:
        call.trail.target = "fast"
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            call.trail.attempts.append(Attempt("fast", "p", "fast-1", 5.0, CANCELLED))
        raise AssertionError

    call = make_call(plan=PLAN)
    task = asyncio.ensure_future(ask(till.stage, call, hang))
    await asked.wait()
    assert till.spent > 10
    task.cancel()
    await asyncio.wait([task])
    assert till.spent == call.trail.cost_nano_usd == 10
    assert call.trail.usage == Usage(10, 0, estimated=True)


@pytest.mark.parametrize("answered", [True, False])
async def test_attempts_that_a_provider_worked_on_are_paid_for_and_refusals_are_not(answered: bool) -> None:  # noqa: FBT001
    till = Till(daily_budget_nano_usd=1_000_000)

    async def dispatch(call: Call) -> Answer:
        for code in ("upstream_timeout", "upstream_unavailable", "upstream_malformed", "upstream_misconfigured"):
            call.trail.attempts.append(Attempt("strong", "p", "s", 5.0, code))
        if not answered:
            raise UpstreamUnavailable("500")
        call.trail.target = "fast"
        call.trail.attempts.append(Attempt("fast", "p", "fast-1", 5.0))
        return complete_answer(usage=Usage(10, 20))

    call = make_call(plan=PLAN, max_output_tokens=100)
    if answered:
        (await ask(till.stage, call, dispatch)).close(END)
    else:
        with pytest.raises(UpstreamUnavailable):
            await ask(till.stage, call, dispatch)
    # Two inputs of 10 tokens at the strong model's price, and the answer of the fast one.
    assert till.spent == call.trail.cost_nano_usd == 2 * 10 * 10 + (10 * 1 + 20 * 2 if answered else 0)


async def test_a_fixed_text_after_an_attempt_that_timed_out_costs_that_attempt() -> None:
    till = Till(daily_budget_nano_usd=1_000_000)

    async def dispatch(call: Call) -> Answer:
        call.trail.attempts.append(Attempt("strong", "p", "s", 5.0, "upstream_timeout"))
        call.trail.target = ""
        return complete_answer(b"sorry")

    call = make_call(plan=PLAN)
    (await ask(till.stage, call, dispatch)).close(END)
    assert till.spent == call.trail.cost_nano_usd == 10 * 10


async def test_a_thousand_ends_of_every_kind_leave_nothing_held() -> None:
    till = Till(daily_budget_nano_usd=10**12)
    till.respond = lambda: Answer("openai")

    async def fail(_call: Call) -> Answer:
        raise UpstreamUnavailable("down")

    async def hang(_call: Call) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    paid = 0
    for outcome in (END, CANCEL, DISCONNECT, Outcome("error", UpstreamCut("cut"))):
        for _ in range(250):
            call, answer = await till.ask(stream=True)
            answer.close(outcome)
            answer.close(outcome)
            paid += call.trail.cost_nano_usd
    tasks = [
        asyncio.ensure_future(ask(till.stage, make_call(plan=PLAN), end)) for end in (fail, hang) for _ in range(1000)
    ]
    await asyncio.wait(tasks[:1000])
    for task in tasks[1000:]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert till.spent == paid == 1000 * 10


# --- over budget ---


async def test_over_budget_is_refused_with_figures_and_the_time_of_the_reset() -> None:
    till = Till(daily_budget_nano_usd=2000 * MICRO)
    till.spend(1999_500)
    call = make_call(plan=PLAN, max_output_tokens=100)
    with pytest.raises(
        BudgetExceeded, match=r"may cost 0\.000001 USD.*'acme' has 0 USD left of today's 0\.002 USD"
    ) as over:
        await ask(till.stage, call, till.dispatch)
    assert over.value.retry_after_s == 18 * 3600
    assert call.trail.policy_decision == "deny:budget"
    assert till.seen is None
    assert till.log.records == []
    assert till.spent == 1999_500


async def test_over_budget_degrades_to_a_target_that_still_fits() -> None:
    till = Till(daily_budget_nano_usd=500, when_over_budget="degrade", degrade_to="local")
    call = make_call(plan=PLAN, max_output_tokens=100)
    call.trail.decision = Decision("chat", "task", ("fast", "strong"))
    answer = await ask(till.stage, call, till.dispatch)
    answer.close(END)
    assert till.seen is not None
    assert till.seen.plan == First((Use("local"), Degrade(Tier(name="", allowed_models=frozenset()).degrade_text)))
    assert call.trail.degraded
    assert call.trail.policy_decision == "degrade:budget"
    assert call.trail.decision == Decision("chat", "budget", ("local",), degraded=True)
    assert till.spent == 0


@pytest.mark.parametrize("degrade_to", [None, "strong"])
async def test_over_budget_with_nothing_that_fits_answers_a_text_for_nothing(degrade_to: str | None) -> None:
    till = Till(daily_budget_nano_usd=500, when_over_budget="degrade", degrade_to=degrade_to, degrade_text="Later.")
    call, answer = await till.ask()
    answer.close(END)
    assert till.seen is not None
    assert till.seen.plan == Degrade("Later.")
    assert call.trail.cost_nano_usd == till.spent == 0


@pytest.mark.parametrize("dialect", ["embeddings", "completions"])
async def test_over_budget_where_no_text_can_stand_in_is_refused(dialect: Dialect) -> None:
    till = Till(daily_budget_nano_usd=500, when_over_budget="degrade", degrade_text="Later.")
    with pytest.raises(BudgetExceeded):
        await ask(till.stage, make_call(plan=PLAN, max_output_tokens=100, dialect=dialect), till.dispatch)
    assert till.seen is None


async def test_a_count_of_tokens_is_free_when_nothing_is_left_and_however_it_ends() -> None:
    till = Till(daily_budget_nano_usd=500)
    till.spend(500)
    call = make_call(plan=PLAN, input_tokens=1_000_000, dialect="count_tokens")
    call.trail.attempts = [Attempt("fast", "p", "m", 1.0, "upstream_timeout")]
    answer = await ask(till.stage, call, till.dispatch)
    answer.close(END)
    assert (call.trail.cost_nano_usd, till.spent) == (0, 500)


async def test_over_budget_degrades_to_no_target_whose_price_nobody_knows() -> None:
    till = Till(daily_budget_nano_usd=500, when_over_budget="degrade", degrade_to="unknown", degrade_text="Later.")
    call, answer = await till.ask()
    answer.close(END)
    assert till.seen is not None
    assert till.seen.plan == Degrade("Later.")
    assert not call.trail.unpriced


async def test_a_target_without_a_price_costs_what_is_known_and_says_so() -> None:
    till = Till(daily_budget_nano_usd=1_000_000, when_unpriced="allow")

    async def dispatch(call: Call) -> Answer:
        call.trail.attempts += [Attempt("fast", "p", "f", 5.0, "upstream_timeout"), Attempt("unknown", "r", "u", 5.0)]
        call.trail.target = "unknown"
        return complete_answer(usage=Usage(10, 20))

    call = make_call(plan=First((Use("fast"), Use("unknown"))))
    (await ask(till.stage, call, dispatch)).close(END)
    assert call.trail.unpriced
    assert till.spent == call.trail.cost_nano_usd == 10


async def test_what_is_held_covers_a_cache_write() -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    till.respond = lambda: complete_answer(usage=Usage(10, 20, cached_tokens=4, cache_write_tokens=6))
    call = make_call(plan=Use("cached"), max_output_tokens=20)
    answer = await ask(till.stage, call, _from_cached(till))
    assert till.spent == 10 * 1250 * call.retry.max_attempts + 20 * 5000
    answer.close(END)
    assert till.spent == call.trail.cost_nano_usd == 4 * 100 + 6 * 1250 + 20 * 5000


def _from_cached(till: Till) -> Handler:
    async def dispatch(call: Call) -> Answer:
        call.trail.target = "cached"
        return till.respond()

    return dispatch


async def test_a_free_target_is_open_even_when_the_budget_is_overspent() -> None:
    till = Till(daily_budget_nano_usd=500)
    till.spend(600)
    call, _ = await till.ask(plan=Use("local"))
    assert call.trail.policy_decision == "allow"


async def test_an_alert_comes_once_a_day_before_the_limit() -> None:
    till = Till(daily_budget_nano_usd=2000)
    plan: Plan = Use("fast")
    spent = []
    for _ in range(4):
        till.spend(500)
        try:
            _, answer = await till.ask(plan=plan)
        except BudgetExceeded:
            continue
        answer.close(DISCONNECT)
        spent.append(till.spent)
    ((tenant, settled, _, limit),) = till.alerts
    assert (tenant, limit) == ("acme", 2000)
    assert settled >= 1600
    till.clock.pass_s(86_400)
    till.spend(1700)
    await till.ask(plan=plan)
    assert len(till.alerts) == 2


async def test_an_alert_tells_spent_from_held_and_a_refused_reservation_is_neither() -> None:
    till = Till(daily_budget_nano_usd=1000)
    with pytest.raises(BudgetExceeded):
        await till.ask(max_output_tokens=100_000)
    _, in_flight = await till.ask(plan=Use("fast"), max_output_tokens=400)
    assert till.alerts == []
    held = till.spent
    assert held >= 800
    till.spend(850)
    with pytest.raises(BudgetExceeded):
        await till.ask()
    assert till.alerts == [("acme", 850, held, 1000)]
    in_flight.close(END)


# --- the log ---


async def test_a_broken_ledger_stops_the_call_and_returns_the_money() -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    till.log.broken = True
    with pytest.raises(StoreFailed):
        await till.ask()
    assert till.seen is None
    assert till.spent == 0


async def test_strict_waits_for_the_disk_before_it_dispatches() -> None:
    till = Till(strict=True, daily_budget_nano_usd=1_000_000)
    task = asyncio.ensure_future(till.ask())
    await till.log.waiting.wait()
    assert till.seen is None
    till.log.disk.set()
    await task
    assert till.seen is not None


@pytest.mark.parametrize("end", ["broken", "cancelled"])
async def test_strict_returns_the_money_when_the_disk_fails_or_nobody_waits(end: str) -> None:
    till = Till(strict=True, daily_budget_nano_usd=1_000_000)
    task = asyncio.ensure_future(till.ask())
    await till.log.waiting.wait()
    if end == "broken":
        till.log.broken = True
        till.log.disk.set()
    else:
        task.cancel()
    with pytest.raises((StoreFailed, asyncio.CancelledError)):
        await task
    assert till.seen is None
    assert till.spent == 0
