"""``fixed``: the last resort. A text that is always there, marked as such."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler


def fixed(text: str, degrade: Callable[[Call, str], Answer]) -> Handler:
    """Answer with ``text``, which ``degrade`` puts into the call's dialect."""

    async def handle(call: Call) -> Answer:
        trail = call.trail
        trail.degraded = True
        trail.target, trail.provider, trail.model = "", "penstock", "degrade"
        return degrade(call, text)

    return handle
