"""One tenant's calls of one task: bounded by themselves, and by nobody else."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from penstock.core.answer import DISCONNECT, END, Answer
from penstock.core.call import Call, Trail
from penstock.core.chain import Handler
from penstock.core.errors import TooManyConcurrent, UpstreamUnavailable
from penstock.core.policy import BulkheadPolicy
from penstock.resilience.isolate import Isolate
from support.calls import ask, make_call


def isolate(*, most: int = 1, waiting: int = 0, now_s: float = 0.0) -> Isolate:
    return Isolate({"chat": BulkheadPolicy(most=most, waiting=waiting, wait_s=9.0)}, lambda: now_s)


def call_of(tenant: str = "acme", task: str = "chat") -> Call:
    return make_call(tenant=tenant, trail=Trail(received_at_s=0.0, task=task))


async def stream(_: Call) -> Answer:
    return Answer("openai")


async def hang(_: Call) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_full_task_of_a_tenant_leaves_its_others_and_other_tenants_alone() -> None:
    stage = isolate()
    await ask(stage, call_of(), stream)
    call = call_of()
    with pytest.raises(TooManyConcurrent, match="'acme' already has 1 calls of 'chat'") as refused:
        await ask(stage, call, stream)
    assert refused.value.retry_after_s
    assert call.trail.policy_decision == "deny:concurrency"
    await ask(stage, call_of(tenant="other"), stream)
    await ask(stage, call_of(task="report"), stream)


async def test_a_slot_is_held_until_the_call_has_ended() -> None:
    stage = isolate()
    answer = await ask(stage, call_of(), stream)
    answer.close(END)
    answer = await ask(stage, call_of(), stream)
    answer.close(DISCONNECT)
    assert len(stage) == 0


async def test_one_more_waits_its_turn() -> None:
    stage = isolate(waiting=1)
    answer = await ask(stage, call_of(), stream)
    second = asyncio.ensure_future(ask(stage, call_of(), stream))
    await asyncio.sleep(0)
    assert not second.done()
    answer.close(END)
    (await second).close(END)
    assert len(stage) == 0


async def test_nobody_waits_past_the_deadline_of_the_call() -> None:
    stage = isolate(waiting=1, now_s=call_of().deadline_s - 0.01)
    await ask(stage, call_of(), stream)
    with pytest.raises(TooManyConcurrent):
        await asyncio.wait_for(ask(stage, call_of(), stream), 1)


async def test_the_table_names_only_who_has_calls() -> None:
    stage = isolate(most=2)
    answers = [await ask(stage, call_of(tenant=f"t{number // 2}"), stream) for number in range(200)]
    assert len(stage) == 100
    for answer in answers:
        answer.close(END)
    assert len(stage) == 0


async def test_the_last_one_cancelled_with_its_slot_in_hand_leaves_no_bulkhead() -> None:
    stage = isolate(waiting=1)
    answer = await ask(stage, call_of(), stream)
    second = asyncio.ensure_future(ask(stage, call_of(), stream))
    await asyncio.sleep(0)
    answer.close(END)
    second.cancel()
    await asyncio.wait([second])
    assert len(stage) == 0


async def test_a_thousand_cancels_refusals_and_errors_leave_nothing() -> None:
    stage, random = isolate(most=3, waiting=3), Random(4)

    async def fail(_: Call) -> Answer:
        await asyncio.sleep(0)
        raise UpstreamUnavailable("down")

    async def one(proceed: Handler) -> None:
        task = asyncio.ensure_future(ask(stage, call_of(random.choice("abc")), proceed))
        for _ in range(random.randrange(9)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    await asyncio.gather(*(one(random.choice([fail, hang])) for _ in range(1000)))
    assert len(stage) == 0
