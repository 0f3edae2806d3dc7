"""``Told``: an answer that a gateway gives, and what it tells of it; and ``Way``: how to a gateway."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from penstock.client.question import Question
from penstock.core.answer import Answer
from penstock.core.call import Trail, Usage
from penstock.dialects.openai import read_completion
from penstock.llm.generation import Generation


class Told(Struct, kw_only=True):
    """``answer`` is whole and over, or a stream whose ``trail`` is complete at its end. ``priced`` once the cost is known."""

    answer: Answer
    trail: Trail
    request_id: str
    priced: bool = True

    def generation(self, body: bytes) -> Generation:
        """The answer with ``body``, which is a chat completion. Raises ``UpstreamMalformed`` for another."""
        completion, trail = read_completion(body), self.trail
        return Generation(
            text=completion.text,
            model=trail.model,
            provider=trail.provider,
            usage=trail.usage or completion.usage or Usage(),
            cost_usd=trail.cost_nano_usd / 1e9 if self.priced else None,
            attempts=tuple(trail.attempts),
            fallback_used=trail.fallback_used,
            degraded=trail.degraded,
            finish_reason=completion.finish_reason,
            body=body,
            request_id=self.request_id,
            cache=trail.cache,
            decision=trail.why,
        )


class Way(Protocol):
    """How questions reach a gateway."""

    async def ask(self, question: Question) -> Told:
        """Return at the first content of a stream, else with the whole answer.

        Whoever asked ends the stream. Raises ``PenstockError``.
        """
