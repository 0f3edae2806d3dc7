"""JSON Schemas as rows of name, type and meaning, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

# How far down objects within objects are told.
MOST_LEVELS = 4


class Row(Struct, frozen=True):
    """One field; ``meaning`` and ``kind`` may hold code between backticks."""

    name: str
    kind: str
    meaning: str


class Fields:
    """Reads the schemas of one OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]

    def of_parameter(self, parameter: dict[str, Any]) -> Row:
        """A header or a parameter of path or query."""
        schema = parameter["schema"]
        meaning = parameter.get("description") or schema.get("description", "")
        return Row(parameter["name"], self._kind(schema, required=parameter.get("required", False)), meaning)

    def of_body(self, schema: dict[str, Any], *, asked: bool) -> list[Row]:
        """Every field of a JSON body, those within others as ``outer.inner`` and ``list[].inner``.

        Of a body that is ``asked`` for, each row says whether the field is required.
        """
        return list(self._rows(schema, "", required=asked))

    def _rows(self, schema: dict[str, Any], path: str, *, required: bool) -> Iterator[Row]:
        for shape, steps in self._objects(schema, ""):
            for name, field in shape.get("properties", {}).items():
                inner = f"{path}{steps}{'.' if path else ''}{name}"
                kind = self._kind(field, required=required and name in shape.get("required", ()))
                yield Row(inner, kind, field.get("description", ""))
                if inner.count(".") < MOST_LEVELS:
                    yield from self._rows(field, inner, required=required)

    def _objects(self, schema: dict[str, Any], steps: str) -> Iterator[tuple[dict[str, Any], str]]:
        """The objects that a value may be or hold, and how to get to them."""
        for option in self._options(schema):
            if "items" in option:
                yield from self._objects(option["items"], f"{steps}[]")
            elif "properties" in option:
                yield option, steps

    def _options(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """What a value may be, but for null: a client that gives null gives nothing."""
        if "$ref" in schema:
            return self._options(self._schemas[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema and "properties" not in schema:
            return [known for option in schema["anyOf"] for known in self._options(option)]
        return [] if schema.get("type") == "null" else [schema]

    def _kind(self, schema: dict[str, Any], *, required: bool) -> str:
        parts = [" or ".join(dict.fromkeys(self._word(option) for option in self._options(schema)))]
        if required:
            parts.append("required")
        if schema.get("default") not in (None, "", {}):
            parts.append(f"default `{json.dumps(schema['default']).strip(chr(34))}`")
        return ", ".join(part for part in parts if part)

    def _word(self, schema: dict[str, Any]) -> str:
        if "enum" in schema or "const" in schema:
            return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
        if "items" in schema:
            return f"array of {' or '.join(dict.fromkeys(map(self._word, self._options(schema['items']))))}"
        kind = schema.get("format") or schema.get("type", "")
        word = kind if isinstance(kind, str) else next(each for each in kind if each != "null")
        return f"{word} {_bounds(schema)}".rstrip()


def _bounds(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None or most is None:
        return "" if least is None else f"of at least {least:.15g}"
    return f"from {least:.15g} to {most:.15g}"
