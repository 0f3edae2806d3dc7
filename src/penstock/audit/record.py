"""The stage ``record``: exactly one audit event per call, however the call ends. Facts only, never text."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from penstock.audit.event import Completed
from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call, Usage
from penstock.core.chain import Handler
from penstock.core.errors import StoreFailed
from penstock.core.ports import Clock, Log

# Names that a caller chooses are facts only while they are short: a prompt sent as a model name stays out.
NAME_CHARS = 128
TAGS = 16

_STATUS = {"end": "ok", "error": "error", "cancel": "cancelled", "disconnect": "disconnected"}
_NO_USAGE = Usage()


class Record:
    """Appends ``llm_request_completed`` when a call is over.

    A log that fails then no longer fails the call, whose cost was written down before it: ``on_loss`` is told.
    ``clock`` is the monotonic clock of the trail's times, ``wall_clock`` gives Unix seconds.
    """

    name = "record"

    def __init__(
        self,
        log: Log,
        *,
        on_loss: Callable[[StoreFailed], None],
        wall_clock: Clock = time.time,
        clock: Clock = time.monotonic,
    ) -> None:
        self._log = log
        self._on_loss = on_loss
        self._wall_clock = wall_clock
        self._clock = clock

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Go on, to be told of the end."""
        call.trail.endings.append(self._ended)
        return proceed(call)

    def _ended(self, call: Call, outcome: Outcome) -> None:
        try:
            self._log.append(self._event(call, outcome))
        except StoreFailed as error:
            self._on_loss(error)

    def _event(self, call: Call, outcome: Outcome) -> Completed:
        trail = call.trail
        usage, status = trail.usage or trail.reported or _NO_USAGE, _STATUS[outcome.kind]
        received_at_s, first_content_at_s = trail.received_at_s, trail.first_content_at_s
        return Completed(
            time=self._wall_clock(),
            call_id=call.call_id,
            request_id=call.request_id,
            trace_id=call.trace_id,
            tenant_id=call.identity.tenant[:NAME_CHARS],
            tier=trail.tier,
            user_id_hash=trail.user_hash,
            endpoint=call.endpoint,
            task=(trail.task or call.task)[:NAME_CHARS],
            alias=call.model[:NAME_CHARS],
            target=trail.target,
            provider=trail.provider,
            model=trail.model,
            prompt_id=trail.prompt_id[:NAME_CHARS],
            prompt_version=trail.prompt_version[:NAME_CHARS],
            schema_version=trail.schema_version,
            stream=call.stream,
            cache_hit=trail.cache == "hit",
            retry_count=trail.retry_count if len(trail.attempts) > 1 else 0,
            fallback_used=trail.fallback_used,
            degraded=trail.degraded,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            usage_estimated=usage.estimated,
            estimated_cost_usd=None if trail.unpriced else trail.cost_nano_usd / 1e9,
            cost_nano_usd=trail.cost_nano_usd,
            latency_ms=_ms(self._clock() - received_at_s),
            first_content_ms=_ms(first_content_at_s - received_at_s) if first_content_at_s else None,
            policy_decision=trail.policy_decision,
            status=status,
            error_code=None if outcome.error is None else outcome.error.code,
            tool_names=[name[:NAME_CHARS] for name in trail.tool_names[:TAGS]] if trail.tool_names else [],
            dropped=[name[:NAME_CHARS] for name in trail.dropped[:TAGS]] if trail.dropped else [],
            tags=_short(call.tags) if call.tags else {},
            decision=trail.why,
            attempts=trail.attempts if status != "ok" or len(trail.attempts) > 1 else [],
        )


def _ms(seconds: float) -> float:
    """Milliseconds to the microsecond."""
    return int(seconds * 1e6) / 1000


def _short(tags: dict[str, str]) -> dict[str, str]:
    return {name[:NAME_CHARS]: value[:NAME_CHARS] for name, value in list(tags.items())[:TAGS]}
