"""The pipeline's end: follows the call's plan to an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError, Unavailable
from penstock.core.plan import Degrade, First, Plan, Use


class Dispatch:
    """Interprets plans. ``degrade`` makes the fixed answer of a ``Degrade`` in the call's dialect."""

    name = "dispatch"

    def __init__(self, targets: Mapping[str, Handler], degrade: Callable[[Call, str], Answer]) -> None:
        self._targets = targets
        self._degrade = degrade

    def __call__(self, call: Call) -> Awaitable[Answer]:
        """Answer as ``call.plan`` says. Raises the last target's error."""
        if call.plan is None:
            raise Unavailable("No plan for this call.")
        return self._follow(call.plan, call)

    def _follow(self, plan: Plan, call: Call) -> Awaitable[Answer]:
        if isinstance(plan, Use):
            return self._targets[plan.target](call)
        if isinstance(plan, First):
            return self._first(plan, call)
        if isinstance(plan, Degrade):
            return self._fixed(plan, call)
        raise NotImplementedError(type(plan).__name__)  # the config refuses plans that are not followed yet

    async def _fixed(self, plan: Degrade, call: Call) -> Answer:
        call.trail.degraded = True
        call.trail.target, call.trail.provider, call.trail.model = "", "penstock", "degrade"
        return self._degrade(call, plan.text)

    async def _first(self, plan: First, call: Call) -> Answer:
        """Each in turn, before the first content only; the caller's own mistakes are not passed on."""
        last = len(plan.plans) - 1
        for index, part in enumerate(plan.plans):
            try:
                answer = await self._follow(part, call)
            except PenstockError as error:
                if index == last or not error.curable_elsewhere:
                    raise
            else:
                call.trail.fallback_used = call.trail.fallback_used or index > 0
                return answer
        raise Unavailable("The plan names no target.")
