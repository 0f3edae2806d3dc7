"""The OpenAI-compatible adapter over a response that a test plays by hand, and the events to play."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.plan import Target
from penstock.providers import ROWS, OpenAICompatible
from support.calls import ListSink, make_call
from support.upstreams import ScriptedResponse, ScriptedTransport

TARGET = Target("alias", "acme-llm", "m-1", max_output_tokens=100)
DONE = b"data: [DONE]\n\n"


def event(delta: dict[str, Any] | None, finish_reason: str | None = None, **fields: Any) -> bytes:
    """One chunk of one choice; of none where ``delta`` is ``None``."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return b"data: " + msgspec.json.encode({"id": "c", "model": "m-1", "choices": choices} | fields) + b"\n\n"


ROLE = event({"role": "assistant", "content": ""})
HELLO = event({"content": "Hello"})
STOP = event({}, "stop")
USAGE = event(None, usage={"prompt_tokens": 5, "completion_tokens": 2})


def adapter(response: ScriptedResponse, **changes: Any) -> tuple[OpenAICompatible, ScriptedTransport]:
    """The adapter of an account at a compatible service, and what it sends."""
    transport = ScriptedTransport([response])
    values: dict[str, Any] = {"base_url": "https://llm.example.com/v1/", "api_key": "sk-secret"} | changes
    return OpenAICompatible("acme-llm", ROWS["openai_compatible"], transport=transport, **values), transport


async def ask(response: ScriptedResponse, call: Call) -> Answer:
    """The adapter's answer to ``call`` out of ``response``."""
    provider, _ = adapter(response)
    return await provider.bind(TARGET)(call)


def streaming(**changes: Any) -> Call:
    """A call that asks for a stream; ``changes`` are fields of ``Call``."""
    body = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    return make_call(body, stream=True, **changes)


async def started(response: ScriptedResponse, call: Call, *reads: bytes) -> asyncio.Task[Answer]:
    """An attempt whose upstream has sent ``reads``."""
    task = asyncio.ensure_future(ask(response, call))
    await response.attached.wait()
    response.push(*reads)
    return task


async def played(response: ScriptedResponse, call: Call, *reads: bytes) -> tuple[Answer, ListSink]:
    """The answer to a stream that has sent ``reads``, delivered to a sink."""
    answer = await (await started(response, call, *reads))
    sink = ListSink()
    answer.attach(sink)
    return answer, sink
