"""The pipeline's end: a plan becomes a handler, and that answers the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import Unavailable
from penstock.core.plan import Degrade, First, Mirror, Plan, Race, Ranking, Select, Split, Use
from penstock.resilience.first import Trial, first
from penstock.resilience.fixed import fixed
from penstock.resilience.mirror import mirror
from penstock.resilience.race import race
from penstock.resilience.resume import Continuation, resume
from penstock.resilience.select import select, split


class Choices(Protocol):
    """What plans leave to be decided when a call comes."""

    def hedge_after_s(self, plan: Plan) -> float:
        """The p95 of the plan's first target: what a hedge waits for it. Infinite while nobody knows."""

    def trial_after_s(self, target: str) -> float | None:
        """How long a call that would be a probe of ``target`` waits for it alone; ``None`` for any other call."""

    def rank(self, plan: Select) -> Ranking:
        """In which order its equals are tried now."""

    def arm(self, plan: Split, call: Call) -> int:
        """Which of its plans the call gets."""

    def shadow(self, plan: Mirror, call: Call) -> None:
        """Send a copy of the call on its own way, or leave it out."""

    def continuation(self, target: str) -> Continuation | None:
        """How a stream of ``target`` that is cut goes on elsewhere; ``None`` where that must not be."""


class Dispatch:
    """Follows plans: data that routing has made, handlers here. ``degrade`` makes a fixed answer in the call's dialect.

    Each plan is compiled once; there are as many as config and its tiers can make.
    """

    name = "dispatch"

    def __init__(
        self,
        targets: Mapping[str, Handler],
        degrade: Callable[[Call, str], Answer],
        choices: Choices,
    ) -> None:
        self._targets = targets
        self._degrade = degrade
        self._choices = choices
        self._handlers: dict[Plan, Handler] = {}
        self._followed: Mapping[type[Plan], Callable[[Any], Handler]] = {
            Use: self._use,
            First: self._first,
            Race: self._race,
            Select: self._select,
            Split: self._split,
            Mirror: self._mirror,
            Degrade: self._fixed,
        }

    def __call__(self, call: Call) -> Awaitable[Answer]:
        """Answer as ``call.plan`` says. Raises the last target's error."""
        plan = call.plan
        if plan is None:
            raise Unavailable("No plan for this call.")
        if isinstance(plan, Use):
            return self._targets[plan.target](call)
        handler = self._handlers.get(plan)
        if handler is None:
            handler = self._handlers[plan] = self.follow(plan)
        return handler(call)

    def follow(self, plan: Plan) -> Handler:
        """The handler that answers as ``plan`` says."""
        return self._followed[type(plan)](plan)

    def _use(self, plan: Use) -> Handler:
        return self._targets[plan.target]

    def _first(self, plan: First) -> Handler:
        handlers = [self.follow(part) for part in plan.plans]
        trials: list[Trial | None] = [None] * len(handlers)
        for index, part in enumerate(plan.plans):
            # A fixed text is no rest of another's answer, and nothing to compare with a probe.
            others = [
                handler
                for handler, other in zip(handlers[index + 1 :], plan.plans[index + 1 :], strict=True)
                if not isinstance(other, Degrade)
            ]
            if not isinstance(part, Use) or not others:
                continue
            trials[index] = self._trial(part)
            if (how := self._choices.continuation(part.target)) is not None:
                handlers[index] = resume(handlers[index], first(others), how)
        asking = next((at for at, part in enumerate(plan.plans) if isinstance(part, Degrade)), len(handlers))
        return first(handlers, trials, asking=asking)

    def _trial(self, use: Use) -> Trial:
        return partial(self._choices.trial_after_s, use.target)

    def _race(self, plan: Race) -> Handler:
        soft_s, main = plan.after_s, plan.main

        def after_s() -> float:
            return min(soft_s, self._choices.hedge_after_s(main)) if plan.hedge else soft_s

        return race(self.follow(main), self.follow(plan.fallback), after_s=after_s, limit_s=plan.limit_s)

    def _select(self, plan: Select) -> Handler:
        targets = {part.target: self._targets[part.target] for part in plan.plans}
        trials = {part.target: self._trial(part) for part in plan.plans}
        return select(targets, lambda: self._choices.rank(plan), trials)

    def _split(self, plan: Split) -> Handler:
        return split([self.follow(part) for part in plan.plans], lambda call: self._choices.arm(plan, call))

    def _mirror(self, plan: Mirror) -> Handler:
        return mirror(self.follow(plan.main), lambda call: self._choices.shadow(plan, call))

    def _fixed(self, plan: Degrade) -> Handler:
        return fixed(plan.text, self._degrade)
