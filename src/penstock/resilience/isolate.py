"""The stage ``isolate``: of one task so many calls of one tenant at once."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import BulkheadFull, TooManyConcurrent
from penstock.core.policy import BulkheadPolicy
from penstock.core.ports import Clock
from penstock.resilience.bulkhead import Bulkhead


class Isolate:
    """Keeps a tenant's tasks apart: where one of them hangs or floods, the tenant's others go on.

    ``policies`` are those of tasks by name; a task without one has no bound of its own.
    """

    name = "isolate"

    def __init__(self, policies: Mapping[str, BulkheadPolicy], clock: Clock) -> None:
        self._policies = policies
        self._clock = clock
        # By tenant and task. Made for the first call and dropped with the last, so no more than there are calls.
        self._bulkheads: dict[tuple[str, str], Bulkhead] = {}

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Go on in a slot, held until the call has ended. Raises ``TooManyConcurrent``."""
        task = call.trail.task
        policy = self._policies.get(task)
        if policy is None:
            return proceed(call)
        key = (call.identity.tenant, task)
        bulkhead = self._bulkheads.get(key)
        if bulkhead is None:
            bulkhead = self._bulkheads[key] = Bulkhead(task, policy)
        if not bulkhead.enter():
            return self._wait(bulkhead, call, proceed)
        call.trail.endings.append(self._leave)
        return proceed(call)

    def __len__(self) -> int:
        return len(self._bulkheads)

    async def _wait(self, bulkhead: Bulkhead, call: Call, proceed: Handler) -> Answer:
        try:
            await bulkhead.wait(call.deadline_s - self._clock())
        except BulkheadFull as full:
            raise self._too_many(call, full) from None
        finally:
            self._drop_idle(call)  # it may have been cancelled with the last slot in its hands
        call.trail.endings.append(self._leave)
        return await proceed(call)

    def _leave(self, call: Call, _outcome: Outcome) -> None:
        self._bulkheads[call.identity.tenant, call.trail.task].leave()
        self._drop_idle(call)

    def _drop_idle(self, call: Call) -> None:
        key = (call.identity.tenant, call.trail.task)
        bulkhead = self._bulkheads.get(key)
        if bulkhead is not None and not bulkhead.taken:
            del self._bulkheads[key]

    def _too_many(self, call: Call, full: BulkheadFull) -> TooManyConcurrent:
        call.trail.policy_decision = "deny:concurrency"
        tenant, task = call.identity.tenant, call.trail.task
        return TooManyConcurrent(
            f"Tenant '{tenant}' already has {self._policies[task].most} calls of '{task}' in flight, the most that it "
            "may have: wait for one to end, or ask your operator for a higher limit.",
            retry_after_s=full.retry_after_s,
        )
