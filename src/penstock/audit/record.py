"""The stage ``record``: exactly one audit event per call, however the call ends. Facts only, never text."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections.abc import Callable
from functools import partial

from penstock.audit.event import Completed
from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call, Usage
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError, StoreFailed
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

    async def __call__(self, call: Call, proceed: Handler) -> Answer:
        """Go on; an error passes through, recorded."""
        try:
            answer = await proceed(call)
        except CancelledError:
            self._append(call, "cancelled", None, None)
            raise
        except Exception as error:
            code = error.code if isinstance(error, PenstockError) else PenstockError.code
            self._append(call, "error", code, None)
            raise
        answer.on_close(partial(self._close, call, answer))
        return answer

    def _close(self, call: Call, answer: Answer, outcome: Outcome) -> None:
        error_code = None if outcome.error is None else outcome.error.code
        self._append(call, _STATUS[outcome.kind], error_code, answer.usage)

    def _append(self, call: Call, status: str, error_code: str | None, usage: Usage | None) -> None:
        try:
            self._log.append(self._event(call, status, error_code, call.trail.usage or usage or _NO_USAGE))
        except StoreFailed as error:
            self._on_loss(error)

    def _event(self, call: Call, status: str, error_code: str | None, usage: Usage) -> Completed:
        trail = call.trail
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
            usage_estimated=usage.estimated,
            estimated_cost_usd=trail.cost_nano_usd / 1e9,
            cost_nano_usd=trail.cost_nano_usd,
            latency_ms=_ms(self._clock() - received_at_s),
            first_content_ms=_ms(first_content_at_s - received_at_s) if first_content_at_s else None,
            policy_decision=trail.policy_decision,
            status=status,
            error_code=error_code,
            tool_names=[name[:NAME_CHARS] for name in trail.tool_names[:TAGS]] if trail.tool_names else [],
            tags=_short(call.tags) if call.tags else {},
            decision=trail.decision,
            attempts=trail.attempts if status != "ok" or len(trail.attempts) > 1 else [],
        )


def _ms(seconds: float) -> float:
    """Milliseconds to the microsecond."""
    return int(seconds * 1e6) / 1000


def _short(tags: dict[str, str]) -> dict[str, str]:
    return {name[:NAME_CHARS]: value[:NAME_CHARS] for name, value in list(tags.items())[:TAGS]}
