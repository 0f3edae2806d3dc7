"""Who gets a slot, who waits for one and who is refused; and that no slot is ever lost, whatever becomes of a call."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from penstock.core.answer import CANCEL, DISCONNECT, END, Answer, Outcome
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import BulkheadFull, DeadlineExceeded, UpstreamCut, UpstreamUnavailable
from penstock.core.plan import Target
from penstock.core.policy import NO_RETRY, BulkheadPolicy
from penstock.resilience import Attempts
from penstock.resilience.bulkhead import Bulkhead, Slots
from support.calls import complete_answer, delta, make_call
from support.targets import standing


def bulkhead(*, most: int = 1, waiting: int = 9, wait_s: float = 9.0) -> Bulkhead:
    return Bulkhead("fast", BulkheadPolicy(most=most, waiting=waiting, wait_s=wait_s))


async def in_line(slots: Bulkhead, number: int) -> list[asyncio.Task[None]]:
    """So many that wait, in the order in which they came."""
    tasks = [asyncio.ensure_future(slots.wait()) for _ in range(number)]
    await turn()
    assert slots.in_line == number
    return tasks


async def turn() -> None:
    """What the loop has ready runs."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def left(slots: Bulkhead) -> tuple[int, int]:
    return slots.taken, slots.in_line


# --- the rules, without a loop ---


def test_slots_are_bounded_and_then_the_line_is() -> None:
    slots: Slots[str] = Slots(most=2, waiting=1)
    assert [slots.enter(), slots.enter(), slots.enter()] == [True, True, False]
    assert [slots.line_up("a"), slots.line_up("b")] == [True, False]
    assert (slots.taken, slots.in_line) == (2, 1)


def test_a_slot_goes_to_the_first_in_line_and_nobody_overtakes() -> None:
    slots: Slots[str] = Slots(most=1, waiting=2)
    assert slots.enter()
    slots.line_up("a")
    slots.line_up("b")
    assert slots.pass_on() == "a"
    assert not slots.enter()
    assert [slots.pass_on(), slots.pass_on()] == ["b", None]
    assert slots.enter()


def test_who_steps_out_makes_room_in_the_line() -> None:
    slots: Slots[str] = Slots(most=1, waiting=1)
    assert slots.enter()
    slots.line_up("a")
    slots.step_out("a")
    slots.step_out("a")
    assert slots.line_up("b")
    assert slots.pass_on() == "b"


# --- waiting ---


async def test_the_line_is_called_in_the_order_in_which_it_came() -> None:
    slots = bulkhead()
    assert slots.enter()
    first, second = await in_line(slots, 2)
    slots.leave()
    assert not slots.enter(), "the slot is promised"
    await turn()
    assert (first.done(), second.done()) == (True, False)
    slots.leave()
    await second
    slots.leave()
    assert left(slots) == (0, 0)


async def test_who_finds_the_line_full_is_told_at_once_by_whom_and_what_to_do() -> None:
    slots = bulkhead(waiting=1)
    assert slots.enter()
    (waiter,) = await in_line(slots, 1)
    with pytest.raises(BulkheadFull, match=r"'fast' answers 1 calls at once .* name another model") as refused:
        await slots.wait()
    error = refused.value
    assert (error.retry_after_s, error.status, error.retryable, error.curable_elsewhere) == (1.0, 503, False, True)
    slots.leave()
    await waiter


@pytest.mark.parametrize(("wait_s", "left_s"), [(0.01, 9.0), (9.0, 0.01)])
async def test_nobody_waits_beyond_the_policy_or_the_deadline(wait_s: float, left_s: float) -> None:
    slots = bulkhead(wait_s=wait_s)
    assert slots.enter()
    with pytest.raises(BulkheadFull):
        await asyncio.wait_for(slots.wait(left_s), 1)
    assert left(slots) == (1, 0)


@pytest.mark.parametrize(("wait_s", "left_s"), [(0.0, 9.0), (9.0, 0.0), (9.0, -1.0)])
async def test_without_time_there_is_no_line(wait_s: float, left_s: float) -> None:
    slots = bulkhead(wait_s=wait_s)
    await slots.wait(left_s)
    with pytest.raises(BulkheadFull):
        slots.wait(left_s).send(None)


async def test_a_slot_is_not_given_to_one_that_was_cancelled_before() -> None:
    slots = bulkhead()
    assert slots.enter()
    first, second = await in_line(slots, 2)
    first.cancel()
    slots.leave()
    await second
    slots.leave()
    assert first.cancelled()
    assert left(slots) == (0, 0)


async def test_one_that_is_cancelled_in_the_turn_in_which_it_was_called_passes_the_slot_on() -> None:
    slots = bulkhead()
    assert slots.enter()
    first, second, third = await in_line(slots, 3)
    slots.leave()
    first.cancel()
    third.cancel()
    await second
    slots.leave()
    await turn()
    assert (first.cancelled(), third.cancelled()) == (True, True)
    assert left(slots) == (0, 0)


async def test_one_whose_time_is_up_in_the_turn_in_which_a_slot_comes_free_has_it() -> None:
    slots = bulkhead(wait_s=1e-9)
    assert slots.enter()
    waiter = asyncio.ensure_future(slots.wait())
    await asyncio.sleep(0)  # its timer is due from now on, and fires in the next turn
    slots.leave()
    await waiter
    assert left(slots) == (1, 0)


