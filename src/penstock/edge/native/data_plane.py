"""The data plane's paths as OpenAPI: their implementation is a protocol class that FastAPI never sees."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from penstock.edge.native.asked_headers import MEANINGS, parameters

PATH = "/v1/chat/completions"
ERRORS = (400, 401, 403, 404, 408, 413, 415, 429, 431, 500, 502, 503, 504)

_HELLO = [{"role": "user", "content": "Say hello."}]
EXAMPLE = {"model": "chat", "messages": _HELLO}


class _Path(Struct, frozen=True):
    """One more path: whose API it is, what it is there, and a request. Its bodies are described where they come from."""

    tag: str
    name: str
    description: str
    example: dict[str, Any]
    streams: bool = True


_OTHERS = {
    "/v1/responses": _Path(
        "OpenAI",
        "Responses",
        "OpenAI's endpoint, streaming and not. `previous_response_id` goes on from a kept answer of your tenant's.",
        {"model": "chat", "input": "Say hello."},
    ),
    "/v1/embeddings": _Path(
        "OpenAI",
        "Embeddings",
        "OpenAI's endpoint: texts or token ids become vectors, as floats or base64.",
        {"model": "embedder", "input": ["Hello."]},
        streams=False,
    ),
    "/v1/completions": _Path(
        "OpenAI",
        "Completions",
        "OpenAI's legacy endpoint, for models that still have it.",
        {"model": "chat", "prompt": "Say hello."},
    ),
    "/v1/messages": _Path(
        "Anthropic",
        "Messages",
        "Anthropic's endpoint, streaming and not: point its clients' `base_url` at the gateway. Errors have its shape.",
        {"model": "chat", "max_tokens": 100, "messages": _HELLO},
    ),
    "/v1/messages/count_tokens": _Path(
        "Anthropic",
        "Count tokens",
        "Anthropic's endpoint: the provider's count where it has one, else an estimate.",
        {"model": "chat", "messages": _HELLO},
        streams=False,
    ),
}
PATHS = frozenset({PATH, *_OTHERS})


def operations(errors: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operation objects by path; ``errors`` are their error responses by status."""
    return {PATH: _chat(errors), **{path: _other(path, told, errors) for path, told in _OTHERS.items()}}


def _other(path: str, told: _Path, errors: dict[str, Any]) -> dict[str, Any]:
    object_ = {"type": "object", "additionalProperties": True}
    content: dict[str, Any] = {"application/json": {"schema": object_}}
    if told.streams:
        content["text/event-stream"] = {}
    return {
        "tags": [told.tag],
        "operationId": path.removeprefix("/v1/").replace("/", "_"),
        "summary": told.name,
        "description": told.description,
        "parameters": parameters(*MEANINGS),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": object_, "example": told.example}},
        },
        "responses": {"200": {"description": "The answer, in that API's shape.", "content": content}, **errors},
    }


def _chat(errors: dict[str, Any]) -> dict[str, Any]:
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
