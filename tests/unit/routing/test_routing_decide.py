"""Which plan a call gets, what is left out, and what the caller is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.errors import (
    InvalidParameter,
    ModelNotAllowed,
    ModelNotFound,
    ModelUnpriced,
    PenstockError,
    StoreFailed,
)
from penstock.core.plan import Degrade, First, Plan, Price, Target, Use, plan_targets
from penstock.core.policy import PATIENT_RETRY, Policy, Route, Tier, TimeOverrides
from penstock.routing import Route as RouteStage
from penstock.routing import decide
from support.calls import complete_answer, make_call

NAMES = ("small", "balanced", "strong")
TARGETS = {name: Target(name, f"mock-{name}", f"{name}-v1") for name in NAMES}
SLOW = TimeOverrides(total_s=90, idle_gap_s=3)
ROUTES = {
    "extract": Route(name="extract", plan=First((Use("small"), Use("balanced")))),
    "reasoning": Route(
        name="reasoning",
        plan=First((Use("strong"), Use("balanced"), Degrade("later"))),
        times=SLOW,
        retry=PATIENT_RETRY,
    ),
    "deep": Route(name="deep", plan=Use("strong")),
}
FREE = Tier(name="free", allowed_models=frozenset({"small"}), when_not_allowed="degrade", degrade_to="small")
PRO = Tier(name="pro", allowed_models=frozenset({"small", "balanced"}))
ALL = Tier(name="all", allowed_models=frozenset(NAMES))
POLICY = Policy(
    tiers={tier.name: tier for tier in (FREE, PRO, ALL)},
    tenants={},
    routes=ROUTES,
    targets=TARGETS,
    endpoint_requests_per_minute={},
)


def test_a_task_gets_its_route_whole_when_the_tier_may_use_all_of_it() -> None:
    choice = decide(model="", task="extract", tier=PRO, policy=POLICY)
    assert choice.plan == First((Use("small"), Use("balanced")))
    assert (choice.decision.rule, choice.decision.targets, choice.decision.excluded) == (
        "task",
        ("small", "balanced"),
        (),
    )


def test_what_the_tier_may_not_use_is_left_out_with_its_reason() -> None:
    choice = decide(model="reasoning", task="", tier=PRO, policy=POLICY)
    assert choice.plan == First((Use("balanced"), Degrade("later")))
    assert [(left.target, left.rule) for left in choice.decision.excluded] == [("strong", "tier")]


def test_a_single_target_left_is_asked_without_ceremony() -> None:
    assert decide(model="", task="extract", tier=FREE, policy=POLICY).plan == Use("small")


def test_an_empty_plan_degrades_where_the_tier_says_so() -> None:
    choice = decide(model="deep", task="", tier=FREE, policy=POLICY)
    assert choice.plan == Use("small")
    assert choice.decision.degraded


def test_an_empty_plan_is_refused_naming_what_may_be_called() -> None:
    with pytest.raises(ModelNotAllowed, match="balanced, extract, reasoning, small") as refusal:
        decide(model="deep", task="", tier=PRO, policy=POLICY)
    assert refusal.value.param == "model"


# --- money ---

FREE_OF_CHARGE = Price(0, 0)
PRICED = replace(POLICY, targets={**TARGETS, "small": replace(TARGETS["small"], price=FREE_OF_CHARGE)})
PAYING = replace(PRO, daily_budget_nano_usd=10**9)


def test_a_tier_with_a_budget_leaves_out_what_nobody_knows_the_price_of() -> None:
    choice = decide(model="", task="extract", tier=PAYING, policy=PRICED)
    assert choice.plan == Use("small")
    assert [(left.target, left.rule) for left in choice.decision.excluded] == [("balanced", "price")]


@pytest.mark.parametrize("name", ["balanced", "reasoning"])
def test_where_that_leaves_nothing_the_refusal_names_the_cure(name: str) -> None:
    with pytest.raises(
        ModelUnpriced, match=r"'balanced' costs.*may call: extract, small.*cost_per_1k_tokens_usd"
    ) as why:
        decide(model=name, task="", tier=PAYING, policy=PRICED)
    assert why.value.param == "model"
    assert why.value.status == 403


@pytest.mark.parametrize("tier", [PRO, replace(PAYING, when_unpriced="allow")])
def test_without_a_budget_or_where_the_tier_allows_it_prices_do_not_matter(tier: Tier) -> None:
    assert decide(model="balanced", task="", tier=tier, policy=PRICED).plan == Use("balanced")


def test_a_tier_degrades_to_nothing_that_has_no_price() -> None:
    tier = replace(PAYING, when_not_allowed="degrade", degrade_to="balanced")
    with pytest.raises(ModelNotAllowed):
        decide(model="deep", task="", tier=tier, policy=PRICED)
    tier = replace(tier, degrade_to="small")
    assert decide(model="balanced", task="", tier=tier, policy=PRICED).plan == Use("small")


@pytest.mark.parametrize(
    ("model", "task", "param", "told"),
    [
        ("gpt-9", "", "model", "This key may call: extract, small"),
        ("", "poetry", "task", "Tasks: deep, extract, reasoning"),
    ],
)
def test_an_unknown_name_is_not_found_naming_what_there_is(model: str, task: str, param: str, told: str) -> None:
    with pytest.raises(ModelNotFound, match=told) as refusal:
        decide(model=model, task=task, tier=FREE, policy=POLICY)
    assert refusal.value.param == param


PLANS = st.recursive(
    st.one_of(st.builds(Use, st.sampled_from(NAMES)), st.builds(Degrade, st.text(max_size=5))),
    lambda inner: st.builds(First, st.lists(inner, min_size=1, max_size=4).map(tuple)),
    max_leaves=8,
)


@given(PLANS, st.frozensets(st.sampled_from(NAMES)))
def test_no_plan_ever_keeps_a_target_that_the_tier_may_not_use(plan: Plan, allowed: frozenset[str]) -> None:
    tier = Tier(name="t", allowed_models=allowed)
    policy = Policy(
        tiers={"t": tier},
        tenants={},
        routes={"r": Route(name="r", plan=plan)},
        targets=TARGETS,
        endpoint_requests_per_minute={},
    )
    wanted = plan_targets(plan)
    try:
        choice = decide(model="r", task="", tier=tier, policy=policy)
    except ModelNotAllowed:
        assert wanted
        assert allowed.isdisjoint(wanted)
    else:
        assert set(choice.decision.targets) == set(wanted) & allowed
        assert {left.target for left in choice.decision.excluded} == set(wanted) - allowed


async def test_the_stage_hands_on_plan_limits_and_retry_and_leaves_its_decision() -> None:
    seen: list[Call] = []

    async def proceed(call: Call) -> Answer:
        seen.append(call)
        return complete_answer()

    call = make_call(model="", task="reasoning")
    call.trail.tier = "all"
    await RouteStage(POLICY)(call, proceed)
    assert seen[0].plan == ROUTES["reasoning"].plan
    assert (seen[0].limits, seen[0].retry) == (SLOW.over(call.limits), PATIENT_RETRY)
    assert call.trail.task == "reasoning"
    assert call.trail.decision is not None
    assert call.trail.decision.rule == "task"


async def test_a_task_that_nobody_knows_is_no_metric_label() -> None:
    async def proceed(_: Call) -> Answer:
        return complete_answer()

    call = make_call(model="small", task="anything the caller wrote")
    await RouteStage(POLICY)(call, proceed)
    assert call.trail.task == "chat"


async def test_a_refusal_is_on_the_trail() -> None:
    async def proceed(_: Call) -> Answer:
        raise AssertionError

    call = make_call(model="deep")
    with pytest.raises(ModelNotAllowed):
        await RouteStage(POLICY)(call, proceed)
    assert call.trail.policy_decision == "deny:model"


@pytest.mark.parametrize(
    ("trouble", "decision"),
    [(InvalidParameter("Wrong."), "deny:invalid"), (StoreFailed("The store is broken."), "allow")],
)
async def test_only_what_is_wrong_with_a_request_is_its_refusal(trouble: PenstockError, decision: str) -> None:
    async def proceed(_: Call) -> Answer:
        raise AssertionError

    call = make_call(invalid=trouble)
    with pytest.raises(type(trouble)):
        await RouteStage(POLICY)(call, proceed)
    assert call.trail.policy_decision == decision
