"""``Generation``: an answer, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from penstock.core.answer import Answer
from penstock.core.call import Attempt, Call, Usage
from penstock.llm.site import Site
from penstock.tenancy.bill import used_and_cost


class Generation(Struct, frozen=True, kw_only=True):
    """One answer: a whole one, or what was read of a stream.

    ``model`` and ``provider`` are those that answered. ``cost_usd`` is that of all ``attempts``, for what has lost a
    race is billed too; ``None`` where the price of one of them was not given. ``degraded`` is set for the fixed text of
    ``degrade``. ``finish_reason`` is ``None`` where the provider gave none: a stream that broke off, or was closed before.
    ``body`` is the completion as the provider sent it, with the name of the LLM that answered as its model; a stream has
    none.
    """

    text: str
    model: str
    provider: str
    usage: Usage
    cost_usd: float | None
    attempts: tuple[Attempt, ...]
    fallback_used: bool
    degraded: bool
    finish_reason: str | None
    body: bytes

    @property
    def raw(self) -> dict[str, Any]:
        """``body``, decoded: tool calls, further choices, what a provider adds."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body or b"{}")
        return decoded


def generation_of(call: Call, answer: Answer, sites: Mapping[str, Site], text: str) -> Generation:
    """What has become of ``call``, whose answer is closed."""
    trail = call.trail
    usage, cost_nano_usd = used_and_cost(call, {name: site.target for name, site in sites.items()})
    priced = all(sites[attempt.target].target.price is not None for attempt in trail.attempts)
    return Generation(
        text=text,
        model=trail.model,
        provider=trail.provider,
        usage=usage or Usage(),
        cost_usd=cost_nano_usd / 1e9 if priced else None,
        attempts=tuple(trail.attempts),
        fallback_used=trail.fallback_used,
        degraded=trail.degraded,
        finish_reason=answer.finish_reason,
        body=answer.body or b"",
    )
