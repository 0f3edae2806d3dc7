"""The simulated provider's answers in OpenAI's bytes: one body, or the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from penstock.dialects.openai.errors import DONE
from penstock.providers.simulated.answer import Reply, Tool

_LOGPROB = -0.01


class Envelope(Struct, frozen=True):
    """What every object of one answer repeats, and what was asked of its shape."""

    id: str
    created: int
    model: str
    fingerprint: str
    choices: int
    logprobs: bool
    top_logprobs: int
    stream_usage: bool
    gives_usage: bool


def whole_body(reply: Reply, envelope: Envelope) -> bytes:
    """The body of an answer that is not streamed."""
    text = "".join(reply.pieces)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if reply.tool is not None:
        message["content"] = None
        message["tool_calls"] = [_tool_call(reply.tool, envelope, text)]
    choices = [
        {
            "index": index,
            "message": message,
            "logprobs": _logprobs(reply, envelope, reply.pieces),
            "finish_reason": reply.finish_reason,
        }
        for index in range(envelope.choices)
    ]
    body = _head(envelope, "chat.completion") | {"choices": choices}
    if envelope.gives_usage:
        body["usage"] = _usage(reply, envelope)
    return msgspec.json.encode(body)


def stream_events(reply: Reply, envelope: Envelope) -> Iterator[bytes]:
    """The events of a streamed answer: one with the role, one a token, one with the finish reason, usage, ``[DONE]``."""
    head = _head(envelope, "chat.completion.chunk")
    with_usage = envelope.stream_usage and envelope.gives_usage

    def event(delta: dict[str, Any], logprobs: Any = None, finish_reason: str | None = None) -> bytes:
        parts = []
        for index in range(envelope.choices):
            choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
            chunk = head | {"choices": [choice]}
            if with_usage:
                chunk["usage"] = None
            parts.append(b"data: " + msgspec.json.encode(chunk) + b"\n\n")
        return b"".join(parts)

    if reply.tool is None:
        yield event({"role": "assistant", "content": "", "refusal": None})
        for piece in reply.pieces:
            yield event({"content": piece}, _logprobs(reply, envelope, (piece,)))
    else:
        first = {"index": 0} | _tool_call(reply.tool, envelope, "")
        yield event({"role": "assistant", "content": None, "tool_calls": [first]})
        field = "arguments" if reply.tool.kind == "function" else "input"
        for piece in reply.pieces:
            yield event({"tool_calls": [{"index": 0, reply.tool.kind: {field: piece}}]})
    yield event({}, finish_reason=reply.finish_reason)
    if with_usage:
        usage = head | {"choices": [], "usage": _usage(reply, envelope)}
        yield b"data: " + msgspec.json.encode(usage) + b"\n\n"
    yield DONE


def _head(envelope: Envelope, kind: str) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "object": kind,
        "created": envelope.created,
        "model": envelope.model,
        "service_tier": "default",
        "system_fingerprint": envelope.fingerprint,
    }


def _tool_call(tool: Tool, envelope: Envelope, arguments: str) -> dict[str, Any]:
    field = "arguments" if tool.kind == "function" else "input"
    call_id = "call_" + envelope.id.removeprefix("chatcmpl-")
    return {"id": call_id, "type": tool.kind, tool.kind: {"name": tool.name, field: arguments}}


def _logprobs(reply: Reply, envelope: Envelope, pieces: tuple[str, ...]) -> dict[str, Any] | None:
    if not envelope.logprobs or reply.tool is not None:
        return None
    tokens = []
    for piece in pieces:
        token = {"token": piece, "logprob": _LOGPROB, "bytes": list(piece.encode())}
        # Fewer alternatives than asked for are allowed, and the simulation knows no second best.
        tokens.append(token | {"top_logprobs": [token] if envelope.top_logprobs else []})
    return {"content": tokens, "refusal": None}


def _usage(reply: Reply, envelope: Envelope) -> dict[str, Any]:
    output_tokens = len(reply.pieces) * envelope.choices
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": reply.input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
