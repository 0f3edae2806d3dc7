"""An answer without a model: a fixed text in the shape that was asked for. The last resort of a plan."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from penstock.core.answer import END, Answer, Event, EventKind
from penstock.core.call import Call, Usage


def template_answer(call: Call, text: str) -> Answer:
    """``text`` as one choice that stopped, whole or as a stream, at no cost."""
    if not call.stream:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        body = _head(call, "chat.completion") | {"choices": [choice], "usage": _NO_USAGE}
        answer = Answer("openai", body=msgspec.json.encode(body), usage=Usage())
        answer.finish_reason = "stop"
        return answer
    head = _head(call, "chat.completion.chunk")
    answer = Answer("openai", usage=Usage())
    answer.feed(
        [
            _event(head, "started", {"role": "assistant", "content": ""}),
            _event(head, "delta", {"content": text}),
            _event(head, "finished", {}, "stop"),
        ]
    )
    if call.include_usage:
        raw = _framed(head | {"choices": [], "usage": _NO_USAGE})
        answer.feed([Event(raw, "openai", "usage", Usage())])
    answer.end(END)
    return answer


_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def _head(call: Call, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{call.call_id}",
        "object": kind,
        "created": int(time.time()),
        "model": call.model or call.task,
    }


def _event(head: dict[str, Any], kind: EventKind, delta: dict[str, str], finish_reason: str | None = None) -> Event:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return Event(_framed(head | {"choices": [choice]}), "openai", kind, None, finish_reason)


def _framed(chunk: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
