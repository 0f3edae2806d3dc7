"""Anthropic's Messages: platform.claude.com/docs/en/api/messages, anthropic 2.12 ``types``, 2026-11-21."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from upstream.script import INPUT_TOKENS, OUTPUT_TOKENS, Asked, Said, pieces


def read(body: dict[str, Any]) -> Asked:
    """The facts of a request."""
    last = _blocks(body["messages"][-1]["content"])
    results = [block for block in last if block["type"] == "tool_result"]
    form = (body.get("output_config") or {}).get("format") or {}
    choice = body.get("tool_choice") or {}
    tools = [(tool["name"], tool["input_schema"]) for tool in body.get("tools") or () if "input_schema" in tool]
    if choice.get("type") == "tool":
        tools = [tool for tool in tools if tool[0] == choice["name"]]
    return Asked(
        model=body["model"],
        text="".join(block.get("text", "") for block in last),
        stream=bool(body.get("stream")),
        tools=[] if choice.get("type") == "none" else tools,
        tool_result=_text(results[-1].get("content", "")) if results else None,
        schema=form["schema"] if form.get("type") == "json_schema" else None,
    )


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> str:
    return "".join(block.get("text", "") for block in _blocks(content))


def whole(asked: Asked, said: Said) -> dict[str, Any]:
    """A `message`."""
    return _message(asked, OUTPUT_TOKENS) | {"content": [_block(said)], "stop_reason": _stop(said)}


def events(asked: Asked, said: Said) -> Iterator[bytes]:
    """Its events."""
    yield _event("message_start", message=_message(asked, 1))
    block = _block(said) | ({"input": {}} if said.tool else {"text": ""})
    yield _event("content_block_start", index=0, content_block=block)
    yield _event("ping")
    for piece in pieces(json.dumps(said.arguments) if said.tool else said.text):
        delta = {"type": "input_json_delta", "partial_json": piece}
        if not said.tool:
            delta = {"type": "text_delta", "text": piece}
        yield _event("content_block_delta", index=0, delta=delta)
    yield _event("content_block_stop", index=0)
    told = {"stop_reason": _stop(said), "stop_sequence": None}
    usage = _message(asked, OUTPUT_TOKENS)["usage"]
    del usage["service_tier"]
    yield _event("message_delta", delta=told, usage=usage)
    yield _event("message_stop")


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode()


def _stop(said: Said) -> str:
    return "tool_use" if said.tool else "end_turn"


def _block(said: Said) -> dict[str, Any]:
    if said.tool:
        return {"type": "tool_use", "id": "toolu_1", "name": said.tool, "input": said.arguments}
    return {"type": "text", "text": said.text}


def _message(asked: Asked, output_tokens: int) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": INPUT_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        },
    }


def error(status: int, message: str) -> dict[str, Any]:
    """An error's body: platform.claude.com/docs/en/api/errors, 2026-11-21."""
    kind = {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
