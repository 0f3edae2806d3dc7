"""``first``: fallback. Each plan in turn until one answers."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import DeadlineExceeded, PenstockError, Unavailable


def first(plans: Sequence[Handler]) -> Handler:
    """Ask each in turn, before the first content only. Raises the last one's error, or one that no other could cure."""
    last = len(plans) - 1

    async def handle(call: Call) -> Answer:
        for index, plan in enumerate(plans):
            try:
                answer = await plan(call)
            except PenstockError as error:
                if index == last or not moves_on(error):
                    raise
            else:
                call.trail.fallback_used = call.trail.fallback_used or index > 0
                return answer
        raise Unavailable("The plan names no target.")

    return handle


def moves_on(error: PenstockError) -> bool:
    """Whether the next plan may do better: not with the caller's own mistakes; a fixed text needs no time at all."""
    return error.curable_elsewhere or isinstance(error, DeadlineExceeded)
