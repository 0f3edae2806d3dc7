"""The stage ``limit``: requests per minute and calls in flight."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping, Sequence

from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import RateLimited, TooManyConcurrent
from penstock.core.policy import Tier
from penstock.core.ports import Counters, Hit, Verdict

_MINUTE_S = 60.0
# Calls end at no known time; a second is long enough to free a slot and short enough not to idle one.
_SLOT_RETRY_S = 1.0


class Limit:
    """Admits a call that every window and the tenant's calls in flight have room for; a refused call uses up nothing.

    ``in_flight`` counts calls per tenant. It belongs to the process, so that a new configuration goes on counting.
    """

    name = "limit"

    def __init__(
        self,
        tiers: Mapping[str, Tier],
        endpoint_requests_per_minute: Mapping[str, int],
        counters: Counters,
        in_flight: MutableMapping[str, int],
    ) -> None:
        self._tiers = tiers
        self._endpoints = endpoint_requests_per_minute
        self._counters = counters
        self._in_flight = in_flight

    async def __call__(self, call: Call, proceed: Handler) -> Answer:
        """Go on, holding a slot until the answer ends. Raises ``RateLimited`` and ``TooManyConcurrent``."""
        tier = self._tiers[call.trail.tier]
        self._take_slot(call, tier)
        call.trail.endings.append(self._free_slot)
        own = self._user_window(call, tier)
        if own is None:
            verdicts = [
                await self._counters.hit(_tenant_key(call.identity.tenant), tier.requests_per_minute, _MINUTE_S)
            ]
        else:
            verdicts = await self._counters.hit_all((tenant_window(call.identity.tenant, tier), own))
        _judge(call, verdicts)
        return await proceed(call)

    def _take_slot(self, call: Call, tier: Tier) -> None:
        tenant = call.identity.tenant
        held = self._in_flight.get(tenant, 0)
        if tier.concurrent_requests is not None and held >= tier.concurrent_requests:
            call.trail.policy_decision = "deny:concurrency"
            raise TooManyConcurrent(
                f"Tenant '{tenant}' already has {held} calls in flight, the most that tier '{tier.name}' may have: "
                "wait for one to end, or ask your operator for a higher limit.",
                retry_after_s=_SLOT_RETRY_S,
            )
        self._in_flight[tenant] = held + 1

    def _free_slot(self, call: Call, _outcome: Outcome) -> None:
        tenant = call.identity.tenant
        held = self._in_flight[tenant] - 1
        if held:
            self._in_flight[tenant] = held
        else:
            del self._in_flight[tenant]

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


def _judge(call: Call, verdicts: Sequence[Verdict]) -> None:
    """Leave the tightest window's state on the trail; the first is the tenant's. Raises ``RateLimited``."""
    tightest = verdicts[0] if len(verdicts) == 1 else min(verdicts, key=_room)
    state = call.trail.rate = tightest.state
    if tightest.admitted:
        return
    call.trail.policy_decision = "deny:rate_limit"
    whose = f"Tenant '{call.identity.tenant}'" if tightest is verdicts[0] else f"This user of {call.endpoint}"
    raise RateLimited(
        f"{whose} has made the {state.limit} requests allowed in a minute: retry in {math.ceil(tightest.retry_s)} s, "
        "or ask your operator for a higher limit.",
        retry_after_s=tightest.retry_s,
    )


def _room(verdict: Verdict) -> tuple[bool, int, float, float]:
    """Sorts the window that binds most tightly first."""
    return verdict.admitted, verdict.state.remaining, -verdict.retry_s, -verdict.state.reset_s


def tenant_window(tenant: str, tier: Tier) -> Hit:
    """The window in which all calls of a tenant count."""
    return Hit(_tenant_key(tenant), tier.requests_per_minute, _MINUTE_S)


def _tenant_key(tenant: str) -> str:
    return f"tenant {tenant}"
