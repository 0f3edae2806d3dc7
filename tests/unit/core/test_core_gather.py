"""Calls in flight together pass each part of the pipeline one after another; one that is alone does not wait."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.gather import Gather, Turn
from support.calls import complete_answer, make_call


async def _pass(calls: int, in_flight: int) -> list[str]:
    log: list[str] = []
    gather = Gather(SimpleNamespace(in_flight=in_flight))

    async def one(name: str) -> None:
        async def end(_call: Call) -> Answer:
            log.append(f"{name} out")
            return complete_answer()

        log.append(f"{name} in")
        await gather(make_call(), end)

    await asyncio.gather(*(one(name) for name in "abc"[:calls]))
    return log


async def test_calls_in_flight_together_wait_for_each_other() -> None:
    assert await _pass(3, in_flight=3) == ["a in", "b in", "c in", "a out", "b out", "c out"]


async def test_a_call_that_is_alone_goes_on_at_once() -> None:
    assert await _pass(2, in_flight=1) == ["a in", "a out", "b in", "b out"]


async def test_a_call_that_is_cancelled_in_its_turn_goes_no_further() -> None:
    asked = 0

    async def end(_call: Call) -> Answer:
        nonlocal asked
        asked += 1
        return complete_answer()

    task = asyncio.ensure_future(Gather(SimpleNamespace(in_flight=2))(make_call(), end))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked == 0


async def test_who_is_not_counted_itself_waits_for_one_other() -> None:
    log: list[str] = []
    counted = SimpleNamespace(in_flight=1)

    async def ended() -> None:
        await Turn(counted, alone=0)
        log.append("answered")

    task = asyncio.ensure_future(ended())
    asyncio.get_running_loop().call_soon(log.append, "the other")
    await task
    assert log == ["the other", "answered"]
