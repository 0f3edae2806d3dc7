"""An answer as bytes: kept when it is complete and good, and given again as it was."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, msgpack

from penstock.core.answer import Answer, Event, Outcome
from penstock.core.call import Dialect, Trail, Usage

_COMPLETE = frozenset({"stop", "tool_calls"})


class Kept(Struct, frozen=True, array_like=True):
    """What a repeated answer consists of: ``body``, or ``events`` when it was streamed; and who gave it."""

    dialect: Dialect
    target: str
    provider: str
    model: str
    usage: Usage | None
    finish_reason: str | None
    body: bytes | None = None
    events: tuple[Event, ...] = ()


_encoder = msgpack.Encoder()
_decoder = msgpack.Decoder(Kept)


def replay(value: bytes, trail: Trail) -> Answer:
    """The answer again; ``trail`` names the model that gave it, and the tokens it took then."""
    kept = _decoder.decode(value)
    trail.cache = "hit"
    trail.target, trail.provider, trail.model, trail.usage = kept.target, kept.provider, kept.model, kept.usage
    answer = Answer(kept.dialect, body=kept.body, usage=kept.usage)
    answer.finish_reason = kept.finish_reason
    if kept.body is None:
        answer.feed(kept.events)
        answer.end()
    return answer


def keep(answer: Answer, trail: Trail, max_bytes: int, put: Callable[[bytes], object]) -> None:
    """Hand the bytes of ``answer`` to ``put`` once it is complete, unless it is degraded or longer than ``max_bytes``.

    A fallback's answer is not kept either: it would go on standing in for the primary after that has recovered.
    """
    if answer.body is None:
        stream = _Stream(answer, trail, max_bytes, put)
        answer.on_event(stream.take)
        answer.on_close(stream.close)
    elif answer.finish_reason in _COMPLETE and _representative(trail) and len(answer.body) <= max_bytes:
        put(_encoder.encode(_kept(answer, trail, ())))


class _Stream:
    """A stream's events, collected on their way."""

    __slots__ = ("_answer", "_events", "_good", "_put", "_room_bytes", "_trail")

    def __init__(self, answer: Answer, trail: Trail, max_bytes: int, put: Callable[[bytes], object]) -> None:
        self._answer = answer
        self._trail = trail
        self._put = put
        self._room_bytes = max_bytes
        self._events: list[Event] = []
        self._good = True

    def take(self, event: Event) -> None:
        if not self._good:
            return
        self._room_bytes -= len(event.raw)
        reason = event.finish_reason
        if self._room_bytes < 0 or (reason is not None and reason not in _COMPLETE):
            self._good = False
            self._events.clear()
        else:
            self._events.append(event)

    def close(self, outcome: Outcome) -> None:
        finished = self._answer.finish_reason is not None
        if self._good and finished and outcome.kind == "end" and _representative(self._trail):
            self._put(_encoder.encode(_kept(self._answer, self._trail, tuple(self._events))))


def _representative(trail: Trail) -> bool:
    return not (trail.degraded or trail.fallback_used)


def _kept(answer: Answer, trail: Trail, events: tuple[Event, ...]) -> Kept:
    return Kept(
        answer.dialect,
        trail.target,
        trail.provider,
        trail.model,
        answer.usage,
        answer.finish_reason,
        answer.body,
        events,
    )
