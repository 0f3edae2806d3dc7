"""What one call costs: known when its answer has ended, and settled exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from penstock.core.answer import Answer, Outcome
from penstock.core.call import CANCELLED, Call, Usage
from penstock.core.errors import DeadlineExceeded, UpstreamCut, UpstreamMalformed, UpstreamTimeout
from penstock.core.plan import Target
from penstock.core.ports import Reservation
from penstock.tenancy.ledger import Ledger

# How an attempt ends of which a provider has worked; a refusal or a 5xx costs nothing anywhere.
_WORKED_ON = frozenset(
    {DeadlineExceeded.code, UpstreamCut.code, UpstreamMalformed.code, UpstreamTimeout.code, CANCELLED}
)


class Bill:
    """Settles ``held`` nano-USD against the real cost, and leaves cost and usage on the call's trail.

    The tokens are the answer's usage: the provider's count, or what its source estimates when it is closed early.
    Where neither says anything, the input's estimate is paid; so it is for every attempt that was given up or broke
    off after the provider had begun to work on it, since the provider bills those too.
    """

    __slots__ = ("_call", "_held", "_ledger", "_targets")

    def __init__(self, call: Call, held: Reservation, targets: Mapping[str, Target], ledger: Ledger) -> None:
        self._call = call
        self._held = held
        self._targets = targets
        self._ledger = ledger

    def attach(self, answer: Answer) -> None:
        """Settle when ``answer`` ends."""
        answer.on_close(partial(self._close, answer))

    def unanswered(self) -> None:
        """Settle a call that got no answer: only what its attempts have used."""
        cost = self._wasted()
        self._call.trail.cost_nano_usd = cost
        if cost:
            self._call.trail.usage = Usage(self._call.input_tokens, 0, estimated=True)
        self._ledger.settle(self._held, cost)

    def _close(self, answer: Answer, _outcome: Outcome) -> None:
        self._settle(answer.usage)

    def _wasted(self) -> int:
        """The input of every attempt that a provider had begun to work on, and that came to nothing."""
        call, cost = self._call, 0
        for attempt in call.trail.attempts:
            target = self._targets.get(attempt.target)
            if target is not None and attempt.error_code in _WORKED_ON:
                cost += target.cost_nano_usd(call.input_tokens, 0)
        return cost

    def _settle(self, usage: Usage | None) -> None:
        trail = self._call.trail
        target = self._targets.get(trail.target)
        if target is None:  # nobody was asked, or a fixed text answered
            usage, cost = Usage(), 0
        else:
            usage = usage or Usage(self._call.input_tokens, 0, estimated=True)
            cost = target.cost_nano_usd(usage.input_tokens, usage.output_tokens)
        if len(trail.attempts) > 1 or target is None:
            cost += self._wasted()
        trail.usage, trail.cost_nano_usd = usage, cost
        self._ledger.settle(self._held, cost)
