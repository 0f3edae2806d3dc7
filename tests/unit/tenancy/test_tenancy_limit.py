from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.core.answer import DISCONNECT, END, Answer, Outcome
from penstock.core.call import Call
from penstock.core.errors import RateLimited, TooManyConcurrent, UpstreamUnavailable
from penstock.core.policy import Tier
from penstock.stores.memory import MemoryAdmissions, MemoryCounters
from penstock.tenancy import Limit
from support.calls import ask, complete_answer, make_call
from support.clocks import HandClock

SUGGEST = "/v1/activities/suggest"


def tier(**changes: Any) -> Tier:
    return Tier(name="pro", allowed_models=frozenset(), **changes)


class Gate:
    """The stage with its surroundings, and a backend that answers at once."""

    def __init__(self, of_tier: Tier, endpoints: dict[str, int] | None = None) -> None:
        self.clock = HandClock()
        self.admissions = MemoryAdmissions(MemoryCounters(self.clock))
        self.in_flight = self.admissions.in_flight
        self.stage = Limit({"pro": of_tier}, endpoints or {}, self.admissions)
        self.answers: list[Answer] = []

    async def backend(self, _call: Call) -> Answer:
        self.answers.append(complete_answer())
        return self.answers[-1]

    async def ask(self, call: Call) -> Answer:
        return await ask(self.stage, call, self.backend)

    async def admitted(self, calls: int, **changes: Any) -> int:
        """How many of so many calls, each ended at once, get through."""
        count = 0
        for _ in range(calls):
            try:
                (await self.ask(user_call(**changes))).close(END)
            except RateLimited:
                continue
            count += 1
        return count


def user_call(user_hash: str = "", **changes: Any) -> Call:
    call = make_call(**changes)
    call.trail.user_hash = user_hash
    return call


# --- requests per minute ---


async def test_a_tenant_has_its_tiers_requests_per_minute_whoever_asks() -> None:
    gate = Gate(tier(requests_per_minute=5))
    assert await gate.admitted(3, user_hash="ada") + await gate.admitted(3, user_hash="bob") == 5
    assert await gate.admitted(1, tenant="other") == 1


async def test_a_user_has_its_own_limit_on_each_endpoint() -> None:
    gate = Gate(tier(user_requests_per_minute=2))
    assert await gate.admitted(5, user_hash="ada") == 2
    assert await gate.admitted(5, user_hash="ada", endpoint=SUGGEST) == 2
    assert await gate.admitted(5, user_hash="bob") == 2


async def test_an_endpoints_limit_holds_for_each_user_where_the_tier_has_none() -> None:
    gate = Gate(tier(), {SUGGEST: 3})
    assert await gate.admitted(9, user_hash="ada", endpoint=SUGGEST) == 3
    assert await gate.admitted(9, user_hash="bob", endpoint=SUGGEST) == 3
    assert await gate.admitted(9, user_hash="ada") == 9


async def test_a_tiers_own_value_overrides_the_endpoints() -> None:
    gate = Gate(tier(user_requests_per_minute=5), {SUGGEST: 3})
    assert await gate.admitted(9, user_hash="ada", endpoint=SUGGEST) == 5


async def test_calls_without_a_user_share_the_endpoints_limit_and_no_users() -> None:
    gate = Gate(tier(user_requests_per_minute=2), {SUGGEST: 3})
    assert await gate.admitted(9) == 9
    assert await gate.admitted(9, endpoint=SUGGEST) == 3


async def test_a_refused_call_consumes_nothing() -> None:
    gate = Gate(tier(requests_per_minute=4, user_requests_per_minute=2))
    assert await gate.admitted(20, user_hash="ada") == 2
    assert await gate.admitted(20, user_hash="bob") == 2


async def test_the_refusal_says_which_limit_and_when_to_come_back() -> None:
    gate = Gate(tier(requests_per_minute=1))
    await gate.admitted(1)
    gate.clock.pass_s(20)
    call = make_call()
    with pytest.raises(RateLimited, match=r"Tenant 'acme' has made the 1 requests allowed in a minute") as refused:
        await gate.ask(call)
    assert call.trail.policy_decision == "deny:rate_limit"
    assert call.trail.rate is not None
    assert call.trail.rate.remaining == 0
    assert refused.value.retry_after_s == pytest.approx(100)
    assert call.trail.rate.reset_s == pytest.approx(100)
    gate.clock.pass_s(refused.value.retry_after_s or 0.0)
    assert await gate.admitted(1) == 1


