"""``Breaker``: whether a target may be asked, judged by how it has answered. It is told the time and what happens."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Literal, TypeAlias

from msgspec import Struct

from penstock.core.health import RESTING, Gate
from penstock.core.policy import BreakerPolicy
from penstock.resilience.sliding import SlidingCount

State: TypeAlias = Literal["closed", "open", "half_open"]
Why: TypeAlias = Literal[
    "failures", "error_rate", "slow_rate", "time_over", "probe_failed", "probe_slow", "probes_passed", "reset"
]

_BUCKETS = 10


class Permit(Struct, eq=False):
    """Leave to ask the target once; ``probe`` while it holds a place of the half-open breaker."""

    period: int
    probe: bool = False


class Refusal(Struct, frozen=True):
    """Why the target may not be asked; 0 seconds when that may change any moment, with the answer to a probe."""

    reason: Literal["breaker_open", "told_to_wait"]
    retry_after_s: float


class Change(Struct, frozen=True):
    """The breaker was in state ``was`` and ``became`` another."""

    was: State
    became: State
    at_s: float
    why: Why


class Breaker:
    """Closed: everyone may ask. Open: nobody. Half open: a few probes, which tell whether it closes or opens again.

    What becomes of a permit is told in this order, whatever the breaker's state is by then::

        admit -> fail                        no content came, and that is the target's fault
              -> begin -> succeed            the first content came, and then all of it
                       -> cut                the rest did not come, and that is the target's fault
              -> release                     in place of any of these: it says nothing about the target

    Failures in a row add up: a first content forgives calls that failed to begin, only a good end forgives cuts. A
    probe passes with its first content. What began before the breaker opened says nothing any more. Every permit must
    be told of, else a probe's place stays taken; a ``release`` too many does no harm, so ``finally`` is a place for it.

    ``since_s`` is when the state began, ``None`` for the first one. All times are monotonic seconds. ``on_change`` is
    told of every new state and must not raise.
    """

    def __init__(self, policy: BreakerPolicy, on_change: Callable[[Change], object] = lambda _change: None) -> None:
        self.state: State = "closed"
        self.since_s: float | None = None
        self._policy = policy
        self._on_change = on_change
        # All permits of a closed breaker are this one; None while `admit` has to look.
        self._pass: Permit | None = None
        # How often it has opened.
        self._period = 0
        self._failed = 0
        self._cut = 0
        self._rates = _Rates.of(policy)
        self._slow_s = inf if policy.slow_rate is None or policy.slow_s is None else policy.slow_s
        self._open_until_s = -inf
        self._hold_until_s = -inf
        # Of the half-open breaker: places that no probe holds, and probes that have yet to pass.
        self._places = 0
        self._missing = 0

    def admit(self, now_s: float) -> Permit | Refusal:
        """A permit to ask the target now, or why there is none."""
        return self._pass or self._look(now_s)

    def gate(self, now_s: float) -> Gate:
        """What it would say now; no place is taken."""
        open_s, hold_s = self._open_until_s - now_s, self._hold_until_s - now_s
        if open_s > 0 or (self.state == "half_open" and not self._places):
            return Gate(self.state, self.since_s, "breaker open")
        return Gate(self.state, self.since_s, RESTING if hold_s > 0 else "")

    def begin(self, permit: Permit, now_s: float, first_content_s: float) -> None:
        """The first content has come, after so many seconds."""
        if permit.period != self._period:
            return
        self._failed = 0
        slow = first_content_s > self._slow_s
        if permit.probe:
            permit.probe = False
            self._missing -= 1
            if slow:
                self._open(now_s, "probe_slow")
            elif not self._missing:
                self._become("closed", now_s, "probes_passed")
        elif self._rates is not None and self._rates.began(now_s, slow=slow):
            self._open(now_s, "slow_rate")

    def succeed(self, permit: Permit) -> None:
        """All of the answer has come."""
        if permit.period == self._period:
            self._cut = 0

    def fail(self, permit: Permit, now_s: float) -> None:
        """No content has come, or not in time, and that is the target's fault."""
        if permit.period == self._period:
            self._failed += 1
            if self._rates is not None:
                self._rates.calls.add(now_s)
            self._blame(now_s)

    def cut(self, permit: Permit, now_s: float) -> None:
        """The first content had come, but the rest did not, and that is the target's fault."""
        if permit.period == self._period:
            self._cut += 1
            self._blame(now_s)

    def release(self, permit: Permit) -> None:
        """Nobody waits any more, or the request itself was wrong: that says nothing about the target."""
        if permit.probe and permit.period == self._period:
            permit.probe = False
            self._places += 1

    def hold(self, now_s: float, for_s: float) -> None:
        """The target has said when it wants to be asked again (429 with Retry-After): nobody asks before."""
        self._hold_until_s = max(self._hold_until_s, now_s + for_s)
        self._pass = None

    def reset(self, now_s: float) -> None:
        """Somebody knows that the target is well: what it has done before counts no more."""
        self._begin_anew()
        self._open_until_s = self._hold_until_s = -inf
        if self.state != "closed":
            self._become("closed", now_s, "reset")

    # --- within ---

    def _look(self, now_s: float) -> Permit | Refusal:
        open_s, hold_s = self._open_until_s - now_s, self._hold_until_s - now_s
        if open_s > 0:
            return Refusal("breaker_open", max(open_s, hold_s))
        if hold_s > 0:
            return Refusal("told_to_wait", hold_s)
        if self.state == "closed":
            self._pass = Permit(self._period)
            return self._pass
        if self.state == "open":
            self._places = self._missing = self._policy.probes
            self._become("half_open", now_s, "time_over")
        if not self._places:
            return Refusal("breaker_open", 0.0)
        self._places -= 1
        return Permit(self._period, probe=True)

    def _blame(self, now_s: float) -> None:
        if self.state == "half_open":
            self._open(now_s, "probe_failed")
        elif self._failed + self._cut >= self._policy.failures:
            self._open(now_s, "failures")
        elif self._rates is not None and self._rates.failed(now_s):
            self._open(now_s, "error_rate")

    def _open(self, now_s: float, why: Why) -> None:
        self._begin_anew()
        self._open_until_s = now_s + self._policy.open_s
        self._become("open", now_s, why)

    def _begin_anew(self) -> None:
        self._period += 1
        self._pass = None
        self._failed = self._cut = 0
        self._rates = _Rates.of(self._policy)

    def _become(self, state: State, now_s: float, why: Why) -> None:
        change = Change(self.state, state, now_s, why)
        self.state, self.since_s = state, now_s
        self._on_change(change)


