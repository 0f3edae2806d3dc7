"""The stage ``fit``: input and output tokens within the least of all limits."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from msgspec.structs import replace

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.errors import InputTooLong
from penstock.core.policy import Route, Tier


class Fit:
    """Lowers ``max_output_tokens`` to what route and tier allow. A target's own maximum is its adapter's to apply."""

    name = "fit"

    def __init__(self, tiers: Mapping[str, Tier], routes: Mapping[str, Route]) -> None:
        self._tiers = tiers
        self._limits = {
            name: route
            for name, route in routes.items()
            if route.max_input_tokens is not None or route.max_output_tokens is not None
        }

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Go on with a call that fits. Raises ``InputTooLong``."""
        tier = self._tiers[call.trail.tier]
        most_input, most_output = tier.max_input_tokens, least(call.max_output_tokens, tier.max_output_tokens)
        # A model that is named beside a task may itself be a route: both bind.
        for name in (call.model, call.task) if self._limits else ():
            route = self._limits.get(name)
            if route is not None:
                most_input = least(most_input, route.max_input_tokens)
                most_output = least(most_output, route.max_output_tokens)
        if most_input is not None and call.input_tokens > most_input:
            call.trail.policy_decision = "deny:input_tokens"
            raise InputTooLong(
                f"The input is about {call.input_tokens} tokens long, and tier '{tier.name}' may send {most_input} "
                "here: shorten the messages, or ask your operator for a higher limit.",
                param="messages",
            )
        if most_output != call.max_output_tokens:
            call = replace(call, max_output_tokens=most_output)
        return proceed(call)


def least(one: int | None, other: int | None) -> int | None:
    """The smaller of two limits, where ``None`` is no limit."""
    if one is None:
        return other
    return one if other is None or one < other else other
