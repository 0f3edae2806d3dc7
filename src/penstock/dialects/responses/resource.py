"""The ``response`` object: what was asked, said again with its defaults, and what came of it.

Required fields and defaults are those of the Open Responses specification (github.com/openresponses/openresponses,
``schema/responses.tsp``, 2026-04-24) and of openai 3.54 (``types/responses/response.py``); both 2026-11-21.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from penstock.core.call import Call, Usage
from penstock.core.conversation import Finish
from penstock.dialects.responses.output import INCOMPLETE

_encode = msgspec.json.encode
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_read_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_NULL = Raw(b"null")

# What a caller who says nothing is told.
_PLAIN: dict[str, object] = {
    "background": False,
    "frequency_penalty": 0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_DEFAULTS = {name: Raw(_encode(value)) for name, value in _PLAIN.items()}
_REASONING = {"effort": _NULL, "summary": _NULL}
_TEXT = {"format": Raw(b'{"type":"text"}'), "verbosity": Raw(b'"medium"')}
_FUNCTION = {"description": _NULL, "parameters": _NULL, "strict": _NULL}
_SCHEMA = {"description": _NULL, "strict": Raw(b"false")}


def answer_key(call: Call) -> str:
    """What the ids of an answer to ``call`` have in common."""
    return call.call_id.rpartition("_")[2]


def begun(call: Call, created_s: int) -> dict[str, Any]:
    """The object of an answer to ``call`` that has just begun, at Unix time ``created_s``."""
    fields = call.fields
    echoed = {name: _given(fields, name) or default for name, default in _DEFAULTS.items()}
    if bytes(echoed["service_tier"]) == b'"auto"':
        echoed["service_tier"] = _DEFAULTS["service_tier"]
    text = _TEXT | _object(fields, "text")
    text_format = _read_fields(text["format"])
    if bytes(text_format.get("type", _NULL)) == b'"json_schema"':
        text["format"] = Raw(_encode(_SCHEMA | text_format))
    return {
        "id": f"resp_{answer_key(call)}",
        "object": "response",
        "created_at": created_s,
        "completed_at": None,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": call.model,
        "output": [],
        **echoed,
        "reasoning": _REASONING | _object(fields, "reasoning"),
        "text": text,
        "tools": _tools(fields),
        "usage": None,
    }


def finished(
    response: dict[str, Any], output: list[dict[str, Any]], finish: Finish, usage: Usage, now_s: int
) -> dict[str, Any]:
    """``response`` as it ends."""
    reason = INCOMPLETE.get(finish)
    return response | {
        "completed_at": None if reason else now_s,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
    }


def _given(fields: dict[str, Raw], name: str) -> Raw | None:
    raw = fields.get(name)
    return None if raw is None or bytes(raw) == b"null" else raw


def _object(fields: dict[str, Raw], name: str) -> dict[str, Raw]:
    raw = _given(fields, name)
    if raw is None:
        return {}
    return {key: value for key, value in _read_fields(raw).items() if bytes(value) != b"null"}


def _tools(fields: dict[str, Raw]) -> list[dict[str, Raw]]:
    raw = _given(fields, "tools")
    tools = [] if raw is None else _read_objects(raw)
    return [_FUNCTION | tool if bytes(tool["type"]) == b'"function"' else tool for tool in tools]
