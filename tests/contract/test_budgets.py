"""What every implementation of ``Budgets`` promises, played against a model that knows each reservation's day."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.core.ports import Budgets
from penstock.stores.budgets import DayBudgets
from support.clocks import HandClock

DAY_S = 86_400.0
NOON_S = 20_000 * DAY_S + DAY_S / 2
LIMIT = 1_000_000


class BudgetDays(RuleBasedStateMachine):
    """Amounts are all different here, so that every reservation settles in a day that the model can name."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock(NOON_S)
        self.budgets: Budgets = DayBudgets(self.clock)
        self.made = 0
        self.open: list[tuple[int, int]] = []
        self.costs: Counter[int] = Counter()

    @property
    def today(self) -> int:
        return int(self.clock() // DAY_S)

    def expected(self) -> int:
        return self.costs[self.today] + sum(amount for day, amount in self.open if day == self.today)

    @rule(size=st.integers(0, 500))
    def reserve(self, size: int) -> None:
        self.made += 1
        amount = size * 1000 + self.made
        fits = self.expected() + amount <= LIMIT
        assert self.budgets.reserve("acme", amount, LIMIT) is fits
        if fits:
            self.open.append((self.today, amount))
            assert self.budgets.spent_nano_usd("acme") <= LIMIT

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.floats(0, 1.5))
    def settle(self, data: st.DataObject, share: float) -> None:
        day, amount = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        cost = int(amount * share)
        self.budgets.settle("acme", amount, cost)
        self.costs[day] += cost

    @rule(seconds=st.sampled_from([60.0, DAY_S / 3, DAY_S, 3 * DAY_S]))
    def wait(self, seconds: float) -> None:
        self.clock.pass_s(seconds)

    @invariant()
    def balance_is_of_today(self) -> None:
        assert self.budgets.spent_nano_usd("acme") == self.expected()
        assert self.budgets.spent_nano_usd("other") == 0


TestBudgetDays = BudgetDays.TestCase
TestBudgetDays.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOON_S)


def test_a_day_starts_from_what_was_spent_already(clock: HandClock) -> None:
    budgets = DayBudgets(clock, {"acme": 900})
    assert not budgets.reserve("acme", 101, 1000)
    assert budgets.reserve("acme", 100, 1000)
    clock.pass_s(DAY_S)
    assert budgets.spent_nano_usd("acme") == 0


def test_a_cost_that_nothing_was_held_for_is_spent_all_the_same(clock: HandClock) -> None:
    budgets = DayBudgets(clock)
    budgets.settle("acme", 0, 70)
    assert budgets.spent_nano_usd("acme") == 70


def test_equal_reservations_on_both_sides_of_midnight_leave_no_debt(clock: HandClock) -> None:
    budgets = DayBudgets(clock)
    budgets.reserve("acme", 100, 1000)
    clock.pass_s(DAY_S)
    budgets.reserve("acme", 100, 1000)
    budgets.settle("acme", 100, 30)
    assert budgets.spent_nano_usd("acme") == 100
    budgets.settle("acme", 100, 40)
    assert budgets.spent_nano_usd("acme") == 40


def test_a_clock_that_steps_back_over_midnight_gives_no_second_day() -> None:
    clock = HandClock(20_000 * DAY_S + 1)
    budgets = DayBudgets(clock)
    budgets.settle("acme", 0, 500)
    clock.pass_s(-5)
    assert budgets.spent_nano_usd("acme") == 500
    clock.pass_s(5)
    assert budgets.spent_nano_usd("acme") == 500
