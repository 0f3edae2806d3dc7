"""Calls and answers for tests: everything has a plain default, and a test names only what it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.core.answer import Answer, Event, Outcome
from penstock.core.call import Call, Identity, Trail, Usage
from penstock.core.chain import Handler, Stage, chain
from penstock.core.policy import TimeLimits

LIMITS = TimeLimits(total_s=10.0, first_content_s=4.0, idle_gap_s=4.0)
BODY = {"model": "fast", "messages": [{"role": "user", "content": "Hello"}]}


def make_call(body: Mapping[str, Any] | None = None, *, tenant: str = "acme", **changes: Any) -> Call:
    """A chat call of ``tenant``; ``body`` becomes its raw fields, ``changes`` are fields of ``Call``."""
    values: dict[str, Any] = {
        "call_id": "call-1",
        "request_id": "call-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "endpoint": "/v1/chat/completions",
        "dialect": "openai",
        "identity": Identity(tenant, "app"),
        "model": "fast",
        "task": "chat",
        "fields": make_fields(BODY if body is None else body),
        "limits": LIMITS,
        "trail": Trail(received_at_s=0.0, tier="pro"),
        "user": "ada",
        "input_tokens": 10,
    }
    return Call(**(values | changes))


def make_fields(body: Mapping[str, Any]) -> dict[str, msgspec.Raw]:
    """A body decoded one level deep, as the edges do it."""
    return msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])


async def ask(stage: Stage, call: Call, proceed: Handler) -> Answer:
    """Send ``call`` through one stage, which is told of the end as in the pipeline."""
    return await chain((stage,), proceed)(call)


def complete_answer(
    body: bytes = b'{"ok":true}', *, usage: Usage | None = None, finish_reason: str | None = "stop"
) -> Answer:
    """A non-streaming answer, not yet closed."""
    answer = Answer("openai", body=body, usage=usage)
    answer.finish_reason = finish_reason
    return answer


def delta(text: str) -> Event:
    """One chunk of text as the OpenAI dialect frames it."""
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    return Event(b"data: " + msgspec.json.encode(chunk) + b"\n\n", "openai", "delta")


def finished(reason: str = "stop") -> Event:
    """The chunk that carries the finish reason."""
    chunk = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    return Event(b"data: " + msgspec.json.encode(chunk) + b"\n\n", "openai", "finished", finish_reason=reason)


def usage_event(input_tokens: int, output_tokens: int) -> Event:
    """Usage that is for the gateway alone."""
    return Event(b"", "openai", "usage", usage=Usage(input_tokens, output_tokens))


class ListSink:
    """A sink that keeps what it gets; ``done`` is set at the end."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.outcome: Outcome | None = None
        self.done = asyncio.Event()

    def feed(self, events: Any) -> None:
        """Keep the events."""
        self.events.extend(events)

    def end(self, outcome: Outcome) -> None:
        """Keep the outcome."""
        self.outcome = outcome
        self.done.set()

    @property
    def raw(self) -> bytes:
        """All bytes that a client would have got."""
        return b"".join(event.raw for event in self.events)