async def test_a_block_has_a_slot_however_it_ends() -> None:
    slots = bulkhead(wait_s=0)
    async with slots:
        assert left(slots) == (1, 0)
        with pytest.raises(BulkheadFull):
            async with slots:
                raise AssertionError
    with pytest.raises(ZeroDivisionError):
        async with slots:
            raise ZeroDivisionError
    assert left(slots) == (0, 0)


# --- calls at a target ---


def at_target(slots: Bulkhead, backend: Handler, now_s: float = 0.0) -> Handler:
    """Attempts at a target that has these slots."""
    target = standing(Target("fast", "mock-fast", "fast-v1"), lambda: now_s)
    target.bulkhead = slots
    return Attempts(target, backend)


async def test_a_whole_answer_gives_its_slot_back_with_the_body() -> None:
    slots = bulkhead()
    seen: list[int] = []

    async def whole(_: Call) -> Answer:
        seen.append(slots.taken)
        return complete_answer()

    await at_target(slots, whole)(make_call())
    assert (seen, slots.taken) == ([1], 0)


@pytest.mark.parametrize("outcome", [END, CANCEL, DISCONNECT, Outcome("error", UpstreamCut("cut"))])
async def test_a_stream_has_its_slot_until_it_ends_and_gives_it_back_once(outcome: Outcome) -> None:
    slots = bulkhead(most=2)

    async def stream(_: Call) -> Answer:
        answer = Answer("openai")
        answer.feed([delta("first")])
        return answer

    answers = [await at_target(slots, stream)(make_call(stream=True)) for _ in range(2)]
    assert slots.taken == 2
    answers[0].close(outcome)
    answers[0].close(outcome)
    assert slots.taken == 1
    answers[1].close(END)
    assert slots.taken == 0


async def test_a_call_that_comes_to_nothing_gives_its_slot_back() -> None:
    slots = bulkhead()
    entered = asyncio.Event()

    async def fail(_: Call) -> Answer:
        raise UpstreamUnavailable("down")

    async def hang(_: Call) -> Answer:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(UpstreamUnavailable):
        await at_target(slots, fail)(make_call(retry=NO_RETRY))
    hanging = asyncio.ensure_future(at_target(slots, hang)(make_call()))
    await entered.wait()
    hanging.cancel()
    await asyncio.wait([hanging])
    assert left(slots) == (0, 0)


async def test_a_call_stands_in_line_no_longer_than_to_its_deadline() -> None:
    slots = bulkhead()
    assert slots.enter()

    async def never(_: Call) -> Answer:
        raise AssertionError

    call = make_call()
    with pytest.raises(DeadlineExceeded):
        await at_target(slots, never, now_s=call.deadline_s)(call)
    with pytest.raises(BulkheadFull):
        await asyncio.wait_for(at_target(slots, never, now_s=call.deadline_s - 0.01)(call), 1)
    assert left(slots) == (1, 0)


# --- whatever becomes of ten thousand calls ---


class Crowd:
    """Calls that come, wait, and end in any way in any turn of the loop; and the most that were ever in together."""

    def __init__(self, random: Random) -> None:
        self.slots = bulkhead(most=5, waiting=40, wait_s=0.004)
        self.random = random
        self.inside = self.most = self.came_in = 0
        self._handler = at_target(self.slots, self._work)

    async def one(self) -> None:
        """One call, of any fate."""
        await self._turns(30)
        match self.random.choice(["answered", "cancelled", "closed"]):
            case "answered":
                await self._ask()
            case "cancelled":
                task = asyncio.ensure_future(self._ask())
                await self._turns(12)
                task.cancel()
                await asyncio.wait([task])
            case "closed":
                await self._close()

    async def _ask(self) -> None:
        try:
            answer = await self._handler(make_call(stream=True, retry=NO_RETRY))
        except (BulkheadFull, UpstreamUnavailable):
            return
        try:
            await self._turns(5)
        finally:
            answer.close(self.random.choice([END, DISCONNECT]))

    async def _work(self, _: Call) -> Answer:
        self.inside += 1
        self.came_in += 1
        self.most = max(self.most, self.inside)
        answer = None
        try:
            await self._turns(3)
            fate = self.random.random()
            if fate < 0.2:
                raise UpstreamUnavailable("down")
            answer = complete_answer() if fate < 0.4 else Answer("openai")
            if answer.body is None:
                answer.on_close(self._gone)
            return answer
        finally:
            if answer is None or answer.body is not None:
                self._gone(END)

    async def _close(self) -> None:
        """A coroutine that nobody goes on with: closed where it waits."""
        waiting = self.slots.wait()
        try:
            waiting.send(None)
        except StopIteration:
            self.slots.leave()
        except BulkheadFull:
            return
        await self._turns(6)
        waiting.close()

    def _gone(self, _: Outcome) -> None:
        self.inside -= 1

    async def _turns(self, most: int) -> None:
        for _ in range(self.random.randrange(most)):
            await asyncio.sleep(0)


async def test_ten_thousand_calls_that_end_in_any_way_in_any_turn_leave_nothing() -> None:
    crowd = Crowd(Random(4))
    for _ in range(50):
        await asyncio.gather(*(crowd.one() for _ in range(200)))
    assert left(crowd.slots) == (0, 0)
    assert (crowd.inside, crowd.most) == (0, 5)
    assert crowd.came_in > 1000
