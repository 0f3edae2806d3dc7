"""The breaker over any history, on a virtual clock, against a model that keeps the whole history and recounts it."""

from __future__ import annotations

from math import inf
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Struct

from penstock.core.policy import BreakerPolicy
from penstock.resilience.breaker import Breaker, Change, Permit, Refusal

BUCKET_S = 2.0
POLICIES = (
    BreakerPolicy(failures=3, open_s=10.0),
    BreakerPolicy(failures=2, open_s=10.0, probes=3),
    BreakerPolicy(failures=9, open_s=10.0, probes=2, error_rate=0.5, window_s=10 * BUCKET_S, min_calls=4),
    BreakerPolicy(failures=9, open_s=10.0, slow_rate=0.4, slow_s=1.0, window_s=10 * BUCKET_S, min_calls=4),
)
Fate = Literal["failed", "begun", "begun slowly", "succeeded", "cut"]


class Asked(Struct, eq=False):
    """A call that was admitted, as the test sees it; ``opened`` is how often the breaker had opened before."""

    permit: Permit
    opened: int
    probe: bool
    begun: bool = False


class Histories(RuleBasedStateMachine):
    """Calls are admitted, told of in any order at any time, and told of again when nobody should."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0
        self.asked: list[Asked] = []
        self.over: list[Asked] = []
        self.changes: list[Change] = []
        # The model: what has happened since the breaker last opened, and which probes have their places.
        self.opened = 0
        self.open_until_s = self.hold_until_s = -inf
        self.half_open = False
        self.events: list[tuple[float, Fate]] = []
        self.outstanding = self.passed = 0

    @initialize(policy=st.sampled_from(POLICIES))
    def begin_with(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.breaker = Breaker(policy, self.changes.append)

    # --- what may happen ---

    @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 9.75, 10.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def ask(self) -> None:
        got = self.breaker.admit(self.now_s)
        if self.now_s < self.open_until_s:
            until_s = max(self.open_until_s, self.hold_until_s)
            assert got == Refusal("breaker_open", until_s - self.now_s)
        elif self.now_s < self.hold_until_s:
            assert got == Refusal("told_to_wait", self.hold_until_s - self.now_s)
        else:
            self.half_open = self.half_open or self.open_until_s > -inf
            if self.half_open and self.outstanding + self.passed == self.policy.probes:
                assert got == Refusal("breaker_open", 0.0)
            else:
                assert isinstance(got, Permit)
                self.asked.append(Asked(got, self.opened, self.half_open))
                self.outstanding += self.half_open

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), seconds=st.sampled_from([0.5, 5.0]))
    def answer(self, data: st.DataObject, seconds: float) -> None:
        asked = self._draw(data, begun=False)
        if asked is not None:
            self._begin(asked, seconds)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        asked = self._draw(data, begun=False)
        if asked is not None:
            self.breaker.fail(asked.permit, self.now_s)
            self._end(asked, "failed")

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), well=st.booleans())
    def end(self, data: st.DataObject, well: bool) -> None:  # noqa: FBT001 - drawn
        asked = self._draw(data, begun=True)
        if asked is None:
            return
        if well:
            self.breaker.succeed(asked.permit)
        else:
            self.breaker.cut(asked.permit, self.now_s)
        self._end(asked, "succeeded" if well else "cut")

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from(self.asked))
        self._release(asked)

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def release_once_more(self, data: st.DataObject) -> None:
        self.breaker.release(data.draw(st.sampled_from(self.over)).permit)

    @rule(seconds=st.sampled_from([0.5, 2.0, 15.0]))
    def hold(self, seconds: float) -> None:
        self.breaker.hold(self.now_s, seconds)
        self.hold_until_s = max(self.hold_until_s, self.now_s + seconds)

    @rule()
    def recover(self) -> None:
        """From wherever it is: nobody waits any more, silence, and a set of good probes."""
        for asked in list(self.asked):
            self._release(asked)
        self.now_s = max(self.now_s + self.policy.open_s, self.hold_until_s)
        for _ in range(self.policy.probes):
            self.ask()
            self._begin(self.asked[-1], 0.1)
        assert self.breaker.state == "closed"

    # --- what must hold ---

    @invariant()
    def the_state_is_what_the_history_says(self) -> None:
        state = "half_open" if self.half_open else "open" if self.open_until_s > -inf else "closed"
        assert self.breaker.state == state
        assert self.outstanding <= self.policy.probes

    @invariant()
    def every_change_is_told_once(self) -> None:
        states = ["closed", *(change.became for change in self.changes)]
        assert [change.was for change in self.changes] == states[:-1]
        assert states[-1] == self.breaker.state
        assert self.breaker.since_s == (self.changes[-1].at_s if self.changes else None)
        assert states.count("open") == self.opened

    # --- the model ---

    def _draw(self, data: st.DataObject, *, begun: bool) -> Asked | None:
        choice = [asked for asked in self.asked if asked.begun is begun]
        return data.draw(st.sampled_from(choice)) if choice else None

    def _begin(self, asked: Asked, seconds: float) -> None:
        self.breaker.begin(asked.permit, self.now_s, seconds)
        asked.begun = True
        if asked.opened == self.opened:
            slow = self.policy.slow_s is not None and seconds > self.policy.slow_s
            self._happened(asked, "begun slowly" if slow else "begun")

    def _end(self, asked: Asked, fate: Fate) -> None:
        self._move(asked)
        if asked.opened == self.opened:
            self._happened(asked, fate)

    def _release(self, asked: Asked) -> None:
        self.breaker.release(asked.permit)
        self._move(asked)
        if asked.opened == self.opened and asked.probe and not asked.begun:
            self.outstanding -= 1

    def _move(self, asked: Asked) -> None:
        self.asked.remove(asked)
        self.over.append(asked)

    def _happened(self, asked: Asked, fate: Fate) -> None:
        if asked.probe and fate in {"begun", "begun slowly"}:
            self.outstanding -= 1
            self.passed += 1
            if fate == "begun slowly":
                self._open()
            elif self.passed == self.policy.probes:
                self.half_open, self.open_until_s, self.events = False, -inf, []
        elif self.half_open:
            if fate in {"failed", "cut"}:
                self._open()
        else:
            self.events.append((self.now_s, fate))
            if self._is_bad(fate):
                self._open()

    def _open(self) -> None:
        self.opened += 1
        self.open_until_s = self.now_s + self.policy.open_s
        self.half_open, self.events, self.outstanding, self.passed = False, [], 0, 0

    def _is_bad(self, fate: Fate) -> bool:
        """Whether the history up to its last event opens a closed breaker."""
        fates = [fate for _, fate in self.events]
        since_begun = _after_last(fates, {"begun", "begun slowly"})
        since_good = _after_last(fates, {"succeeded"})
        if fate in {"failed", "cut"} and since_begun.count("failed") + since_good.count("cut") >= self.policy.failures:
            return True
        bucket = self.now_s // BUCKET_S
        lately = [fate for at_s, fate in self.events if at_s // BUCKET_S > bucket - 10]
        calls = len(lately) - lately.count("succeeded") - lately.count("cut")
        if calls < self.policy.min_calls:
            return False
        if fate in {"failed", "cut"} and self.policy.error_rate is not None:
            return lately.count("failed") + lately.count("cut") >= self.policy.error_rate * calls
        if fate == "begun slowly" and self.policy.slow_rate is not None:
            return lately.count("begun slowly") >= self.policy.slow_rate * calls
        return False


def _after_last(fates: list[Fate], forgiving: set[Fate]) -> list[Fate]:
    """What has happened since something that forgives what was before it."""
    for index in reversed(range(len(fates))):
        if fates[index] in forgiving:
            return fates[index + 1 :]
    return fates


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
