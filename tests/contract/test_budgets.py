"""What every implementation of ``Budgets`` promises, played against a model that knows each reservation's day."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.core.ports import Budgets, Reservation
from penstock.stores.budgets import DayBudgets
from support.clocks import HandClock

DAY_S = 86_400.0
NOON_S = 20_000 * DAY_S + DAY_S / 2
LIMIT = 1_000_000


class BudgetDays(RuleBasedStateMachine):
    """The model keeps every reservation with the day it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock(NOON_S)
        self.budgets: Budgets = DayBudgets(self.clock)
        self.open: list[tuple[int, Reservation]] = []
        self.costs: Counter[int] = Counter()

    @property
    def today(self) -> int:
        return int(self.clock() // DAY_S)

    def expected(self) -> int:
        return self.costs[self.today] + sum(held.amount_nano_usd for day, held in self.open if day == self.today)

    @rule(amount=st.integers(0, 500_000))
    def reserve(self, amount: int) -> None:
        fits = amount == 0 or self.expected() + amount <= LIMIT
        held = self.budgets.reserve("acme", amount, LIMIT)
        assert (held is not None) is fits
        if held is not None:
            self.open.append((self.today, held))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.floats(0, 1.5))
    def settle(self, data: st.DataObject, share: float) -> None:
        day, held = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        cost = int(held.amount_nano_usd * share)
        self.budgets.settle(held, cost)
        self.costs[day] += cost

    @rule(seconds=st.sampled_from([60.0, DAY_S / 3, DAY_S, 3 * DAY_S]))
    def wait(self, seconds: float) -> None:
        self.clock.pass_s(seconds)

    @invariant()
    def balance_is_of_today(self) -> None:
        assert self.budgets.spent_nano_usd("acme") == self.expected()
        assert self.budgets.settled_nano_usd("acme") == self.costs[self.today]
        assert self.budgets.spent_nano_usd("other") == 0


TestBudgetDays = BudgetDays.TestCase
TestBudgetDays.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOON_S)


def test_a_day_starts_from_what_was_spent_already(clock: HandClock) -> None:
    budgets = DayBudgets(clock, {"acme": 900})
    assert budgets.reserve("acme", 101, 1000) is None
    assert budgets.reserve("acme", 100, 1000) is not None
    clock.pass_s(DAY_S)
    assert budgets.spent_nano_usd("acme") == 0


def test_a_cost_without_a_limit_is_spent_all_the_same(clock: HandClock) -> None:
    budgets = DayBudgets(clock)
    spend(budgets, 70)
    assert budgets.spent_nano_usd("acme") == 70


def test_a_free_call_fits_into_a_budget_that_is_spent(clock: HandClock) -> None:
    budgets = DayBudgets(clock, {"acme": 1000})
    assert budgets.reserve("acme", 1, 1000) is None
    assert budgets.reserve("acme", 0, 1000) is not None


def test_equal_reservations_on_both_sides_of_midnight_settle_in_their_own_day(clock: HandClock) -> None:
    budgets = DayBudgets(clock)
    before = budgets.reserve("acme", 100, 1000)
    clock.pass_s(DAY_S)
    after = budgets.reserve("acme", 100, 1000)
    assert before is not None
    assert after is not None
    budgets.settle(before, 30)
    assert budgets.spent_nano_usd("acme") == 100
    budgets.settle(after, 40)
    assert budgets.spent_nano_usd("acme") == 40


def test_a_clock_that_steps_back_over_midnight_gives_no_second_day() -> None:
    clock = HandClock(20_000 * DAY_S + 1)
    budgets = DayBudgets(clock)
    spend(budgets, 500)
    clock.pass_s(-5)
    assert budgets.spent_nano_usd("acme") == 500
    clock.pass_s(5)
    assert budgets.spent_nano_usd("acme") == 500


def spend(budgets: DayBudgets, cost: int) -> None:
    held = budgets.reserve("acme", 0, None)
    assert held is not None
    budgets.settle(held, cost)
