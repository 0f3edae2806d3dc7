"""``POST /v1/chat/completions`` as OpenAPI: its implementation is a protocol class that FastAPI never sees."""

from __future__ import annotations

from typing import Any

from penstock.edge.native.asked_headers import MEANINGS, parameters

PATH = "/v1/chat/completions"
ERRORS = (400, 401, 403, 404, 408, 413, 415, 429, 431, 500, 502, 503, 504)

EXAMPLE = {"model": "chat", "messages": [{"role": "user", "content": "Say hello."}]}


def operation(errors: dict[str, Any]) -> dict[str, Any]:
    """The operation object; ``errors`` are its error responses by status."""
    return {
        "tags": ["OpenAI"],
        "operationId": "chat_completions",
        "summary": "Chat completions",
        "description": "OpenAI's endpoint, streaming and not: point any OpenAI client's `base_url` at `/v1`.",
        "parameters": parameters(*MEANINGS),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/CompletionRequest"},
                    "example": EXAMPLE,
                }
            },
        },
        "responses": {
            "200": {
                "description": "One completion, or with `stream` its chunks, the last of them `data: [DONE]`.",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Completion"}},
                    "text/event-stream": {},
                },
            },
            **errors,
        },
    }
