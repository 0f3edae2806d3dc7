"""One worker as its supervisor knows it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from penstock.app.member import Member
from penstock.stores.remote import messages as m
from penstock.stores.remote.clerk import Clerk
from penstock.telemetry import Totals
from support.clocks import HandClock
from support.linked import LinkedOwner, link, make_channel


def make_member() -> Member:
    owner = LinkedOwner(HandClock())
    return Member(0, Clerk(owner, owner.lender, on_loss=owner.lost.append), {}, lambda error: pytest.fail(str(error)))


async def test_a_report_does_not_replace_the_last_count_that_came_with_it() -> None:
    member, last = make_member(), Totals(auth_failures=2)

    def report(_message: m.Report) -> Totals:
        said = m.Counted(msgspec.Raw(msgspec.msgpack.encode(last)))
        asyncio.get_running_loop().call_soon(worker.tell, said)  # behind the answer, in the same frame
        return Totals(auth_failures=1)

    worker = make_channel({m.Report: report})
    link(member.channel, worker)
    await member.report(1.0)
    assert member.totals == last


async def test_what_a_worker_that_does_not_answer_has_counted_is_what_it_last_said() -> None:
    member = make_member()
    member.channel.WATCH_S = 0.01
    answers = iter([Totals(auth_failures=3)])

    async def report(_message: m.Report) -> Totals:
        for totals in answers:
            return totals
        await asyncio.sleep(60)
        raise AssertionError

    link(member.channel, make_channel({m.Report: report}))
    await member.report(1.0)
    await member.report(0.02)
    assert member.totals == Totals(auth_failures=3)


async def test_of_a_worker_that_is_gone_only_what_it_has_counted_stays() -> None:
    member = make_member()
    member.totals = Totals(
        auth_failures=3,
        in_flight=2,
        tasks=9,
        breaker_changes={("small", "open"): 1},
        breakers={("small", "open"): 1},
        bulkheads={("small", "in"): 4},
    )
    member.end()
    assert member.totals == Totals(auth_failures=3, breaker_changes={("small", "open"): 1})
