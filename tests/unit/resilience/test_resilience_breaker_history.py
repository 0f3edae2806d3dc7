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
Fate = Literal["failed", "begun", "begun slowly", "succeeded", "cut", "released"]
FATES: tuple[Fate, ...] = ("failed", "begun", "begun slowly", "succeeded", "cut", "released")


class Asked(Struct, eq=False):
    """A call that was admitted, as the test sees it; ``opened`` is how often the breaker had opened before."""

    permit: Permit
    opened: int
    probe: bool
    begun: bool = False


class Histories(RuleBasedStateMachine):
    """Calls are admitted, told of in any order at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0
        self.asked: list[Asked] = []
        self.changes: list[Change] = []
        # The model: what has happened since the breaker last opened, and which probes have their places.
        self.opened = 0
        self.open_until_s = self.hold_until_s = -inf
        self.half_open = False
        self.events: list[tuple[float, Fate]] = []
        self.outstanding = self.passed = 0

    @initialize(policy=st.sampled_from(POLICIES), chapter=st.sampled_from(["new", "broken", "mended"]))
    def begin_with(self, policy: BreakerPolicy, chapter: str) -> None:
        """Most of what can go wrong does so after the breaker has opened: two of three histories begin there."""
        self.policy = policy
        self.breaker = Breaker(policy, self.changes.append)
        if chapter != "new":
            self.ask([None, None, "begun", "begun", *["failed"] * policy.failures])
            self.wait_until_it_may_be_asked()
        if chapter == "mended":
            self._mend()

    # --- what may happen ---

    @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 9.75, 10.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @precondition(lambda self: self.now_s < self.open_until_s)
    @rule()
    def wait_until_it_may_be_asked(self) -> None:
        self.now_s = max(self.open_until_s, self.hold_until_s)

    @rule(fates=st.lists(st.sampled_from([*FATES, None]), min_size=1, max_size=8))
    def ask(self, fates: list[Fate | None]) -> None:
        """Some calls in a row, of which some are not told of yet."""
        for fate in fates:
            asked = self._ask()
            if asked is not None and fate is not None:
                self._tell(asked, fate)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), fate=st.sampled_from(FATES))
    def tell(self, data: st.DataObject, fate: Fate) -> None:
        self._tell(data.draw(st.sampled_from(self.asked)), fate)

    @rule(seconds=st.sampled_from([0.5, 2.0, 15.0]))
    def hold(self, seconds: float) -> None:
        self.breaker.hold(self.now_s, seconds)
        self.hold_until_s = max(self.hold_until_s, self.now_s + seconds)

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

    def teardown(self) -> None:
        """After any history silence and a set of good probes close it, once nobody waits for the others any more."""
        for asked in [asked for asked in self.asked if asked.opened == self.opened]:
            self._tell(asked, "released")
        self.now_s = max(self.now_s + self.policy.open_s, self.hold_until_s)
        self._mend()

    # --- the model ---

    def _ask(self) -> Asked | None:
        got = self.breaker.admit(self.now_s)
        if self.now_s < self.open_until_s:
            until_s = max(self.open_until_s, self.hold_until_s)
            assert got == Refusal("breaker_open", until_s - self.now_s)
            return None
        if self.now_s < self.hold_until_s:
            assert got == Refusal("told_to_wait", self.hold_until_s - self.now_s)
            return None
        self.half_open = self.half_open or self.open_until_s > -inf
        if self.half_open and self.outstanding + self.passed == self.policy.probes:
            assert got == Refusal("breaker_open", 0.0)
            return None
        assert isinstance(got, Permit)
        asked = Asked(got, self.opened, self.half_open)
        self.asked.append(asked)
        self.outstanding += self.half_open
        return asked

    def _mend(self) -> None:
        for _ in range(self.policy.probes):
            probe = self._ask()
            assert probe is not None
            self._tell(probe, "begun")
        assert self.breaker.state == "closed"

    def _tell(self, asked: Asked, fate: Fate) -> None:
        """What must come before is told before; what has begun cannot fail to begin."""
        if not asked.begun and fate not in {"failed", "released"}:
            slowly = fate == "begun slowly"
            self.breaker.begin(asked.permit, self.now_s, 5.0 if slowly else 0.5)
            asked.begun = True
            self._happened(asked, "begun slowly" if slowly and self.policy.slow_s is not None else "begun")
            self.breaker.release(asked.permit)  # as a `finally` does, to no effect
        if fate in {"begun", "begun slowly"} or (asked.begun and fate == "failed"):
            return
        self.asked.remove(asked)
        if fate == "failed":
            self.breaker.fail(asked.permit, self.now_s)
        elif fate == "cut":
            self.breaker.cut(asked.permit, self.now_s)
        elif fate == "succeeded":
            self.breaker.succeed(asked.permit)
        self._happened(asked, fate)
        for _ in range(2):
            self.breaker.release(asked.permit)

    def _happened(self, asked: Asked, fate: Fate) -> None:
        if asked.opened != self.opened:
            return
        if fate == "released":
            self.outstanding -= asked.probe and not asked.begun
        elif asked.probe and fate in {"begun", "begun slowly"}:
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
TestHistories.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
