"""What the played models say: the same thing in every dialect, so that answers can be compared across them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

GREETING = "Hello, Ada. How are you today?"
INPUT_TOKENS, OUTPUT_TOKENS = 11, 7
_PIECE_CHARACTERS = 6


@dataclass(kw_only=True)
class Asked:
    """A request, in no dialect's words. ``text`` is what the user said last."""

    model: str
    text: str
    stream: bool = False
    tools: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tool_result: str | None = None
    schema: dict[str, Any] | None = None
    usage_wanted: bool = True


@dataclass
class Said:
    """An answer: text, or a call of one tool."""

    text: str = ""
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


def say(asked: Asked) -> Said:
    """Call the first tool that is offered and not answered yet, else JSON where a schema is given, else greet."""
    if asked.tool_result is not None:
        return Said(f"The tool said: {asked.tool_result}")
    if asked.tools:
        name, schema = asked.tools[0]
        return Said(tool=name, arguments=example(schema, schema))
    if asked.schema is not None:
        return Said(json.dumps(example(asked.schema, asked.schema)))
    return Said(GREETING)


def pieces(text: str) -> list[str]:
    """``text`` as a stream brings it."""
    return [text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)]


def example(schema: Any, root: dict[str, Any]) -> Any:
    """The simplest value that fits a JSON Schema, of the keywords that SDKs write; what is no schema fits anything."""
    schema = schema if isinstance(schema, dict) else {"type": "string"}
    if "$ref" in schema:
        found: Any = root
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return example(found, root)
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    for keyword in ("anyOf", "oneOf", "allOf"):
        if schema.get(keyword):
            return example(schema[keyword][0], root)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema.get("items", {"type": "string"}), root)]
    return {"string": "Ada", "integer": 36, "number": 1.5, "boolean": True, "null": None}[kind]
