"""The retry budget: the share it keeps to, and a recount of every event over the exact window."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from penstock.resilience.retry_budget import RetryBudget
from penstock.resilience.sliding import SlidingCount
from support.sizes import held_bytes

SHARE, FLOOR, WINDOW_S, BUCKET_S = 0.2, 3, 10.0, 1.0


def test_a_fifth_of_the_calls_may_be_asked_again() -> None:
    budget = RetryBudget()
    for _ in range(100):
        budget.count(0.0)
    assert [budget.take(1.0) for _ in range(21)] == [True] * 20 + [False]


def test_a_few_are_free_where_there_are_hardly_any_calls() -> None:
    budget = RetryBudget()
    budget.count(0.0)
    assert [budget.take(0.0) for _ in range(4)] == [True, True, True, False]


def test_what_is_over_makes_room() -> None:
    budget = RetryBudget()
    for _ in range(3):
        budget.take(0.5)
    assert not budget.take(10.5)
    assert budget.take(11.0)


def test_a_budget_of_nothing_grants_nothing() -> None:
    budget = RetryBudget(share=0.0, floor=0)
    budget.count(0.0)
    assert not budget.take(0.0)


def test_it_stays_small() -> None:
    budget = RetryBudget()
    sizes = []
    for begin_s in (0, 10_000):
        for second in range(2000):
            budget.count(begin_s + second)
            budget.take(begin_s + second)
        sizes.append(held_bytes(budget))
    assert abs(sizes[1] - sizes[0]) < 50


class Budgets(RuleBasedStateMachine):
    """The model knows when each call and each extra attempt was made."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = RetryBudget(share=SHARE, floor=FLOOR, window_s=WINDOW_S)
        self.now_s = 500.0
        self.calls: list[float] = []
        self.extra: list[float] = []

    @rule(seconds=st.sampled_from([0.125, 0.5, 1.0, 8.75, 10.0, 25.0]) | st.floats(0.0, 12.0))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(number=st.integers(1, 40))
    def call(self, number: int) -> None:
        for _ in range(number):
            self.budget.count(self.now_s)
            self.calls.append(self.now_s)

    @rule(number=st.integers(1, 8))
    def ask_again(self, number: int) -> None:
        for _ in range(number):
            if self.budget.take(self.now_s):
                self.extra.append(self.now_s)
                assert self._lately(self.extra, WINDOW_S) <= self._most(self._lately(self.calls, WINDOW_S))
            else:  # within a bucket of the bound, it is in doubt
                calls = self._lately(self.calls, WINDOW_S - BUCKET_S)
                assert self._lately(self.extra, WINDOW_S + BUCKET_S) + 1 > self._most(calls)

    def _lately(self, times: list[float], window_s: float) -> int:
        return sum(at_s > self.now_s - window_s for at_s in times)

    def _most(self, calls: int) -> float:
        return max(FLOOR, SHARE * calls)


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- the count below both budget and breaker ---


@settings(max_examples=100, deadline=None)
@given(
    buckets=st.integers(1, 12),
    bucket_s=st.sampled_from([0.1, 0.25, 1.0, 3.0]),
    waits_s=st.lists(st.floats(0.0, 5.0) | st.just(1e6), max_size=50),
)
def test_a_sliding_count_is_that_of_the_newest_buckets(buckets: int, bucket_s: float, waits_s: list[float]) -> None:
    count = SlidingCount(buckets=buckets, bucket_s=bucket_s)
    now_s = 0.0
    times = []
    for wait_s in waits_s:
        now_s += wait_s
        count.add(now_s)
        times.append(now_s // bucket_s)
        assert count.total(now_s) == sum(time > now_s // bucket_s - buckets for time in times)
