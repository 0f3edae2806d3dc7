"""What one call costs: known when its answer has ended, and settled exactly once."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from penstock.core.call import CANCELLED, Call, Outcome, Usage
from penstock.core.errors import DeadlineExceeded, UpstreamCut, UpstreamMalformed, UpstreamTimeout
from penstock.core.plan import Target
from penstock.core.ports import Reservation
from penstock.tenancy.cost import cost
from penstock.tenancy.ledger import Ledger

# How an attempt ends of which a provider has worked; a refusal or a 5xx costs nothing anywhere.
_WORKED_ON = frozenset(
    {DeadlineExceeded.code, UpstreamCut.code, UpstreamMalformed.code, UpstreamTimeout.code, CANCELLED}
)


class Bill(Struct, frozen=True):
    """Settles ``held`` nano-USD against the real cost, and leaves cost and usage on the call's trail."""

    call: Call
    held: Reservation
    targets: Mapping[str, Target]
    ledger: Ledger

    def settle(self, _call: Call, _outcome: Outcome) -> None:
        """The call has ended: pay for its answer, or without one for what its attempts have used."""
        trail = self.call.trail
        usage, trail.cost_nano_usd = used_and_cost(self.call, self.targets)
        trail.unpriced = any(
            attempt.target in self.targets and self.targets[attempt.target].price is None for attempt in trail.attempts
        )
        if usage is not None:
            trail.usage = usage
        self.ledger.settle(self.held, trail.cost_nano_usd)


def used_and_cost(call: Call, targets: Mapping[str, Target]) -> tuple[Usage | None, int]:
    """What a call that has ended has used, and what it costs in nano-USD.

    The tokens are the answer's usage: the provider's count, or what its source estimates when it is closed early.
    Where neither says anything, the input's estimate is paid; so it is for every attempt that was given up or broke
    off after the provider had begun to work on it, since the provider bills those too.
    """
    trail = call.trail
    if call.dialect == "count_tokens":  # free, however it ends
        return Usage(), 0
    if not trail.answered:
        wasted = _wasted(call, targets)
        return _unreported(call) if wasted else None, wasted
    target = targets.get(trail.target)
    if target is None:  # nobody was asked, or a fixed text answered
        return Usage(), _wasted(call, targets)
    usage = trail.reported or _unreported(call)
    paid = cost(target.price, usage)
    return usage, paid + _wasted(call, targets) if len(trail.attempts) > 1 else paid


def _unreported(call: Call) -> Usage:
    return Usage(call.input_tokens, 0, estimated=True)


def _wasted(call: Call, targets: Mapping[str, Target]) -> int:
    """The input of every attempt that a provider had begun to work on in vain; all of an answer that lost a race."""
    paid = 0
    for attempt in call.trail.attempts:
        target = targets.get(attempt.target)
        if target is not None and attempt.error_code in _WORKED_ON:
            paid += cost(target.price, attempt.usage or _unreported(call))
    return paid
