"""``first``: fallback. Each plan in turn until one answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError, Unavailable
from penstock.resilience.race import moves_on, race

Trial: TypeAlias = Callable[[], float | None]
"""How many seconds a plan is waited for alone, where a call now would be a probe of its breaker; else ``None``."""


def first(plans: Sequence[Handler], trials: Sequence[Trial | None] = (), *, asking: int | None = None) -> Handler:
    """Ask each in turn, before the first content only. Raises the last one's error, or one that no other could cure.

    A plan on trial may still hang. The caller does not pay for that with an attempt's whole time: when it is over what
    the plan took in its better days, those that come after it start beside it. ``trials`` has one for each plan. Only
    the first ``asking`` plans ask anyone (``None``: all); what follows are fixed texts, which outrun nobody.
    """
    count = len(plans)
    asked = count if asking is None else asking

    async def handle(call: Call) -> Answer:
        index = 0
        while index < count:
            plan, following = plans[index], index + 1
            trial = trials[index] if trials else None
            alone_s = trial() if trial is not None else None
            if alone_s is not None:
                plan = _beside(plan, first(plans[following:asked], trials[following:asked]), alone_s)
                following = asked
            try:
                answer = await plan(call)
            except PenstockError as error:
                if following == count or not moves_on(error):
                    raise
            else:
                call.trail.fallback_used = call.trail.fallback_used or index > 0
                return answer
            index = following
        raise Unavailable("The plan names no target.")

    return handle


def _beside(plan: Handler, others: Handler, alone_s: float) -> Handler:
    return race(plan, others, after_s=lambda: alone_s, limit_s=None)
