"""A probe of a target that hangs costs its caller what the target took in better days, not an attempt's whole time."""

from __future__ import annotations

import asyncio

import pytest

from penstock.core.answer import Answer
from penstock.core.call import Call, Trail
from penstock.core.chain import Handler
from penstock.core.errors import UpstreamUnavailable
from penstock.core.plan import Degrade, First, Plan, Select, Target, Use
from penstock.core.policy import NO_RETRY, BreakerPolicy
from penstock.resilience import Attempts, Dispatch, Standing
from support.calls import complete_answer, make_call
from support.targets import PlainChoices, standing
from support.virtual_time import now_s, run_virtual

WELL_S = 0.2
OTHER_S = 0.3
OPEN_S = 60.0
TEXT = Degrade("Later.")
BOTH = First((Use("main"), Use("other")))
EQUALS = First((Select("weighted", (Use("main"), Use("other"))), TEXT))


class World:
    """``main`` and ``other``: the first takes ``takes_s``, or fails where that is ``None``; the breaker opens at once."""

    def __init__(self) -> None:
        self.takes_s: float | None = WELL_S
        self.asked: list[str] = []
        self.standings = {
            alias: standing(Target(alias, alias, alias), now_s, breaker=BreakerPolicy(failures=1, open_s=OPEN_S))
            for alias in ("main", "other")
        }
        choices = PlainChoices(trial_after_s=lambda target: self.standings[target].trial_after_s())
        targets = {alias: Attempts(each, self._backend(alias)) for alias, each in self.standings.items()}
        self._dispatch = Dispatch(targets, lambda _, text: complete_answer(text.encode()), choices)

    @property
    def main(self) -> Standing:
        """What is known of the target that dies."""
        return self.standings["main"]

    def _backend(self, alias: str) -> Handler:
        async def answer(_: Call) -> Answer:
            self.asked.append(alias)
            takes_s = self.takes_s if alias == "main" else OTHER_S
            if takes_s is None:
                raise UpstreamUnavailable("It is down.")
            await asyncio.sleep(takes_s)
            return complete_answer(alias.encode())

        return answer

    async def ask(self, plan: Plan = BOTH) -> tuple[str, float, Call]:
        """Who answered, and after how long."""
        call = make_call(plan=plan, retry=NO_RETRY, trail=Trail(received_at_s=now_s(), tier="pro"))
        began_s = now_s()
        answer = await self._dispatch(call)
        assert answer.body is not None
        return answer.body.decode(), now_s() - began_s, call

    async def break_main_again(self) -> None:
        """It fails, once a call at it has opened its breaker and the time of that has passed."""
        self.takes_s = None
        self.main.breaker.fail(self.main.let_in(now_s()), now_s())
        await asyncio.sleep(OPEN_S)

    async def break_main(self, plan: Plan = BOTH) -> None:
        """It is well, then its breaker opens, and the time of that passes."""
        assert (await self.ask(plan))[0] == "main"
        self.takes_s = None
        assert (await self.ask(plan))[0] == "other"
        assert self.main.breaker.state == "open"
        await asyncio.sleep(OPEN_S)
        self.asked.clear()


@pytest.mark.parametrize("plan", [BOTH, EQUALS])
def test_a_probe_that_hangs_costs_its_caller_what_the_target_took_before(plan: Plan) -> None:
    async def outage() -> None:
        world = World()
        await world.break_main(plan)
        world.takes_s = 3600.0
        for _ in range(3):  # and that does not grow while the target is down
            who, took_s, call = await world.ask(plan)
            assert who == "other"
            assert took_s == pytest.approx(WELL_S + OTHER_S)
            assert call.trail.fallback_used
            assert [attempt.target for attempt in call.trail.attempts] == ["main", "other"]
            assert world.main.breaker.state == "open"
            await asyncio.sleep(OPEN_S)
        assert world.asked == ["main", "other"] * 3

    run_virtual(outage())


@pytest.mark.parametrize("plan", [BOTH, EQUALS])
def test_a_probe_of_a_target_that_is_well_again_answers_its_caller(plan: Plan) -> None:
    async def recovery() -> None:
        world = World()
        await world.break_main(plan)
        world.takes_s = 0.9 * WELL_S
        who, took_s, call = await world.ask(plan)
        assert who == "main"
        assert took_s == pytest.approx(0.9 * WELL_S)
        assert not call.trail.fallback_used
        assert world.asked == ["main"]
        assert world.main.breaker.state == "closed"

    run_virtual(recovery())


def test_beside_a_probe_nobody_else_asks() -> None:
    async def crowd() -> None:
        world = World()
        await world.break_main()
        world.takes_s = 3600.0
        answers = await asyncio.gather(*(world.ask() for _ in range(20)))
        assert {who for who, _, _ in answers} == {"other"}
        assert world.asked.count("main") == 1
        assert sorted(took_s for _, took_s, _ in answers)[:-1] == [pytest.approx(OTHER_S)] * 19

    run_virtual(crowd())


def test_a_probe_that_fails_goes_on_at_once_and_asks_nobody_twice() -> None:
    async def outage() -> None:
        world = World()
        await world.break_main()
        who, took_s, _ = await world.ask()
        assert who == "other"
        assert took_s == pytest.approx(OTHER_S)
        assert world.asked == ["main", "other"]

    run_virtual(outage())


def test_a_fixed_text_does_not_outrun_a_probe() -> None:
    async def slow_recovery() -> None:
        world = World()
        await world.break_main()
        world.takes_s = 10 * WELL_S
        who, took_s, call = await world.ask(First((Use("main"), TEXT)))
        assert who == "main"
        assert took_s == pytest.approx(10 * WELL_S)
        assert not call.trail.degraded

    run_virtual(slow_recovery())


def test_where_nobody_knows_its_time_a_probe_is_a_call_like_any_other() -> None:
    async def never_well() -> None:
        world = World()
        world.takes_s = None
        await world.ask()
        await asyncio.sleep(OPEN_S)
        world.takes_s = 5.0
        who, took_s, _ = await world.ask()
        assert who == "main"
        assert took_s == pytest.approx(5.0)

    run_virtual(never_well())


def test_a_fixed_text_behind_another_target_does_not_outrun_a_probe_either() -> None:
    three = First((Use("main"), Use("other"), TEXT))

    async def both_are_down() -> None:
        world = World()
        await world.break_main()
        world.standings["other"].breaker.hold(now_s(), 3600.0)  # the other one cannot stand in
        world.takes_s = 3 * WELL_S
        who, took_s, call = await world.ask(three)
        assert who == "main"
        assert took_s == pytest.approx(3 * WELL_S)
        assert not call.trail.degraded
        await world.break_main_again()
        who, _, call = await world.ask(three)
        assert who == "Later."
        assert call.trail.degraded

    run_virtual(both_are_down())
