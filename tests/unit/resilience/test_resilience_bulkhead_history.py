"""Any history of a bulkhead on a virtual clock, against a model of three lists."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.core.errors import BulkheadFull
from penstock.core.policy import BulkheadPolicy
from penstock.resilience.bulkhead import Bulkhead
from support.clocks import HandLoop

MOST, WAITING, WAIT_S = 2, 3, 10.0
PICK = st.integers(0, 11)


class BulkheadMachine(RuleBasedStateMachine):
    """``inside`` have a slot, ``called`` have been handed one and have not run since, ``line`` waits in its order.

    The loop runs when one comes and when it is told to, so that calls, cancels and leaving fall into one turn.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = HandLoop()
        self.bulkhead = Bulkhead("fast", BulkheadPolicy(most=MOST, waiting=WAITING, wait_s=WAIT_S))
        self.tasks: list[asyncio.Task[None]] = []
        self.inside: list[int] = []
        self.called: list[int] = []
        self.line: dict[int, float] = {}  # until when
        self.refused: set[int] = set()
        self.cancelled: set[int] = set()

    @rule(left_s=st.sampled_from([WAIT_S, 4.0, 0.0]))
    def one_comes(self, left_s: float) -> None:
        one = len(self.tasks)
        self.tasks.append(self.loop.create_task(self.bulkhead.wait(left_s)))
        self._run_those_who_were_there()
        if len(self.inside) < MOST:
            self.inside.append(one)
        elif len(self.line) < WAITING and left_s > 0:
            self.line[one] = self.loop.now_s + left_s
        else:
            self.refused.add(one)
        self._run_timers()

    @rule()
    def the_loop_runs(self) -> None:
        self._run_those_who_were_there()
        self._run_timers()

    @precondition(lambda self: self.inside)
    @rule(pick=PICK)
    def one_leaves(self, pick: int) -> None:
        self.inside.pop(pick % len(self.inside))
        self.bulkhead.leave()
        self._call_the_first()

    @precondition(lambda self: self.line)
    @rule(pick=PICK)
    def one_in_line_is_cancelled(self, pick: int) -> None:
        one = list(self.line)[pick % len(self.line)]
        del self.line[one]
        self._cancel(one)

    @precondition(lambda self: set(self.called) - self.cancelled)
    @rule(pick=PICK)
    def one_is_cancelled_with_its_slot_in_hand(self, pick: int) -> None:
        able = [one for one in self.called if one not in self.cancelled]
        self._cancel(able[pick % len(able)])

    @rule(seconds=st.sampled_from([1.0, 3.0, WAIT_S]))
    def time_passes(self, seconds: float) -> None:
        self.loop.now_s += seconds

    # --- the model's turn of the loop: who was called or cancelled runs, then newcomers, then timers ---

    def _run_those_who_were_there(self) -> None:
        called, self.called = self.called, []
        for one in called:
            if one in self.cancelled:
                self._call_the_first()
            else:
                self.inside.append(one)
        self.inside += self.called
        self.called = []

    def _run_timers(self) -> None:
        for one in [one for one, until_s in self.line.items() if until_s <= self.loop.now_s]:
            del self.line[one]
            self.refused.add(one)
        self.loop.settle()
        assert self.bulkhead.in_line == len(self.line)
        assert set(self._ended_with(None)) >= set(self.inside)
        assert set(self._ended_with(BulkheadFull)) == self.refused
        assert {one for one, task in enumerate(self.tasks) if task.cancelled()} == self.cancelled

    def _ended_with(self, kind: type[Exception] | None) -> Iterator[int]:
        for one, task in enumerate(self.tasks):
            if task.done() and not task.cancelled():
                error = task.exception()
                if error is None if kind is None else isinstance(error, kind):
                    yield one

    def _call_the_first(self) -> None:
        if self.line:
            one = next(iter(self.line))
            del self.line[one]
            self.called.append(one)

    def _cancel(self, one: int) -> None:
        self.cancelled.add(one)
        self.tasks[one].cancel()

    @invariant()
    def slots_add_up(self) -> None:
        assert self.bulkhead.taken == len(self.inside) + len(self.called) <= MOST

    @invariant()
    def nobody_waits_while_there_is_room(self) -> None:
        assert not self.line or self.bulkhead.taken == MOST

    def teardown(self) -> None:
        for one in list(self.line):
            self._cancel(one)
        self.line.clear()
        self._run_those_who_were_there()
        self.loop.settle()
        for _ in self.inside:
            self.bulkhead.leave()
        assert (self.bulkhead.taken, self.bulkhead.in_line) == (0, 0)
        self.loop.close()


TestHistory = BulkheadMachine.TestCase
TestHistory.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
