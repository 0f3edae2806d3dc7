from __future__ import annotations

import asyncio
import socket

import pytest

from penstock.transport.addresses import permitted
from penstock.transport.names import FRESH_S, STALE_S, Names, system_lookup
from penstock.transport.reasons import Unreachable

NOT_FOUND = socket.gaierror(socket.EAI_NONAME, "")
TRY_LATER = socket.gaierror(socket.EAI_AGAIN, "")


class Resolver:
    """Answers with ``answer`` once ``gate`` is open; counts how often it is asked."""

    def __init__(self, *addresses: str) -> None:
        self.answer: list[str] | Exception = list(addresses)
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.now_s = 1000.0

    async def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def names(self) -> Names:
        return Names(self, lambda: self.now_s)


async def test_an_answer_is_kept_for_a_while_and_then_asked_for_again() -> None:
    resolver = Resolver("1.1.1.1")
    names = resolver.names()
    assert await names.addresses("a") == ["1.1.1.1"]
    resolver.answer = ["2.2.2.2"]
    resolver.now_s += FRESH_S - 0.001
    assert await names.addresses("a") == ["1.1.1.1"]
    resolver.now_s += 0.001
    assert await names.addresses("a") == ["2.2.2.2"]
    assert resolver.asked == ["a", "a"]


async def test_however_many_wait_one_lookup_is_in_flight() -> None:
    resolver = Resolver("1.1.1.1")
    resolver.gate.clear()
    names = resolver.names()
    waiting = [asyncio.create_task(names.addresses("a")) for _ in range(100)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # whoever began it may leave
    await asyncio.sleep(0)
    resolver.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert await asyncio.gather(*waiting[1:]) == [["1.1.1.1"]] * 99
    assert resolver.asked == ["a"]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (NOT_FOUND, "name not found"),
        (TRY_LATER, "the name cannot be resolved now"),
        (UnicodeError(), "its address is not a host name"),
    ],
)
async def test_a_failure_is_told_and_not_kept(failure: Exception, reason: str) -> None:
    resolver = Resolver()
    resolver.answer = failure
    names = resolver.names()
    for _ in range(2):
        with pytest.raises(Unreachable, match=reason):
            await names.addresses("a")
    resolver.answer = ["1.1.1.1"]
    assert await names.addresses("a") == ["1.1.1.1"]
    assert len(resolver.asked) == 3


async def test_an_old_answer_serves_for_a_while_when_the_resolver_fails() -> None:
    resolver = Resolver("1.1.1.1")
    names = resolver.names()
    await names.addresses("a")
    resolver.answer = TRY_LATER
    resolver.now_s += FRESH_S + STALE_S - 0.001
    assert await names.addresses("a") == ["1.1.1.1"]
    resolver.now_s += 0.001
    with pytest.raises(Unreachable, match="cannot be resolved now"):
        await names.addresses("a")


async def test_an_old_answer_serves_while_the_resolver_hangs() -> None:
    resolver = Resolver("1.1.1.1")
    names = resolver.names()
    await names.addresses("a")
    resolver.now_s += FRESH_S
    resolver.gate.clear()
    resolver.answer = ["2.2.2.2"]
    async with asyncio.timeout(3):
        assert await names.addresses("a") == ["1.1.1.1"]
    resolver.gate.set()
    assert await names.addresses("a") == ["2.2.2.2"]
    assert resolver.asked == ["a", "a"]


async def test_an_old_answer_does_not_outlive_its_name() -> None:
    resolver = Resolver("1.1.1.1")
    names = resolver.names()
    await names.addresses("a")
    resolver.now_s += FRESH_S
    for answer, reason in ((NOT_FOUND, "name not found"), (TRY_LATER, "cannot be resolved now")):
        resolver.answer = answer
        with pytest.raises(Unreachable, match=reason):
            await names.addresses("a")


async def test_a_doubtful_answer_is_asked_for_again_at_once_but_still_serves() -> None:
    resolver = Resolver("1.1.1.1")
    names = resolver.names()
    await names.addresses("a")
    names.doubt("a")
    names.doubt("never heard of")
    resolver.answer = TRY_LATER
    assert await names.addresses("a") == ["1.1.1.1"]
    assert resolver.asked == ["a", "a"]


async def test_an_address_that_proved_itself_comes_first_until_the_resolver_is_asked_again() -> None:
    resolver = Resolver("1.1.1.1", "1.1.1.2", "1.1.1.3")
    names = resolver.names()
    await names.addresses("a")
    names.prefer("a", "1.1.1.3")
    names.prefer("a", "9.9.9.9")
    names.prefer("never heard of", "1.1.1.1")
    assert await names.addresses("a") == ["1.1.1.3", "1.1.1.1", "1.1.1.2"]
    resolver.now_s += FRESH_S
    assert await names.addresses("a") == ["1.1.1.1", "1.1.1.2", "1.1.1.3"]


async def test_names_are_bounded_and_the_oldest_goes() -> None:
    resolver = Resolver("1.1.1.1")
    names = resolver.names()
    for number in range(1025):
        await names.addresses(f"n{number}")
    resolver.asked.clear()
    await names.addresses("n1024")
    await names.addresses("n1")
    await names.addresses("n0")
    assert resolver.asked == ["n0"]


@pytest.mark.parametrize("host", ["localhost", "0x7f000001", "2130706433", "127.1"])
async def test_what_counts_is_the_address_that_a_name_stands_for(host: str) -> None:
    addresses = await Names(system_lookup, lambda: 0.0).addresses(host)
    with pytest.raises(Unreachable, match="its address is private"):
        permitted(addresses, named=False)


@pytest.mark.parametrize(
    ("host", "reason"), [("not a name", "name not found"), ("a..b", "its address is not a host name")]
)
async def test_a_name_that_stands_for_nothing_is_unreachable(host: str, reason: str) -> None:
    with pytest.raises(Unreachable, match=reason):
        await Names(system_lookup, lambda: 0.0).addresses(host)
