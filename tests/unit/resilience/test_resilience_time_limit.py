"""Bounds on waiting: each expires in its time, whatever else runs under the same timer."""

from __future__ import annotations

import asyncio

import pytest

from penstock.resilience.time_limit import Deadlines, TimeLimit


async def waited(deadlines: Deadlines, seconds: float) -> float:
    """How long a wait without end takes under a limit."""
    began_s = deadlines.loop.time()
    with pytest.raises(TimeoutError), TimeLimit(deadlines, seconds):
        await asyncio.Event().wait()
    return deadlines.loop.time() - began_s


async def test_each_limit_expires_in_its_own_time_in_whatever_order_they_were_set() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    limits_s = (0.09, 0.03, 0.12, 0.06, 0.03)
    took_s = await asyncio.gather(*(waited(deadlines, limit_s) for limit_s in limits_s))
    for limit_s, wait_s in zip(limits_s, took_s, strict=True):
        assert limit_s - 0.002 <= wait_s < limit_s + 0.5


async def test_what_ends_in_time_is_forgotten_and_the_next_limit_still_holds() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    for _ in range(3):
        with TimeLimit(deadlines, 0.02):
            await asyncio.sleep(0)
    with TimeLimit(deadlines, 30.0):
        await asyncio.sleep(0.05)  # past the first limits, which must not reach this task
    assert await waited(deadlines, 0.01) < 5.0


async def test_a_time_that_has_passed_already_expires_at_the_next_wait() -> None:
    assert await waited(Deadlines(asyncio.get_running_loop()), 0.0) < 1.0


async def test_a_cancellation_from_outside_stays_one() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())

    async def bounded() -> None:
        with TimeLimit(deadlines, 30.0):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(bounded())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_limits_nest() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    with TimeLimit(deadlines, 30.0):
        assert await waited(deadlines, 0.01) < 5.0
        await asyncio.sleep(0)
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_outside_a_task_there_is_nothing_to_bound() -> None:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[BaseException | None] = loop.create_future()

    def enter() -> None:
        try:
            with TimeLimit(Deadlines(loop), 1.0):
                told.set_result(None)
        except RuntimeError as error:
            told.set_result(error)

    loop.call_soon(enter)
    assert isinstance(await told, RuntimeError)
