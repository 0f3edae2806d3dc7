from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.transport.pool import Admission, Pool

MAX_CONNECTIONS = 3
MAX_WAITING = 2
KEEP_ALIVE_S = 10.0


class Ticket:
    """A waiter that may give up."""

    def __init__(self) -> None:
        self.gave_up = False

    def done(self) -> bool:
        return self.gave_up


def pool_of(max_connections: int = MAX_CONNECTIONS, max_waiting: int = MAX_WAITING) -> Pool[str, Ticket]:
    return Pool(max_connections=max_connections, max_waiting=max_waiting, keep_alive_s=KEEP_ALIVE_S)


def with_connections(pool: Pool[str, Ticket], *names: str) -> None:
    for name in names:
        assert pool.admit() is Admission.OPEN
        pool.opened(name)


def test_the_connection_used_last_is_used_first() -> None:
    pool = pool_of()
    with_connections(pool, "a", "b")
    pool.release("a", 1.0)
    pool.release("b", 2.0)
    assert [pool.reuse(3.0), pool.reuse(3.0), pool.reuse(3.0)] == ["b", "a", None]


def test_an_idle_connection_is_not_used_after_its_keep_alive_time() -> None:
    pool = pool_of()
    with_connections(pool, "a", "b")
    pool.release("a", 0.0)
    pool.release("b", 5.0)
    assert pool.expire(9.9) == []
    assert pool.expire(10.0) == ["a"]
    assert pool.reuse(15.0) is None
    assert pool.expire(15.0) == ["b"]
    assert pool.slots == 0


def test_slots_are_bounded_and_then_the_queue_is() -> None:
    pool = pool_of(max_connections=1, max_waiting=1)
    assert pool.admit() is Admission.OPEN
    assert pool.admit() is Admission.WAIT
    pool.wait(Ticket())
    assert pool.admit() is Admission.REFUSE


def test_who_gave_up_makes_room_in_the_queue() -> None:
    pool = pool_of(max_connections=1, max_waiting=1)
    with_connections(pool, "a")
    first, second = Ticket(), Ticket()
    pool.wait(first)
    first.gave_up = True
    assert pool.admit() is Admission.WAIT
    pool.wait(second)
    assert pool.release("a", 0.0) is second


def test_a_freed_connection_goes_to_the_first_waiter_and_not_to_the_idle() -> None:
    pool = pool_of(max_connections=1)
    with_connections(pool, "a")
    first, second = Ticket(), Ticket()
    pool.wait(first)
    pool.wait(second)
    assert pool.release("a", 0.0) is first
    assert pool.reuse(0.0) is None
    assert pool.release("a", 0.0) is second
    assert pool.release("a", 0.0) is None
    assert pool.reuse(0.0) == "a"


def test_the_slot_of_a_lost_connection_goes_to_the_first_waiter() -> None:
    pool = pool_of(max_connections=1)
    with_connections(pool, "a")
    waiter = Ticket()
    pool.wait(waiter)
    assert pool.discard("a") is waiter
    assert pool.slots == 1
    assert pool.discard("a") is None, "a second time changes nothing"
    assert pool.not_opened() is None
    assert pool.slots == 0


def test_a_replaced_connection_keeps_its_slot() -> None:
    pool = pool_of(max_connections=1)
    with_connections(pool, "a")
    pool.replace("a")
    assert pool.admit() is Admission.WAIT
    pool.opened("b")
    assert pool.connections() == ["b"]


class PoolMachine(RuleBasedStateMachine):
    """Any order of events: slots never exceed the bound, nobody overtakes, nothing is lost or used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool_of()
        self.now_s = 0.0
        self.names = 0
        self.used: list[str] = []
        self.opening = 0
        self.queue: list[Ticket] = []

    def _take_from_queue(self, waiter: Ticket) -> None:
        while self.queue[0].gave_up:
            self.queue.pop(0)
        assert self.queue.pop(0) is waiter, "first come, first served"

    @rule()
    def a_request_comes(self) -> None:
        connection = self.pool.reuse(self.now_s)
        if connection is not None:
            assert connection not in self.used
            self.used.append(connection)
            return
        self.pool.expire(self.now_s)
        admission = self.pool.admit()
        if admission is Admission.OPEN:
            self.opening += 1
        elif admission is Admission.WAIT:
            ticket = Ticket()
            self.pool.wait(ticket)
            self.queue.append(ticket)

    @precondition(lambda self: self.opening)
    @rule(works=st.booleans())
    def a_connection_opens_or_not(self, works: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        self.opening -= 1
        if works:
            self.names += 1
            self.used.append(f"c{self.names}")
            self.pool.opened(f"c{self.names}")
        else:
            self._slot_goes_to(self.pool.not_opened())

    @precondition(lambda self: self.used)
    @rule(reusable=st.booleans(), pick=st.integers(0, 10))
    def an_answer_ends(self, reusable: bool, pick: int) -> None:  # noqa: FBT001 - hypothesis passes by name
        connection = self.used.pop(pick % len(self.used))
        if not reusable:
            self._slot_goes_to(self.pool.discard(connection))
            return
        waiter = self.pool.release(connection, self.now_s)
        if waiter is not None:
            self._take_from_queue(waiter)
            self.used.append(connection)

    @precondition(lambda self: self.queue)
    @rule(pick=st.integers(0, 10))
    def a_waiter_gives_up(self, pick: int) -> None:
        self.queue[pick % len(self.queue)].gave_up = True

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    def _slot_goes_to(self, waiter: Ticket | None) -> None:
        if waiter is not None:
            self._take_from_queue(waiter)
            self.opening += 1

    @invariant()
    def slots_are_bounded_and_add_up(self) -> None:
        assert self.pool.slots == len(self.used) + self.opening + self.pool.idle <= MAX_CONNECTIONS

    @invariant()
    def nobody_waits_while_there_is_room(self) -> None:
        waiting = [ticket for ticket in self.queue if not ticket.gave_up]
        assert len(waiting) <= MAX_WAITING
        if waiting:
            assert self.pool.slots == MAX_CONNECTIONS
            assert self.pool.idle == 0


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_order_of_events = PoolMachine.TestCase
