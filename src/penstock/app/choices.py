"""``WeighedChoices``: what plans leave open, decided by how their targets do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import inf
from random import random
from typing import cast

from msgspec.structs import replace

from penstock.app.standings import Standings
from penstock.core.call import Call, Trail
from penstock.core.chain import Handler
from penstock.core.plan import Mirror, Plan, Ranking, Select, Split, Target, plan_targets
from penstock.core.policy import NO_RETRY
from penstock.dialects.openai import continuation
from penstock.edge.faces.model_face import new_call_id
from penstock.resilience import Shadows
from penstock.resilience.resume import Continuation
from penstock.routing import By, Candidate, choose, pick, pick_for


class WeighedChoices:
    """Implements ``resilience.dispatch.Choices``. ``secret`` keeps callers from choosing an arm by their name."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        standings: Standings,
        shadows: Shadows,
        secret: bytes,
        chance: Callable[[], float] = random,
    ) -> None:
        self._targets = targets
        self._standings = standings
        self._shadows = shadows
        self._secret = secret
        self._chance = chance
        # What copies pass through.
        self.copies: Handler | None = None

    def hedge_after_s(self, plan: Plan) -> float:
        """The p95 of the plan's first target to its first content, in seconds."""
        signal = self._standings[plan_targets(plan)[0]].signal
        quantiles = signal.health(time.monotonic()).figures.first_content
        return inf if quantiles is None else quantiles.p95_s

    def trial_after_s(self, target: str) -> float | None:
        """How long a call that would be a probe of it waits for it alone."""
        return self._standings[target].trial_after_s()

    def rank(self, plan: Select) -> Ranking:
        """In which order its equals are tried now."""
        now_s = time.monotonic()
        weights = plan.weights or (1.0,) * len(plan.plans)
        candidates = [
            self._candidate(use.target, weight, now_s) for use, weight in zip(plan.plans, weights, strict=True)
        ]
        return choose(cast("By", plan.by), candidates, self._chance())

    def arm(self, plan: Split, call: Call) -> int:
        """Which of its plans the call gets: the same one for the same user or tenant where that is asked for."""
        key = {"user": call.trail.user_hash, "tenant": call.identity.tenant}.get(plan.sticky or "", "")
        if not key:
            return pick(plan.weights, self._chance())
        return pick_for(key, [use.target for use in plan.plans], plan.weights, self._secret)

    def shadow(self, plan: Mirror, call: Call) -> None:
        """Send a copy on its way: a call with an id, a trail, money and an audit event of its own."""
        if self.copies is None or self._chance() >= plan.share:
            return
        trail = call.trail
        copy = replace(
            call,
            call_id=new_call_id(),
            plan=plan.copy,
            retry=NO_RETRY,
            trail=Trail(received_at_s=time.monotonic(), tier=trail.tier, user_hash=trail.user_hash, task=trail.task),
            tags={**call.tags, "shadow_of": call.call_id},
        )
        self._shadows.send(self.copies, copy)

    def continuation(self, target: str) -> Continuation | None:
        """How a stream of ``target`` that is cut goes on elsewhere, where the operator wants that."""
        return continuation if self._targets[target].resumable else None

    def _candidate(self, alias: str, weight: float, now_s: float) -> Candidate:
        target = self._targets[alias]
        return Candidate(
            alias,
            self._standings[alias].signal.health(now_s),
            # Chats read about as much as they write.
            None if target.price is None else (target.price.input + target.price.output) // 2,
            weight,
            target.quality,
        )
