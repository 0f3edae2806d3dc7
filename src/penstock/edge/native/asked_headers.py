"""The request headers that the gateway reads, as OpenAPI parameters. What they mean is in ``edge/asks.py``."""

from __future__ import annotations

from typing import Any

_NAME = "[A-Za-z0-9._:/+@~-]{1,64}"
_TEXT = {"type": "string"}

MEANINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "x-request-id": ("Your id of this call; the answer carries it, and a new one where you give none.", _TEXT),
    "traceparent": ("W3C trace context: the call joins that trace.", _TEXT),
    "x-penstock-task": (
        "What the call is for, such as `extract`; its limits and times hold.",
        {"type": "string", "pattern": "^[A-Za-z0-9._:/+@~=-]{1,64}$", "examples": ["extract"]},
    ),
    "x-penstock-user": (
        "Your user, in place of the body's `user`; stored as a keyed hash.",
        {"type": "string", "pattern": "^[ -~]*$", "maxLength": 256, "examples": ["user_123"]},
    ),
    "x-penstock-cache": (
        "Whether the answer may come from the cache; `auto` takes it where `temperature` is 0.",
        {"type": "string", "enum": ["auto", "on", "off"], "default": "auto"},
    ),
    "x-penstock-tags": (
        "Cost tags, at most 8: `team=search,feature=rerank`.",
        {"type": "string", "pattern": f"^({_NAME}={_NAME}(,{_NAME}={_NAME}){{0,7}})?$", "examples": ["team=search"]},
    ),
    "x-penstock-explain": (
        "`1` answers with the routing decision and the time in each stage.",
        {"type": "string", "enum": ["0", "1"], "default": "0"},
    ),
}


def parameters(*names: str) -> list[dict[str, Any]]:
    """OpenAPI's parameter objects of these headers."""
    return [
        {"name": name, "in": "header", "required": False, "description": MEANINGS[name][0], "schema": MEANINGS[name][1]}
        for name in names
    ]