class _Rates:
    """What share of the calls lately made was slow to begin, and what share failed at any time."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        bucket_s = policy.window_s / _BUCKETS
        self.calls = SlidingCount(buckets=_BUCKETS, bucket_s=bucket_s)
        self._failures = SlidingCount(buckets=_BUCKETS, bucket_s=bucket_s)
        self._slow = SlidingCount(buckets=_BUCKETS, bucket_s=bucket_s)

    @classmethod
    def of(cls, policy: BreakerPolicy) -> _Rates | None:
        """``None`` where no rate is judged."""
        return None if policy.error_rate is None and policy.slow_rate is None else cls(policy)

    def began(self, now_s: float, *, slow: bool) -> bool:
        """Count a call; true when the share of slow ones is too large now."""
        self.calls.add(now_s)
        if slow:
            self._slow.add(now_s)
        return slow and self._reaches(self._policy.slow_rate, self._slow, now_s)

    def failed(self, now_s: float) -> bool:
        """Count the failure of a call that is counted; true when their share is too large now."""
        self._failures.add(now_s)
        return self._reaches(self._policy.error_rate, self._failures, now_s)

    def _reaches(self, rate: float | None, bad: SlidingCount, now_s: float) -> bool:
        calls = self.calls.total(now_s)
        return rate is not None and calls >= self._policy.min_calls and bad.total(now_s) / max(calls, 1) >= rate
