"""What one call costs: known when its answer has ended, and settled exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call, Usage
from penstock.core.plan import Target
from penstock.core.ports import Reservation
from penstock.tenancy.ledger import Ledger


class Bill:
    """Settles ``held`` nano-USD against the real cost, and leaves cost and usage on the call's trail.

    The tokens are the answer's usage: the provider's count, or what its source estimates when it is closed early.
    Where neither says anything, the input's estimate is paid.
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

    def unanswered(self, error: BaseException) -> None:
        """Settle a call that got no answer: a failure is free, one cancelled while a target worked pays its input."""
        if isinstance(error, Exception):
            self._ledger.settle(self._held, 0)
        else:
            self._settle(None)

    def _close(self, answer: Answer, _outcome: Outcome) -> None:
        self._settle(answer.usage)

    def _settle(self, usage: Usage | None) -> None:
        trail = self._call.trail
        target = self._targets.get(trail.target)
        if target is None:  # nobody was asked, or a fixed text answered
            usage, cost = Usage(), 0
        else:
            usage = usage or Usage(self._call.input_tokens, 0, estimated=True)
            cost = target.cost_nano_usd(usage.input_tokens, usage.output_tokens)
        trail.usage, trail.cost_nano_usd = usage, cost
        self._ledger.settle(self._held, cost)
