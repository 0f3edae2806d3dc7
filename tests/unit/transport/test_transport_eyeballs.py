from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.transport.eyeballs import Schedule, first_connected, interleaved

FOUR = ["1.1.1.1", "1.1.1.2", "1.1.1.3"]
SIX = ["2606::1", "2606::2"]


@pytest.mark.parametrize(
    ("given_in", "tried_in"),
    [
        ([], []),
        (FOUR, FOUR),
        (SIX + FOUR, ["2606::1", "1.1.1.1", "2606::2", "1.1.1.2", "1.1.1.3"]),
        (FOUR + SIX, ["1.1.1.1", "2606::1", "1.1.1.2", "2606::2", "1.1.1.3"]),
    ],
)
def test_the_families_take_turns_and_the_resolvers_favourite_begins(given_in: list[str], tried_in: list[str]) -> None:
    assert interleaved(given_in) == tried_in


@given(st.lists(st.sampled_from([f"1.1.1.{n}" for n in range(9)] + [f"2606::{n}" for n in range(9)]), unique=True))
def test_no_address_is_lost_and_each_family_keeps_its_order(addresses: list[str]) -> None:
    order = interleaved(addresses)
    assert sorted(order) == sorted(addresses)
    for family in (True, False):
        assert [a for a in order if (":" in a) is family] == [a for a in addresses if (":" in a) is family]


def test_attempts_start_a_delay_apart_and_at_once_after_a_failure() -> None:
    schedule = Schedule(["1.1.1.1", "1.1.1.2", "1.1.1.3"], delay_s=0.25)
    assert schedule.wait_s(100.0) == 0
    assert schedule.next(100.0) == "1.1.1.1"
    assert schedule.wait_s(100.0) == 0.25
    assert schedule.wait_s(100.25) == 0
    assert schedule.next(100.25) == "1.1.1.2"
    assert schedule.wait_s(100.5 - 0.0625) == 0.0625
    schedule.failed()
    assert schedule.wait_s(100.5 - 0.0625) == 0
    assert schedule.next(100.4375) == "1.1.1.3"
    assert schedule.wait_s(100.4375) is None


# --- attempts without a network ---


class Attempts:
    """Connects as each address is told to; what it hands out are sockets that never connected."""

    def __init__(self, **fates: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.fates = fates
        self.begun: list[str] = []
        self.sockets: list[socket.socket] = []

    async def connect(self, address: str) -> socket.socket:
        self.begun.append(address)
        sock = socket.socket()
        self.sockets.append(sock)
        try:
            await self.fates[address]()
        except BaseException:
            sock.close()
            raise
        return sock

    @property
    def still_open(self) -> int:
        return sum(sock.fileno() != -1 for sock in self.sockets)


async def succeed() -> None:
    pass


async def hang() -> None:
    await asyncio.Event().wait()


async def refuse() -> None:
    raise OSError(errno.ECONNREFUSED, "")


async def test_a_failure_is_followed_at_once() -> None:
    attempts = Attempts(a=refuse, b=refuse, c=succeed, d=succeed)
    async with asyncio.timeout(0.45):
        (await first_connected(["a", "b", "c", "d"], attempts.connect)).close()
    assert attempts.begun == ["a", "b", "c"]
    assert attempts.still_open == 0


async def test_one_that_hangs_costs_the_delay_and_is_left() -> None:
    attempts = Attempts(a=hang, b=succeed)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    sock = await first_connected(["a", "b"], attempts.connect)
    assert 0.24 <= loop.time() - began_s < 2
    await asyncio.sleep(0)
    assert attempts.still_open == 1
    sock.close()


async def test_when_all_fail_the_last_says_why() -> None:
    async def late() -> None:
        await asyncio.sleep(0.01)
        raise OSError(errno.EHOSTUNREACH, "")

    attempts = Attempts(a=late, b=refuse)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is looked at
        await first_connected(["a", "b"], attempts.connect)
    assert caught.value.errno == errno.ECONNREFUSED
    assert attempts.still_open == 0


async def test_of_two_that_connect_in_the_same_moment_one_is_closed() -> None:
    both = asyncio.Event()

    async def together() -> None:
        await both.wait()

    attempts = Attempts(a=together, b=together)
    winner = asyncio.create_task(first_connected(["a", "b"], attempts.connect))
    while len(attempts.begun) < 2:  # noqa: ASYNC110 - the second begins by the clock
        await asyncio.sleep(0.01)
    both.set()
    sock = await winner
    await asyncio.sleep(0)
    assert attempts.still_open == 1
    sock.close()


@pytest.mark.parametrize("turns", range(8))
async def test_whenever_it_is_cancelled_every_socket_is_closed(turns: int) -> None:
    async def soon() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    attempts = Attempts(a=refuse, b=soon, c=hang)
    race = asyncio.create_task(first_connected(["a", "b", "c"], attempts.connect))
    for _ in range(turns):
        await asyncio.sleep(0)
    race.cancel()
    (outcome,) = await asyncio.gather(race, return_exceptions=True)
    if isinstance(outcome, socket.socket):
        outcome.close()
    await asyncio.sleep(0)
    assert attempts.still_open == 0
