"""The stage ``limit``: requests per minute and calls in flight."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import RateLimited, TooManyConcurrent
from penstock.core.policy import Tier
from penstock.core.ports import Admissions, Hit, Verdict

_MINUTE_S = 60.0
# Calls end at no known time; a second is long enough to free a slot and short enough not to idle one.
_SLOT_RETRY_S = 1.0


class Limit:
    """Admits a call that every window and the tenant's calls in flight have room for; a refused call uses up nothing."""

    name = "limit"

    def __init__(
        self, tiers: Mapping[str, Tier], endpoint_requests_per_minute: Mapping[str, int], admissions: Admissions
    ) -> None:
        self._tiers = tiers
        self._endpoints = endpoint_requests_per_minute
        self._admissions = admissions
        # One for each tenant of the config.
        self._tenants: dict[str, tuple[Hit]] = {}

    async def __call__(self, call: Call, proceed: Handler) -> Answer:
        """Go on, holding a slot until the answer ends. Raises ``RateLimited`` and ``TooManyConcurrent``."""
        tier = self._tiers[call.trail.tier]
        hits = self._windows(call, tier)
        admission = await self._admissions.admit(call.identity.tenant, tier.concurrent_requests, hits)
        if not admission.verdicts:
            raise _no_slot(call, tier, admission.in_flight)
        verdicts = admission.verdicts
        tightest = verdicts[0] if len(verdicts) == 1 else min(verdicts, key=_room)
        call.trail.rate = tightest.state
        if not admission.admitted:
            raise _no_room(call, tightest, of_tenant=tightest is verdicts[0])
        call.trail.endings.append(self._leave)
        return await proceed(call)

    def _leave(self, call: Call, _outcome: Outcome) -> None:
        self._admissions.leave(call.identity.tenant)

    def _windows(self, call: Call, tier: Tier) -> Sequence[Hit]:
        """The tenant's window first."""
        tenant = call.identity.tenant
        whole = self._tenants.get(tenant)
        if whole is None:
            whole = self._tenants[tenant] = (tenant_window(tenant, tier),)
        own = self._user_window(call, tier)
        return whole if own is None else (*whole, own)

    def _user_window(self, call: Call, tier: Tier) -> Hit | None:
        """The window of a user and endpoint, where that has a limit of its own.

        Without one the user's limit would be the tenant's, whose window says it already. Calls that name no user
        share one window of the endpoint, to which only the endpoint's limit applies.
        """
        user = call.trail.user_hash
        limit = tier.user_requests_per_minute if user else None
        if limit is None:
            limit = self._endpoints.get(call.endpoint)
        if limit is None:
            return None
        return Hit(f"user {call.identity.tenant} {user} {call.endpoint}", limit, _MINUTE_S)


def _no_slot(call: Call, tier: Tier, held: int) -> TooManyConcurrent:
    call.trail.policy_decision = "deny:concurrency"
    return TooManyConcurrent(
        f"Tenant '{call.identity.tenant}' already has {held} calls in flight, the most that tier '{tier.name}' may have: "
        "wait for one to end, or ask your operator for a higher limit.",
        retry_after_s=_SLOT_RETRY_S,
    )


def _no_room(call: Call, verdict: Verdict, *, of_tenant: bool) -> RateLimited:
    call.trail.policy_decision = "deny:rate_limit"
    whose = f"Tenant '{call.identity.tenant}'" if of_tenant else f"This user of {call.endpoint}"
    return RateLimited(
        f"{whose} has made the {verdict.state.limit} requests allowed in a minute: retry in "
        f"{math.ceil(verdict.retry_s)} s, or ask your operator for a higher limit.",
        retry_after_s=verdict.retry_s,
    )


def _room(verdict: Verdict) -> tuple[bool, int, float, float]:
    """Sorts the window that binds most tightly first."""
    return verdict.admitted, verdict.state.remaining, -verdict.retry_s, -verdict.state.reset_s


def tenant_window(tenant: str, tier: Tier) -> Hit:
    """The window in which all calls of a tenant count."""
    return Hit(f"tenant {tenant}", tier.requests_per_minute, _MINUTE_S)
