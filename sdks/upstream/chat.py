"""OpenAI's chat completions: platform.openai.com/docs/api-reference/chat, openai 3.54 ``types/chat``, 2026-11-21."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from upstream.script import INPUT_TOKENS, OUTPUT_TOKENS, Asked, Said, pieces


def read(body: dict[str, Any]) -> Asked:
    """The facts of a request."""
    messages = body["messages"]
    last = messages[-1]
    spoken = [message for message in messages if message["role"] == "user"]
    form = body.get("response_format") or {}
    return Asked(
        model=body["model"],
        text=_text(spoken[-1]["content"]) if spoken else "",
        stream=bool(body.get("stream")),
        tools=[
            (tool["function"]["name"], tool["function"].get("parameters") or {"type": "object"})
            for tool in body.get("tools") or ()
            if body.get("tool_choice") != "none"
        ],
        tool_result=_text(last["content"]) if last["role"] == "tool" else None,
        schema=form["json_schema"]["schema"] if form.get("type") == "json_schema" else None,
        usage_wanted=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def whole(asked: Asked, said: Said) -> dict[str, Any]:
    """A `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None, "annotations": []}
    if said.tool:
        message["tool_calls"] = [_call(said, json.dumps(said.arguments))]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(said)}
    return {
        **_head(asked, "chat.completion"),
        "choices": [choice],
        "usage": USAGE,
        "service_tier": "default",
    }


def events(asked: Asked, said: Said) -> Iterator[bytes]:
    """Its chunks."""
    if said.tool:
        yield _chunk(asked, {"role": "assistant", "content": None, "tool_calls": [{"index": 0} | _call(said, "")]})
        for piece in pieces(json.dumps(said.arguments)):
            yield _chunk(asked, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    else:
        yield _chunk(asked, {"role": "assistant", "content": "", "refusal": None})
        for piece in pieces(said.text):
            yield _chunk(asked, {"content": piece})
    yield _chunk(asked, {}, _finish(said))
    if asked.usage_wanted:
        yield _data({**_head(asked, "chat.completion.chunk"), "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def _call(said: Said, arguments: str) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": said.tool, "arguments": arguments}}


def _finish(said: Said) -> str:
    return "tool_calls" if said.tool else "stop"


def _head(asked: Asked, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1763700000, "model": asked.model}


def _chunk(asked: Asked, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    chunk = {**_head(asked, "chat.completion.chunk"), "choices": [choice]}
    return _data(chunk | {"usage": None} if asked.usage_wanted else chunk)


def _data(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def error(status: int, message: str, param: str | None = None) -> dict[str, Any]:
    """An error's body: platform.openai.com/docs/guides/error-codes, 2026-11-21."""
    kind, code = {
        401: ("invalid_request_error", "invalid_api_key"),
        404: ("invalid_request_error", "model_not_found"),
        429: ("requests", "rate_limit_exceeded"),
    }.get(status, ("invalid_request_error", None) if status < 500 else ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
