"""What the stage ``spend`` holds: enough for every course that a call can take."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.answer import END, Answer
from penstock.core.call import CANCELLED, Attempt, Call, Usage
from penstock.core.errors import UpstreamUnavailable
from penstock.core.plan import Degrade, First, Use
from penstock.core.policy import NO_RETRY
from support.calls import ask, complete_answer, make_call
from support.tills import PLAN, SIX_O_CLOCK_S, Till

_BILLED = ("upstream_timeout", "upstream_cut", "upstream_malformed", CANCELLED)


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        # three inputs of 10 at 1 and at 10 nano; output: the least of 100 asked and the target's 50, at 20 nano
        ({}, 3 * 10 * (1 + 10) + 50 * 20),
        ({"retry": NO_RETRY}, 10 * (1 + 10) + 50 * 20),
        ({"max_output_tokens": 30}, 3 * 10 * (1 + 10) + 30 * 20),
        ({"choices": 3}, 3 * 10 * (1 + 10) + 150 * 20),
        ({"plan": Use("fast")}, 3 * 10 * 1 + 100 * 2),
        ({"plan": Use("fast"), "max_output_tokens": None}, 3 * 10 * 1 + 1024 * 2),
        ({"plan": First((Use("fast"), Use("fast")))}, 6 * 10 * 1 + 100 * 2),
        ({"plan": Use("local")}, 0),
        ({"plan": Degrade("sorry")}, 0),
    ],
)
async def test_every_attempt_and_the_dearest_answer_of_the_plan_are_held(changes: dict[str, Any], held: int) -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    await till.ask(**changes)
    assert till.spent == held
    assert till.log.records == [
        {
            "event_type": "llm_intent",
            "call_id": "call-1",
            "tenant_id": "acme",
            "reserved_nano_usd": held,
            "time": SIX_O_CLOCK_S,
        }
    ]


async def test_near_its_limit_a_tenant_loses_retries_before_calls() -> None:
    till = Till(daily_budget_nano_usd=10 * (1 + 10) + 50 * 20)
    await till.ask()
    assert till.seen is not None
    assert (till.seen.plan, till.seen.retry) == (PLAN, NO_RETRY)


@given(
    failed=st.lists(st.tuples(st.sampled_from(["fast", "strong"]), st.sampled_from(_BILLED)), max_size=8),
    answered=st.sampled_from(["fast", "strong", ""]),
    output_tokens=st.integers(0, 50),
)
async def test_no_course_of_a_call_costs_more_than_was_held(
    failed: list[tuple[str, str]], answered: str, output_tokens: int
) -> None:
    till = Till(daily_budget_nano_usd=1_000_000)
    held = 0

    async def dispatch(call: Call) -> Answer:
        nonlocal held
        held = till.spent
        tried = Counter({answered: 1})
        for target, code in failed:
            tried[target] += 1
            if tried[target] <= call.retry.max_attempts:
                call.trail.attempts.append(Attempt(target, "p", "m", 5.0, code))
        call.trail.target = answered
        if not answered:
            raise UpstreamUnavailable("down")
        return complete_answer(usage=Usage(10, output_tokens))

    with suppress(UpstreamUnavailable):
        (await ask(till.stage, make_call(plan=PLAN, max_output_tokens=50), dispatch)).close(END)
    assert till.spent <= held
