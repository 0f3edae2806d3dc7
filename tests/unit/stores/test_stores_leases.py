"""Budgets that several workers lease from one owner, played against a model that sees all of them at once."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.core.ports import Reservation
from support.clocks import HandClock
from support.linked import LinkedOwner, LinkedWorker

DAY_S = 86_400.0
NOON_S = 20_000 * DAY_S + DAY_S / 2
LIMIT = 1_000_000


class Leases(RuleBasedStateMachine):
    """The model knows every reservation, its worker and its day; and of a dead worker what its calls held."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = HandClock(NOON_S)
        self.owner = LinkedOwner(self.clock)
        self.workers: list[LinkedWorker] = []
        self.open: list[tuple[LinkedWorker, Reservation]] = []
        self.costs: Counter[int] = Counter()
        self.loop.run_until_complete(self._hire(3))

    def teardown(self) -> None:
        self.loop.close()

    @property
    def today(self) -> int:
        return int(self.clock() // DAY_S)

    def expected(self) -> int:
        return self.costs[self.today] + sum(held.amount_nano_usd for _, held in self.open if held.day == self.today)

    @rule(number=st.integers(0, 2), amount=st.integers(1, 300_000))
    def spend(self, number: int, amount: int) -> None:
        self.loop.run_until_complete(self._spend(self.workers[number], amount))

    @rule(amounts=st.lists(st.integers(1, 300_000), min_size=2, max_size=6))
    def spend_at_once(self, amounts: list[int]) -> None:
        """Calls of several workers that ask in the same turn: some may be refused while others are asked to give."""
        self.loop.run_until_complete(self._spend_at_once(amounts))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.floats(0, 1))
    def settle(self, data: st.DataObject, share: float) -> None:
        worker, held = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        cost = int(held.amount_nano_usd * share)
        worker.budgets.settle(held, cost)
        self.costs[held.day] += cost
        self.loop.run_until_complete(_turns())

    @rule(number=st.integers(0, 2))
    def die(self, number: int) -> None:
        dead = self.workers.pop(number)
        for _, held in [each for each in self.open if each[0] is dead]:
            self.costs[held.day] += held.amount_nano_usd
        self.open = [each for each in self.open if each[0] is not dead]
        self.owner.kill(dead)
        self.loop.run_until_complete(self._hire(1))

    @rule()
    def idle(self) -> None:
        for worker in self.workers:
            worker.budgets.give_back_idle()
        self.loop.run_until_complete(_turns())

    @rule(seconds=st.sampled_from([60.0, DAY_S / 3, DAY_S]))
    def wait(self, seconds: float) -> None:
        self.clock.pass_s(seconds)

    @invariant()
    def nothing_is_spent_twice_or_forgotten(self) -> None:
        spent = self.owner.budgets.spent_nano_usd("acme")
        free = sum(
            grant.free for worker in self.workers for grant in worker.clerk.account.values() if grant.day == self.today
        )
        assert spent - free == self.expected()
        assert spent <= LIMIT

    async def _hire(self, count: int) -> None:
        self.workers += [self.owner.worker() for _ in range(count)]

    async def _spend(self, worker: LinkedWorker, amount: int) -> None:
        fits = self.expected() + amount <= LIMIT
        held = await _reserve(worker, amount)
        assert (held is not None) is fits  # others gave back what they had to spare
        if held is not None:
            self.open.append((worker, held))
        await _turns()

    async def _spend_at_once(self, amounts: list[int]) -> None:
        asked = [(self.workers[number % 3], amount) for number, amount in enumerate(amounts)]
        granted = await asyncio.gather(*(_reserve(worker, amount) for worker, amount in asked))
        self.open += [(worker, held) for (worker, _), held in zip(asked, granted, strict=True) if held is not None]
        await _turns()


async def _reserve(worker: LinkedWorker, amount: int) -> Reservation | None:
    held = worker.budgets.reserve("acme", amount, LIMIT)
    return held if held is not None else await worker.budgets.borrow("acme", amount, LIMIT)


async def _turns() -> None:
    """Until all that was said is heard."""
    for _ in range(6):
        await asyncio.sleep(0)


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
