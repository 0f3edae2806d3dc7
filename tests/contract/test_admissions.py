"""What every implementation of ``Admissions`` promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from penstock.core.ports import Admissions, Clock, Hit
from penstock.stores.memory import MemoryAdmissions, MemoryCounters
from support.clocks import HandClock
from support.linked import LinkedOwner

Make = Callable[[Clock], Admissions]


def memory(clock: Clock) -> Admissions:
    return MemoryAdmissions(MemoryCounters(clock))


def remote(clock: Clock) -> Admissions:
    return LinkedOwner(clock).worker().admissions


@pytest.fixture(params=[memory, remote], ids=["memory", "remote"])
def admissions(request: pytest.FixtureRequest) -> Callable[[], Admissions]:
    make: Make = request.param
    return lambda: make(HandClock())


def hits(limit: int) -> tuple[Hit, ...]:
    return (Hit("tenant acme", limit, 60.0),)


async def test_a_call_takes_a_slot_and_its_hits_together(admissions: Callable[[], Admissions]) -> None:
    gate = admissions()
    first = await gate.admit("acme", 2, hits(10))
    second = await gate.admit("acme", 2, hits(10))
    assert (first.admitted, first.in_flight, first.verdicts[0].state.remaining) == (True, 1, 9)
    assert (second.admitted, second.in_flight, second.verdicts[0].state.remaining) == (True, 2, 8)


async def test_without_a_slot_no_hit_is_counted(admissions: Callable[[], Admissions]) -> None:
    gate = admissions()
    await gate.admit("acme", 1, hits(2))
    refused = await gate.admit("acme", 1, hits(2))
    assert (refused.admitted, refused.in_flight, list(refused.verdicts)) == (False, 1, [])
    gate.leave("acme")
    assert (await gate.admit("acme", 1, hits(2))).admitted


async def test_without_room_in_a_window_no_slot_is_taken(admissions: Callable[[], Admissions]) -> None:
    gate = admissions()
    await gate.admit("acme", 2, hits(1))
    refused = await gate.admit("acme", 2, hits(1))
    assert (refused.admitted, refused.in_flight) == (False, 1)
    assert [verdict.admitted for verdict in refused.verdicts] == [False]
    assert (await gate.admit("acme", 2, ())).admitted


async def test_tenants_and_those_without_a_limit_do_not_meet(admissions: Callable[[], Admissions]) -> None:
    gate = admissions()
    for number in range(1, 6):
        assert (await gate.admit("acme", None, ())).in_flight == number
    assert (await gate.admit("other", 1, ())).in_flight == 1


async def test_a_cancelled_call_holds_nothing(admissions: Callable[[], Admissions]) -> None:
    gate = admissions()
    for turns in range(6):  # cancelled before it asks, while it waits, and as the answer comes
        asking = asyncio.ensure_future(gate.admit("acme", 1, ()))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        outcome = (await asyncio.gather(asking, return_exceptions=True))[0]
        if not isinstance(outcome, BaseException):
            gate.leave("acme")
        await asyncio.sleep(0.01)
        assert (await gate.admit("acme", 1, ())).admitted, turns
        gate.leave("acme")
