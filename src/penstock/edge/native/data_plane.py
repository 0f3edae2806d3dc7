"""``POST /v1/chat/completions`` as OpenAPI: its implementation is a protocol class that FastAPI never sees."""

from __future__ import annotations

from typing import Any

PATH = "/v1/chat/completions"
ERRORS = (400, 401, 403, 404, 408, 413, 415, 429, 431, 500, 502, 503, 504)

NULL = {"type": "null"}
TEXT = {"type": "string"}
NAME = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
TYPED = {"type": "object", "required": ["type"], "properties": {"type": TEXT}}
FUNCTION = {"type": "object", "required": ["name"], "properties": {"name": NAME}}


def typed(kind: str, part: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An object of one ``type`` with the part that this type asks for."""
    return {"type": "object", "required": ["type", part], "properties": {"type": {"const": kind}, part: schema}}


MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"type": "string", "enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": {
            "description": "Text, or parts: `text` and `image_url` (an address or a `data:` URL).",
            "anyOf": [TEXT, {"type": "array", "items": TYPED}, NULL],
        },
        "tool_calls": {"type": "array", "items": {"type": "object"}},
        "tool_call_id": TEXT,
    },
}

# OpenAI's clients may send null for what they leave open.
OPTIONAL: dict[str, Any] = {
    "stream": {"type": "boolean", "default": False},
    "stream_options": {"type": "object", "properties": {"include_usage": {"type": ["boolean", "null"]}}},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "max_completion_tokens": COUNT,
    "max_tokens": COUNT | {"deprecated": True},
    "n": COUNT | {"maximum": 128},
    "stop": {"anyOf": [TEXT, {"type": "array", "items": TEXT, "maxItems": 4}]},
    "seed": {"type": "integer"},
    "logprobs": {"type": "boolean"},
    "tools": {"type": "array", "items": typed("function", "function", FUNCTION)},
    "tool_choice": {
        "anyOf": [
            {"type": "string", "enum": ["none", "auto", "required"]},
            typed("function", "function", FUNCTION),
        ]
    },
    "parallel_tool_calls": {"type": "boolean"},
    "response_format": {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"type": "string", "enum": ["text", "json_object", "json_schema"]},
            "json_schema": {"anyOf": [FUNCTION, NULL]},
        },
    },
    "user": TEXT,
}

REQUEST: dict[str, Any] = {
    "type": "object",
    "description": "OpenAI's request. Fields that are not listed here reach the provider unchanged.",
    "required": ["model", "messages"],
    "properties": {
        "model": NAME | {"description": "A model alias or a route."},
        "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
        **{name: {"anyOf": [schema, NULL]} for name, schema in OPTIONAL.items()},
    },
    "additionalProperties": True,
}

COMPLETION: dict[str, Any] = {
    "type": "object",
    "required": ["id", "object", "created", "model", "choices"],
    "properties": {
        "id": TEXT,
        "object": {"const": "chat.completion"},
        "created": {"type": "integer"},
        "model": {"type": "string", "description": "The alias or route that was asked for."},
        "choices": {"type": "array", "items": {"type": "object"}},
        "usage": {"type": "object"},
    },
}

SCHEMAS = {"Message": MESSAGE, "CompletionRequest": REQUEST, "Completion": COMPLETION}

EXAMPLE = {"model": "chat", "messages": [{"role": "user", "content": "Say hello."}]}


def operation(errors: dict[str, Any]) -> dict[str, Any]:
    """The operation object; ``errors`` are its error responses by status."""
    return {
        "tags": ["OpenAI"],
        "operationId": "chat_completions",
        "summary": "Chat completions",
        "description": "OpenAI's endpoint, streaming and not: point any OpenAI client's `base_url` at `/v1`.",
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
