"""OpenAI's chat completions as OpenAPI schemas, as far as the gateway reads them (``dialects/openai/request.py``)."""

from __future__ import annotations

from typing import Any

NULL = {"type": "null"}
TEXT = {"type": "string"}
NAME = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
YES_OR_NO = {"type": "boolean"}
PENALTY = {"type": "number", "minimum": -2, "maximum": 2}
TEXTS_BY_NAME = {"type": "object", "additionalProperties": TEXT}


def said(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """The schema with its meaning."""
    return {**schema, "description": description}


def of_function(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """An object of the type ``function``, and what it says of it."""
    fields = {"type": said({"const": "function"}, "The kind of tool."), "function": said(schema, description)}
    return {"type": "object", "required": ["type", "function"], "properties": fields}


PART = {"type": "object", "required": ["type"], "properties": {"type": said(TEXT, "The kind of the part.")}}

MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": said({"type": "string", "enum": ["system", "developer", "user", "assistant", "tool"]}, "Who says it."),
        "content": {
            "description": "Text, or parts: `text` and `image_url` (an address or a `data:` URL).",
            "anyOf": [TEXT, {"type": "array", "items": PART}, NULL],
        },
        "tool_calls": said(
            {"type": "array", "items": {"type": "object"}}, "Of an assistant: the calls that it made, as they came."
        ),
        "tool_call_id": said(TEXT, "Of a tool: the call that this is the result of."),
    },
}

FUNCTION: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": said(NAME, "The function's name."),
        "description": said(TEXT, "What it does, for the model."),
        "parameters": said({"type": "object"}, "Its arguments, as a JSON Schema."),
    },
}

CHOSEN = {"type": "object", "required": ["name"], "properties": {"name": said(NAME, "The function's name.")}}

JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": said(NAME, "Its name."), "schema": said({"type": "object"}, "The JSON Schema itself.")},
}

# OpenAI's clients may send null for what they leave open.
OPTIONAL: dict[str, dict[str, Any]] = {
    "stream": said(YES_OR_NO | {"default": False}, "Send the answer in pieces, as server-sent events."),
    "stream_options": said(
        {
            "type": "object",
            "properties": {
                "include_usage": {
                    "type": ["boolean", "null"],
                    "description": "End the stream with a chunk that counts the tokens.",
                }
            },
        },
        "How to stream.",
    ),
    "temperature": said(
        {"type": "number", "minimum": 0, "maximum": 2}, "How freely to choose words; with 0 the cache may answer."
    ),
    "top_p": said({"type": "number", "minimum": 0, "maximum": 1}, "Choose among the likeliest words of this share."),
    "frequency_penalty": said(PENALTY, "Above 0, words that came often come less."),
    "presence_penalty": said(PENALTY, "Above 0, words that came at all come less."),
    "max_completion_tokens": said(
        COUNT, "Longest answer. The least of this and the task's, tier's and model's limit holds."
    ),
    "max_tokens": said(COUNT | {"deprecated": True}, "Older name of `max_completion_tokens`."),
    "n": said(COUNT | {"maximum": 128}, "How many answers to give."),
    "stop": {
        "anyOf": [TEXT, {"type": "array", "items": TEXT, "maxItems": 4}],
        "description": "One text or up to four at which the answer ends.",
    },
    "seed": said({"type": "integer"}, "Asks the provider for the same answer each time."),
    "logprobs": said(YES_OR_NO, "Return the probability of each token."),
    "top_logprobs": said(
        {"type": "integer", "minimum": 0, "maximum": 20}, "With `logprobs`: how many likely tokens to return."
    ),
    "tools": said(
        {"type": "array", "items": of_function(FUNCTION, "The function.")}, "Functions that the model may call."
    ),
    "tool_choice": {
        "anyOf": [
            {"type": "string", "enum": ["none", "auto", "required"]},
            of_function(CHOSEN, "The one that must be called."),
        ],
        "description": "Whether the model may or must call a tool, or the one that it must call.",
    },
    "parallel_tool_calls": said(YES_OR_NO, "Whether one answer may call several tools."),
    "response_format": said(
        {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": said({"type": "string", "enum": ["text", "json_object", "json_schema"]}, "Which form."),
                "json_schema": {"anyOf": [JSON_SCHEMA, NULL], "description": "With `json_schema`: which one."},
            },
        },
        "The form of the answer.",
    ),
    "user": said(TEXT, "Your user, for limits and audit; stored as a keyed hash."),
    "safety_identifier": said(TEXT, "OpenAI's newer name of `user`; it holds where both are given."),
    "metadata": said(TEXTS_BY_NAME, "Reaches the provider unchanged."),
    "prompt_id": said(NAME, "Penstock: a registered prompt, whose messages come before yours."),
    "prompt_version": said(NAME, "Penstock: the version of that prompt, such as `v1`."),
    "prompt_variables": said(TEXTS_BY_NAME, "Penstock: values of that prompt's variables."),
}

REQUEST: dict[str, Any] = {
    "type": "object",
    "description": "OpenAI's request. Fields that are not listed here reach the provider unchanged.",
    "required": ["model", "messages"],
    "properties": {
        "model": said(NAME, "A model alias or a route; `GET /v1/models` lists them."),
        "messages": said(
            {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}}, "The conversation."
        ),
        **{name: {"anyOf": [schema, NULL], "description": schema["description"]} for name, schema in OPTIONAL.items()},
    },
    "additionalProperties": True,
}

COMPLETION: dict[str, Any] = {
    "type": "object",
    "required": ["id", "object", "created", "model", "choices"],
    "properties": {
        "id": said(TEXT, "The provider's id of the answer."),
        "object": said({"const": "chat.completion"}, "In the chunks of a stream `chat.completion.chunk`."),
        "created": said({"type": "integer"}, "Unix seconds."),
        "model": said(TEXT, "The alias or route that was asked for."),
        "choices": said(
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "index": said({"type": "integer"}, "From 0 to `n` - 1."),
                        "message": said({"type": "object"}, "The answer; in the chunks of a stream a `delta` of it."),
                        "finish_reason": {
                            "type": ["string", "null"],
                            "description": "`stop`, `length`, `tool_calls` or `content_filter`.",
                        },
                    },
                },
            },
            "One for each of `n`.",
        ),
        "usage": {
            "type": ["object", "null"],
            "description": "Tokens that were used.",
            "properties": {
                "prompt_tokens": said({"type": "integer"}, "Tokens of the question."),
                "completion_tokens": said({"type": "integer"}, "Tokens of the answer."),
                "total_tokens": said({"type": "integer"}, "Their sum."),
            },
        },
    },
}

SCHEMAS = {"Message": MESSAGE, "CompletionRequest": REQUEST, "Completion": COMPLETION}
