from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.errors import InputTooLong
from penstock.core.plan import Use
from penstock.core.policy import Route, Tier
from penstock.tenancy import Fit
from support.calls import complete_answer, make_call

limits = st.none() | st.integers(1, 100)


class Seen:
    call: Call

    async def __call__(self, call: Call) -> Answer:
        self.call = call
        return complete_answer()


def fit(**of_route_and_tier: int | None) -> Fit:
    tier = Tier(
        name="pro",
        allowed_models=frozenset(),
        max_input_tokens=of_route_and_tier.get("tier_input"),
        max_output_tokens=of_route_and_tier.get("tier_output"),
    )
    route = Route(
        name="extract",
        plan=Use("fast"),
        max_input_tokens=of_route_and_tier.get("route_input"),
        max_output_tokens=of_route_and_tier.get("route_output"),
    )
    return Fit({"pro": tier}, {"extract": route})


@given(limits, limits, limits)
async def test_the_least_of_request_route_and_tier_is_the_maximum(
    asked: int | None, of_route: int | None, of_tier: int | None
) -> None:
    seen = Seen()
    call = make_call(model="", task="extract", max_output_tokens=asked)
    await fit(route_output=of_route, tier_output=of_tier)(call, seen)
    known = [limit for limit in (asked, of_route, of_tier) if limit is not None]
    assert seen.call.max_output_tokens == min(known, default=None)


async def test_a_call_that_fits_goes_on_as_it_is() -> None:
    seen = Seen()
    call = make_call(max_output_tokens=5)
    await fit(tier_output=5)(call, seen)
    assert seen.call is call


async def test_a_task_binds_even_where_a_model_is_named() -> None:
    seen = Seen()
    await fit(route_output=5)(make_call(model="extract", task="chat"), seen)
    assert seen.call.max_output_tokens == 5
    await fit(route_output=5)(make_call(model="fast", task="extract"), seen)
    assert seen.call.max_output_tokens == 5
    await fit(route_output=5)(make_call(model="fast", task="chat"), seen)
    assert seen.call.max_output_tokens is None


@pytest.mark.parametrize("limits_of", [{"tier_input": 9}, {"route_input": 9}, {"tier_input": 9, "route_input": 50}])
async def test_too_long_an_input_is_refused_with_both_figures(limits_of: dict[str, int]) -> None:
    call = make_call(model="extract", input_tokens=10)
    with pytest.raises(InputTooLong, match=r"about 10 tokens long.* 9 ") as refused:
        await fit(**limits_of)(call, Seen())
    assert refused.value.param == "messages"
    assert call.trail.policy_decision == "deny:input_tokens"


async def test_an_input_of_just_the_limit_passes() -> None:
    seen = Seen()
    await fit(tier_input=10)(make_call(input_tokens=10), seen)
    assert seen.call.input_tokens == 10
