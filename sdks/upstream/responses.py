"""OpenAI's Responses: platform.openai.com/docs/api-reference/responses, openai 3.54 ``types/responses``, 2026-11-21."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from upstream.script import INPUT_TOKENS, OUTPUT_TOKENS, Asked, Said, pieces


def read(body: dict[str, Any]) -> Asked:
    """The facts of a request."""
    items = body["input"]
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    spoken = [item for item in items if item.get("role") == "user"]
    form = (body.get("text") or {}).get("format") or {}
    tools = [tool for tool in body.get("tools") or () if tool["type"] == "function"]
    return Asked(
        model=body["model"],
        text=_text(spoken[-1]["content"]) if spoken else "",
        stream=bool(body.get("stream")),
        tools=[(tool["name"], tool.get("parameters") or {"type": "object"}) for tool in tools],
        tool_result=_text(items[-1]["output"]) if items[-1].get("type") == "function_call_output" else None,
        schema=form["schema"] if form.get("type") == "json_schema" else None,
    )


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def whole(asked: Asked, said: Said) -> dict[str, Any]:
    """A completed `response`."""
    return _response(asked, "completed", [_item(said, "completed")])


def events(asked: Asked, said: Said) -> Iterator[bytes]:
    """Its events."""
    for number, event in enumerate(_events(asked, said)):
        data = json.dumps(event | {"sequence_number": number})
        yield f"event: {event['type']}\ndata: {data}\n\n".encode()


def _events(asked: Asked, said: Said) -> Iterator[dict[str, Any]]:
    begun = _response(asked, "in_progress", [])
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    item = _item(said, "completed")
    place = {"item_id": item["id"], "output_index": 0}
    if said.tool:
        arguments = item["arguments"]
        started = item | {"status": "in_progress", "arguments": ""}
        yield {"type": "response.output_item.added", "output_index": 0, "item": started}
        for piece in pieces(arguments):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        yield {
            "type": "response.function_call_arguments.done",
            **place,
            "name": said.tool,
            "arguments": arguments,
        }
    else:
        place |= {"content_index": 0}
        started = item | {"status": "in_progress", "content": []}
        yield {"type": "response.output_item.added", "output_index": 0, "item": started}
        yield {"type": "response.content_part.added", **place, "part": _part("")}
        for piece in pieces(said.text):
            yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": said.text, "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": _part(said.text)}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": whole(asked, said)}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(said: Said, status: str) -> dict[str, Any]:
    if said.tool:
        return {
            "id": "fc_1",
            "type": "function_call",
            "status": status,
            "call_id": "call_1",
            "name": said.tool,
            "arguments": json.dumps(said.arguments),
        }
    return {"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": [_part(said.text)]}


def _response(asked: Asked, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1763700000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if status == "completed" else None,
        "user": None,
        "metadata": {},
    }
