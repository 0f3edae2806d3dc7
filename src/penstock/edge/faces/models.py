"""``visible_models``: what ``GET /v1/models`` lists for one key."""

from __future__ import annotations

from typing import Any

from penstock.core.call import Identity
from penstock.core.plan import Degrade, Mirror, Plan, Use, plan_parts
from penstock.core.policy import Policy


def visible_models(policy: Policy, identity: Identity) -> list[dict[str, Any]]:
    """Aliases and routes that this tenant's tier may call, as OpenAI's model objects, by name.

    A route is listed when any target of its plan may be called. An unknown tenant sees nothing.
    """
    tier = policy.tiers.get(policy.tenants.get(identity.tenant, ""))
    if tier is None:
        return []
    usable = tier.usable(policy.targets)
    owners = {alias: target.provider for alias, target in policy.targets.items() if alias in usable}
    for name, route in policy.routes.items():
        if _callable(route.plan, usable):
            owners.setdefault(name, "penstock")
    return [{"id": name, "object": "model", "created": 0, "owned_by": owners[name]} for name in sorted(owners)]


def _callable(plan: Plan, allowed: frozenset[str]) -> bool:
    if isinstance(plan, Use):
        return plan.target in allowed
    if isinstance(plan, Degrade):
        return False
    if isinstance(plan, Mirror):
        return _callable(plan.main, allowed)
    return any(_callable(each, allowed) for each in plan_parts(plan))
