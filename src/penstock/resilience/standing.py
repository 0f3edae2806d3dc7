"""``Standing``: what is known of one target and what it is granted, kept across calls and reloads."""

from __future__ import annotations

from msgspec import Struct

from penstock.core.answer import Answer, Outcome
from penstock.core.errors import (
    BreakerOpen,
    BulkheadFull,
    ContentBlocked,
    DeadlineExceeded,
    InputTooLong,
    PenstockError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamResting,
)
from penstock.core.plan import Target
from penstock.core.ports import Clock
from penstock.resilience.breaker import Breaker, Permit, Refusal
from penstock.resilience.bulkhead import Bulkhead
from penstock.resilience.retry_budget import RetryBudget
from penstock.resilience.signals import Signal

# A provider that wants a longer rest than this has made a mistake, or is asked again too soon once an hour.
_LONGEST_REST_S = 3600.0
# What a provider says of a request that it has read.
_REFUSALS = (UpstreamRejected, ContentBlocked, InputTooLong)


class Standing(Struct, eq=False):
    """One target's breaker, retry budget, bulkhead (``None``: no bound of its own) and signal.

    An attempt is ``let_in``, and then one of ``answered``, ``failed``, ``outrun`` or ``given_up`` says what became of it.
    Times are monotonic seconds.
    """

    target: Target
    clock: Clock
    breaker: Breaker
    retries: RetryBudget
    signal: Signal
    bulkhead: Bulkhead | None = None

    def refuses(self, at_s: float) -> bool:
        """Whether an attempt would be refused then, as far as is known now: nobody need wait to hear that."""
        return bool(self.breaker.gate(at_s).refusal)

    def trial_after_s(self) -> float | None:
        """Where a call now would be the breaker's probe: the target's p95 to its first content, if anyone knows it."""
        if self.breaker.state == "closed":
            return None
        health = self.signal.health(self.clock())
        quantiles = health.figures.first_content
        return None if health.gate.refusal or quantiles is None else quantiles.p95_s

    def let_in(self, now_s: float) -> Permit:
        """Leave for one attempt. Raises ``BreakerOpen``, and ``UpstreamResting`` while the provider wants a rest."""
        permit = self.breaker.admit(now_s)
        if isinstance(permit, Refusal):
            raise _refused(self.target, permit)
        self.signal.begun(now_s)
        return permit

    def answered(self, permit: Permit, answer: Answer, now_s: float, took_s: float) -> None:
        """The first content has come, or the whole answer; a stream's end is heard of later."""
        if answer.dialect == "count_tokens":  # often our own estimate, and never a sign that the model answers
            self.given_up(permit)
            return
        self.signal.answered(now_s, took_s)
        if answer.body is not None:
            self.breaker.begin(permit, now_s, 0.0)  # a whole answer takes as long as it is: that is not slow
            self._succeeded(permit, now_s, took_s)
            return
        self.breaker.begin(permit, now_s, took_s)
        began_s = now_s - took_s
        answer.on_close(lambda outcome: self._ended(permit, outcome, began_s))

    def failed(self, permit: Permit, error: PenstockError, now_s: float, took_s: float) -> None:
        """The attempt came to nothing. A refusal of the request itself shows that the target works."""
        if isinstance(error, UpstreamRateLimited):
            if error.retry_after_s is not None:
                self.breaker.hold(now_s, min(error.retry_after_s, _LONGEST_REST_S))
            self.given_up(permit)
        elif isinstance(error, BulkheadFull | DeadlineExceeded):  # we had no room, or no time left to give
            self.given_up(permit)
        elif isinstance(error, UpstreamError):
            self.breaker.fail(permit, now_s)
            self.signal.failed(now_s)
            self._leave()
        elif isinstance(error, _REFUSALS):
            self.breaker.begin(permit, now_s, 0.0)
            self._succeeded(permit, now_s, took_s)
        else:  # it was not asked at all: what the call wants cannot be said there
            self.given_up(permit)

    def outrun(self, permit: Permit, now_s: float, took_s: float) -> None:
        """It had its time, and another was sooner: too slow is a failure."""
        if permit.probe:  # what a target takes that is down would make the next probe wait longer
            self.signal.failed(now_s)
        else:
            self.signal.answered(now_s, took_s)
        self.breaker.fail(permit, now_s)
        self._leave()

    def given_up(self, permit: Permit) -> None:
        """Nobody waits for it any more, through no fault of the target's."""
        self.breaker.release(permit)
        self._leave()

    def _succeeded(self, permit: Permit, now_s: float, took_s: float) -> None:
        self.breaker.succeed(permit)
        self.signal.ended(now_s, took_s)
        self._leave()

    def _ended(self, permit: Permit, outcome: Outcome, began_s: float) -> None:
        now_s = self.clock()
        if outcome.kind == "end":
            self._succeeded(permit, now_s, now_s - began_s)
        elif isinstance(outcome.error, UpstreamError):
            self.breaker.cut(permit, now_s)
            self.signal.failed(now_s)
            self._leave()
        else:
            self.given_up(permit)

    def _leave(self) -> None:
        if self.bulkhead is not None:
            self.bulkhead.leave()


def _refused(target: Target, refusal: Refusal) -> PenstockError:
    if refusal.reason == "told_to_wait":
        return UpstreamResting(
            f"'{target.provider}' has asked to be left alone for {refusal.retry_after_s:.1f} s more.",
            retry_after_s=refusal.retry_after_s,
        )
    return BreakerOpen(
        f"'{target.alias}' has failed too often, and is not asked for now: ask again later, or name another model.",
        retry_after_s=refusal.retry_after_s or None,  # 0: a probe is under way, and tells any moment
    )
