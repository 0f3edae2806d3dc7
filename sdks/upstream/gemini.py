"""Gemini's generateContent: ai.google.dev/api/generate-content, google-genai 2.19 ``types.py``, 2026-11-21."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from upstream.script import INPUT_TOKENS, OUTPUT_TOKENS, Asked, Said, pieces


def read(body: dict[str, Any], model: str, *, stream: bool) -> Asked:
    """The facts of a request."""
    last = body["contents"][-1]["parts"]
    results = [part["functionResponse"] for part in last if "functionResponse" in part]
    config = body.get("generationConfig") or {}
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    declared = [tool for group in body.get("tools") or () for tool in group.get("functionDeclarations") or ()]
    if calling.get("allowedFunctionNames"):
        declared = [tool for tool in declared if tool["name"] in calling["allowedFunctionNames"]]
    return Asked(
        model=model,
        text="".join(part.get("text", "") for part in last),
        stream=stream,
        tools=[
            (tool["name"], tool.get("parametersJsonSchema") or {"type": "object"})
            for tool in declared
            if calling.get("mode") != "NONE"
        ],
        tool_result=str(results[-1]["response"].get("output", "")) if results else None,
        schema=config.get("responseJsonSchema"),
    )


def whole(asked: Asked, said: Said) -> dict[str, Any]:
    """A `GenerateContentResponse`."""
    return _response(asked, [_part(said)], "STOP")


def events(asked: Asked, said: Said) -> Iterator[bytes]:
    """Its parts, as `alt=sse` sends them: calls come whole."""
    parts = [_part(said)] if said.tool else [{"text": piece} for piece in pieces(said.text)]
    for number, part in enumerate(parts, 1):
        response = _response(asked, [part], "STOP" if number == len(parts) else None)
        yield b"data: " + json.dumps(response).encode() + b"\r\n\r\n"


def _part(said: Said) -> dict[str, Any]:
    if said.tool:
        call = {"id": "call_1", "name": said.tool, "args": said.arguments}
        return {"functionCall": call, "thoughtSignature": "c2lnbmVk"}
    return {"text": said.text}


def _response(asked: Asked, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": INPUT_TOKENS,
            "candidatesTokenCount": OUTPUT_TOKENS,
            "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
        },
        "modelVersion": asked.model,
        "responseId": "gemini-1",
    }


def error(status: int, message: str) -> dict[str, Any]:
    """An error's body: ai.google.dev/gemini-api/docs/generate-content/api-errors, 2026-11-21."""
    name = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
    return {"error": {"code": status, "message": message, "status": name.get(status, "INTERNAL")}}
