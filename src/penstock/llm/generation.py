"""``Generation``: an answer, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from penstock.core.answer import Answer
from penstock.core.call import Attempt, Call, Usage
from penstock.core.plan import Decision
from penstock.llm.site import Site
from penstock.tenancy.bill import used_and_cost


class Generation(Struct, frozen=True, kw_only=True):
    """One answer, of an LLM or a gateway: a whole one, or what was read of a stream.

    ``model`` and ``provider`` are those that answered. ``cost_usd`` is that of all ``attempts``, for what has lost a
    race is billed too; ``None`` where the price of one of them was not given. ``degraded`` is set for a smaller model or
    a fixed text in place of what was asked for. ``finish_reason`` is ``None`` where the provider gave none: a stream that
    broke off, or was closed before. ``body`` is the completion as the provider sent it, with the name that was asked for
    as its model; a stream of an LLM has none, one of a gateway is put together.

    A gateway says more: ``cache`` is ``hit`` or ``miss`` where its cache was asked, ``decision`` is why this model,
    and by ``request_id`` its log and audit events know the call.
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
    request_id: str
    cache: Literal["", "hit", "miss"] = ""
    decision: Decision | None = None

    @property
    def raw(self) -> dict[str, Any]:
        """``body``, decoded: further choices, what a provider adds; empty where there is no body."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body or b"{}")
        return decoded

    @property
    def message(self) -> dict[str, Any]:
        """The model's message, as it stands in the messages of the next question."""
        if not self.body:
            return {"role": "assistant", "content": self.text}
        said: dict[str, Any] = self.raw["choices"][0]["message"]
        return said

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The tools that the model wants called, as chat completions say it; none, most often."""
        return self.message.get("tool_calls") or []


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
        request_id=call.request_id,
    )
