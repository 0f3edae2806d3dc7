"""The routing decision: a pure function of what was asked, the tier and the policy."""

from __future__ import annotations

from msgspec import Struct

from penstock.core.errors import ModelNotAllowed, ModelNotFound, ModelUnpriced
from penstock.core.plan import Decision, Exclusion, Plan, Use, narrow, plan_targets
from penstock.core.policy import Policy, Route, Tier


class Choice(Struct, frozen=True):
    """A plan with its reasons; ``route`` is ``None`` when a model alias was asked for by name."""

    plan: Plan
    decision: Decision
    route: Route | None


def decide(*, model: str, task: str, tier: Tier, policy: Policy) -> Choice:
    """Choose the plan for ``model`` (an alias or a route), or for ``task`` when no model is named.

    Targets that the tier may not use are left out, and so are those whose price nobody knows where it has a budget.
    Raises ``ModelNotFound`` for a name nobody knows, and ``ModelNotAllowed`` or ``ModelUnpriced`` when nothing is left
    and the tier does not degrade.
    """
    asked, rule, plan, route = _look_up(model, task, tier, policy)
    usable = tier.usable(policy.targets)
    kept = narrow(plan, usable)
    targets = plan_targets(kept) if kept is not None else ()
    excluded = tuple(_exclusion(target, tier) for target in plan_targets(plan) if target not in targets)
    # A fixed text alone is an answer only where no target was asked for.
    if kept is not None and (targets or not excluded):
        return Choice(kept, Decision(asked, rule, targets, excluded), route)
    if tier.when_not_allowed == "degrade" and tier.degrade_to in usable:
        decision = Decision(asked, "tier_degrade", (tier.degrade_to,), excluded, degraded=True)
        return Choice(Use(tier.degrade_to), decision, route)
    param = "model" if model else "task"
    unpriced = [each.target for each in excluded if each.rule == "price"]
    if unpriced:
        raise ModelUnpriced(
            f"Nobody knows what '{unpriced[0]}' costs, and tier '{tier.name}' has a budget. {_callable_text(tier, policy)} "
            "Or ask your operator to give it a price (`cost_per_1k_tokens_usd`, 0 if it is free), or the tier "
            "`when_unpriced: allow`.",
            param=param,
        )
    raise ModelNotAllowed(f"Tier '{tier.name}' may not use '{asked}'. {_callable_text(tier, policy)}", param=param)


def _exclusion(target: str, tier: Tier) -> Exclusion:
    if target not in tier.allowed_models:
        return Exclusion(target, "tier", f"tier '{tier.name}' may not use it")
    return Exclusion(target, "price", f"nobody knows its price, and tier '{tier.name}' has a budget")


def callable_names(tier: Tier, policy: Policy) -> tuple[str, ...]:
    """Aliases and routes that this tier may call, sorted."""
    usable = tier.usable(policy.targets)
    routes = [name for name, route in policy.routes.items() if not usable.isdisjoint(plan_targets(route.plan))]
    return tuple(sorted({*usable, *routes}))


def _look_up(model: str, task: str, tier: Tier, policy: Policy) -> tuple[str, str, Plan, Route | None]:
    name = model or task
    route = policy.routes.get(name)
    if route is not None:
        return name, "route" if model else "task", route.plan, route
    if model and model in policy.targets:
        return model, "alias", Use(model), None
    if model:
        raise ModelNotFound(
            f"There is no model or route '{model[:100]}'. {_callable_text(tier, policy)}", param="model"
        )
    tasks = ", ".join(sorted(policy.routes)) or "none"
    raise ModelNotFound(
        f"There is no route for task '{task[:100]}'. Tasks: {tasks}. A model's own name goes into `model`.",
        param="task",
    )


def _callable_text(tier: Tier, policy: Policy) -> str:
    names = callable_names(tier, policy)
    return f"This key may call: {', '.join(names)}." if names else "This key may call no model: ask your operator."
