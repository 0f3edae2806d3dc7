"""The stage ``spend``: money is held before a call, its intent recorded, and its real cost settled however it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from msgspec.structs import replace

from penstock.core.answer import Answer
from penstock.core.call import CHATS, Call
from penstock.core.chain import Handler
from penstock.core.errors import BudgetExceeded
from penstock.core.plan import Decision, Degrade, First, Mirror, Plan, Race, Target, Use, plan_parts, plan_targets
from penstock.core.policy import NO_RETRY, Tier
from penstock.core.ports import Reservation
from penstock.tenancy.bill import Bill
from penstock.tenancy.cost import most
from penstock.tenancy.fit import least
from penstock.tenancy.ledger import Ledger

# Held for an answer that nothing bounds; what it costs beyond that is settled all the same.
DEFAULT_OUTPUT_TOKENS = 1024


class Spend:
    """Holds the most that a call could cost, failed attempts included; over budget refuses or degrades, as the tier says.

    Near its limit a tenant first loses the second attempts at a target, which are seldom made, and not the call.
    """

    name = "spend"

    def __init__(self, tiers: Mapping[str, Tier], targets: Mapping[str, Target], ledger: Ledger) -> None:
        self._tiers = tiers
        self._targets = targets
        self._ledger = ledger

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Go on with money held. Raises ``BudgetExceeded``, and ``StoreFailed`` before anything is dispatched."""
        held = self._hold(call)
        return self._proceed(call, held, proceed) if held is not None else self._afford(call, proceed)

    def _proceed(self, call: Call, held: Reservation, proceed: Handler) -> Awaitable[Answer]:
        call.trail.endings.append(Bill(call, held, self._targets, self._ledger).settle)
        sequence = self._ledger.intend(call, held)
        return self._when_written(sequence, call, proceed) if self._ledger.strict else proceed(call)

    async def _when_written(self, sequence: int, call: Call, proceed: Handler) -> Answer:
        await self._ledger.written(sequence)
        return await proceed(call)

    def _hold(self, call: Call) -> Reservation | None:
        """The most that the call may cost, of money that is at hand; ``None`` when that does not suffice."""
        tenant = call.identity.tenant
        limit = self._tiers[call.trail.tier].daily_budget_nano_usd
        if limit is None or call.plan is None:
            return self._ledger.nothing(tenant)
        return self._ledger.hold(tenant, self._estimate(call), limit)

    async def _afford(self, call: Call, proceed: Handler) -> Answer:
        return await self._proceed(*await self._affordable(call), proceed)

    async def _affordable(self, call: Call) -> tuple[Call, Reservation]:
        """The call that the tenant can pay, with what is held for it, where money has to be looked for."""
        tier, tenant = self._tiers[call.trail.tier], call.identity.tenant
        limit = tier.daily_budget_nano_usd or 0
        held = await self._ledger.borrow(tenant, self._estimate(call), limit)
        if held is not None:
            return call, held
        call = replace(call, retry=NO_RETRY)
        estimate = self._estimate(call)
        held = await self._ledger.borrow(tenant, estimate, limit)
        if held is not None:
            return call, held
        if tier.when_over_budget == "refuse" or call.dialect not in CHATS:
            call.trail.policy_decision = "deny:budget"
            raise self._refusal(tenant, estimate, limit)
        call.trail.policy_decision = "degrade:budget"
        call.trail.degraded = True
        if tier.degrade_to is not None and tier.affords(self._targets[tier.degrade_to]):
            cheaper = replace(call, plan=Use(tier.degrade_to))
            held = await self._ledger.borrow(tenant, self._estimate(cheaper), limit)
            if held is not None:
                return _degraded(cheaper, First((Use(tier.degrade_to), Degrade(tier.degrade_text)))), held
        return _degraded(call, Degrade(tier.degrade_text)), self._ledger.nothing(tenant)

    def _estimate(self, call: Call) -> int:
        """The most that the plan can cost: one answer by its dearest target, and the input of every attempt before it.

        Whether the provider's cache is read or written is not known yet: input is taken at its dearest. Of an answer
        input is billed once, output for every choice; an attempt that came to nothing may be billed too (see
        ``bill.py``). Both answers of a race may come. A mirrored copy holds money of its own; a count of tokens is free.
        """
        if call.plan is None or call.dialect == "count_tokens":
            return 0
        return sum(self._most(call.plan, call))

    def _most(self, plan: Plan, call: Call) -> tuple[int, int]:
        """The inputs of all attempts, and the answers."""
        if isinstance(plan, Use):
            target = self._targets[plan.target]
            longest = least(call.max_output_tokens, target.max_output_tokens)
            output_tokens = (DEFAULT_OUTPUT_TOKENS if longest is None else longest) * call.choices
            read, written = most(target.price, call.input_tokens, output_tokens)
            return read * call.retry.max_attempts, written
        if isinstance(plan, Mirror):
            return self._most(plan.main, call)
        parts = [self._most(part, call) for part in plan_parts(plan)]
        outputs = [output for _, output in parts]
        answers = sum(outputs) if isinstance(plan, Race) else max(outputs, default=0)
        return sum(inputs for inputs, _ in parts), answers

    def _refusal(self, tenant: str, estimate: int, limit: int) -> BudgetExceeded:
        left = self._ledger.left(tenant, limit)
        return BudgetExceeded(
            f"This call may cost {_usd(estimate)}, and tenant '{tenant}' has {_usd(left)} left of today's "
            f"{_usd(limit)}: ask for fewer tokens or a cheaper model, wait for 00:00 UTC, or ask your operator.",
            retry_after_s=self._ledger.until_reset_s(),
        )


def _degraded(call: Call, plan: Plan) -> Call:
    """The call with another plan, and the decision saying so."""
    decision = call.trail.decision
    if decision is None:
        decision = Decision(call.model or call.task, "budget", ())
    call.trail.decision = replace(decision, rule="budget", targets=plan_targets(plan), degraded=True)
    return replace(call, plan=plan)


def _usd(nano_usd: int) -> str:
    return f"{nano_usd / 1e9:.6f}".rstrip("0").rstrip(".") + " USD"