async def test_the_refusal_of_a_user_names_the_endpoint() -> None:
    gate = Gate(tier(user_requests_per_minute=1))
    await gate.admitted(1, user_hash="ada")
    with pytest.raises(RateLimited, match="This user of /v1/chat/completions"):
        await gate.ask(user_call("ada"))


async def test_of_two_full_windows_the_one_that_takes_longest_is_told() -> None:
    gate = Gate(tier(requests_per_minute=2, user_requests_per_minute=1))
    await gate.admitted(1, user_hash="bob")
    gate.clock.pass_s(30)
    await gate.admitted(1, user_hash="ada")
    with pytest.raises(RateLimited, match="This user") as refused:
        await gate.ask(user_call("ada"))
    assert refused.value.retry_after_s == 120
    gate.clock.pass_s(120)
    assert await gate.admitted(1, user_hash="ada") == 1


async def test_the_trail_tells_the_tightest_window() -> None:
    gate = Gate(tier(requests_per_minute=100, user_requests_per_minute=7))
    call = user_call("ada")
    await gate.ask(call)
    assert call.trail.rate is not None
    assert (call.trail.rate.limit, call.trail.rate.remaining) == (7, 6)


# --- calls in flight ---


async def test_calls_in_flight_are_bounded_per_tenant() -> None:
    gate = Gate(tier(concurrent_requests=2))
    answers = [await gate.ask(make_call()) for _ in range(2)]
    call = make_call()
    with pytest.raises(TooManyConcurrent, match="2 calls in flight") as refused:
        await gate.ask(call)
    assert call.trail.policy_decision == "deny:concurrency"
    assert refused.value.retry_after_s
    await gate.ask(make_call(tenant="other"))
    answers[0].close(END)
    await gate.ask(make_call())


async def test_a_call_refused_for_concurrency_costs_no_request() -> None:
    gate = Gate(tier(concurrent_requests=1, requests_per_minute=2))
    held = await gate.ask(make_call())
    for _ in range(5):
        with pytest.raises(TooManyConcurrent):
            await gate.ask(make_call())
    held.close(END)
    assert await gate.admitted(5) == 1


async def test_a_new_configuration_goes_on_counting() -> None:
    gate = Gate(tier(concurrent_requests=1))
    answer = await gate.ask(make_call())
    renewed = Limit({"pro": tier(concurrent_requests=1)}, {}, gate.admissions)
    with pytest.raises(TooManyConcurrent):
        await renewed(make_call(), gate.backend)
    answer.close(END)
    assert gate.in_flight == {}


@pytest.mark.parametrize("outcome", [END, DISCONNECT, Outcome("error", UpstreamUnavailable("down"))])
async def test_a_thousand_answers_leave_nothing_in_flight(outcome: Outcome) -> None:
    gate = Gate(tier(requests_per_minute=10_000))
    for answer in [await gate.ask(make_call()) for _ in range(1000)]:
        answer.close(outcome)
        answer.close(outcome)
    assert gate.in_flight == {}


async def test_a_thousand_errors_and_cancels_leave_nothing_in_flight() -> None:
    gate = Gate(tier(requests_per_minute=10_000))

    async def fail(_call: Call) -> Answer:
        raise UpstreamUnavailable("down")

    async def hang(_call: Call) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    failing = [asyncio.ensure_future(ask(gate.stage, make_call(), fail)) for _ in range(1000)]
    hanging = [asyncio.ensure_future(ask(gate.stage, make_call(), hang)) for _ in range(1000)]
    await asyncio.wait(failing)
    assert gate.in_flight == {"acme": 1000}
    for task in hanging:
        task.cancel()
    results = await asyncio.gather(*failing, *hanging, return_exceptions=True)
    assert all(isinstance(result, UpstreamUnavailable | asyncio.CancelledError) for result in results)
    assert gate.in_flight == {}


async def test_refusals_leave_nothing_in_flight() -> None:
    gate = Gate(tier(requests_per_minute=0))
    assert await gate.admitted(10) == 0
    assert gate.in_flight == {}
