"""The stage ``route``: gives the call its plan, and the trail its decision."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec.structs import replace

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import ModelNotAllowed, ModelNotFound, ModelUnpriced, StoreFailed
from penstock.core.plan import Decision
from penstock.core.policy import Policy
from penstock.routing.decide import Choice, decide


class Route:
    """Decides once per (model, task, tier): policy is frozen, so the choice is too."""

    name = "route"

    # Names that exist are few; a flood of unknown ones raises before it is remembered.
    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._choices: dict[tuple[str, str, str], Choice] = {}

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Go on with a plan. Raises what ``decide`` raises, and what was wrong with the request."""
        trail = call.trail
        if call.invalid is not None:
            if not isinstance(call.invalid, StoreFailed):  # then nothing was wrong with the request
                trail.policy_decision = "deny:invalid"
            raise call.invalid
        # The task is the caller's free text where a model is named: it must not grow the table.
        key = (call.model, "" if call.model else call.task, trail.tier)
        choice = self._choices.get(key)
        if choice is None:
            choice = self._choices[key] = self._decide(call)
        trail.decision = choice.decision
        if choice.decision.degraded:
            trail.degraded = True
            trail.policy_decision = "degrade:tier"
        route = choice.route
        if route is None:
            trail.task = call.task if call.task in self._policy.routes else "chat"
            return proceed(replace(call, plan=choice.plan))
        trail.task = route.name
        limits = call.limits if route.times is None else route.times.over(call.limits)
        return proceed(replace(call, plan=choice.plan, limits=limits, retry=route.retry))

    def _decide(self, call: Call) -> Choice:
        try:
            return decide(
                model=call.model, task=call.task, tier=self._policy.tiers[call.trail.tier], policy=self._policy
            )
        except (ModelNotAllowed, ModelUnpriced) as refusal:
            rule, reason = ("tier", "model") if isinstance(refusal, ModelNotAllowed) else ("price", "unpriced")
            call.trail.policy_decision = f"deny:{reason}"
            call.trail.decision = Decision(call.model or call.task, rule, ())
            raise
        except ModelNotFound:
            call.trail.policy_decision = "deny:unknown_model"
            raise
