"""A minimal valid instance of a JSON Schema, with the user's own numbers and quoted words where they fit.

Covers what tools and structured outputs use of draft 2020-12 (https://json-schema.org/draft/2020-12): types, const,
enum, required, $ref, allOf, anyOf, oneOf, bounds, lengths, formats and patterns. Deterministic, without I/O.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from penstock.providers.simulated.pattern import Unsatisfiable, match_of

Schema: TypeAlias = dict[str, Any]

_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,15})?(?!\w)")
_QUOTED = re.compile(r"\"([^\"]{1,200})\"|“([^”]{1,200})”|(?<!\w)'([^']{1,200})'(?!\w)")
# Bounds the work that one schema can ask for: branches tried and values written together.
_MAX_VALUES = 2000
_MAX_CHARACTERS = 4096
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "user@example.com",
    "idn-email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uri-reference": "https://example.com/",
    "iri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "json-pointer": "",
    "regex": ".*",
}


def instance_of(schema: Any, text: str = "") -> Any:
    """The smallest value that ``schema`` allows, filled from ``text``. Raises ``Unsatisfiable``."""
    return _Writer(schema, text).value(schema, ())


class _Writer:
    """Walks one schema; numbers and words of the text are used once each, in their order."""

    def __init__(self, root: Any, text: str) -> None:
        self._root = root
        self._values = 0
        text = text[:_MAX_CHARACTERS]
        self._words = ["".join(groups) for groups in _QUOTED.findall(text)]
        self._numbers = [float(number) for number in _NUMBER.findall(_QUOTED.sub(" ", text))]

    def value(self, schema: Any, open_refs: tuple[str, ...]) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES:
            msg = f"the schema asks for more than {_MAX_VALUES} values"
            raise Unsatisfiable(msg)
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            msg = "a schema is an object or true"
            raise Unsatisfiable(msg)
        if "$ref" in schema:
            return self._referred(schema, open_refs)
        if "const" in schema or schema.get("enum"):
            allowed = [schema["const"]] if "const" in schema else schema["enum"]
            return next((word for word in self._words if word in allowed), allowed[0])
        if "allOf" in schema:
            return self._merged(schema, open_refs)
        keyword = next((keyword for keyword in ("anyOf", "oneOf") if schema.get(keyword)), None)
        return self._first_possible(schema, keyword, open_refs) if keyword else self._typed(schema, open_refs)

    def _referred(self, schema: Schema, open_refs: tuple[str, ...]) -> Any:
        target, open_refs = self._target(schema, open_refs)
        return self.value(target, open_refs)

    def _target(self, schema: Schema, open_refs: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
        """What ``schema`` refers to, its other keywords laid over it; a reference within itself has no end."""
        ref = schema["$ref"]
        if ref in open_refs:
            msg = f"{ref} contains itself"
            raise Unsatisfiable(msg)
        target = self._resolve(ref)
        if isinstance(target, dict):
            target = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        return target, (*open_refs, ref)

    def _resolve(self, ref: Any) -> Any:
        found = self._root
        if not isinstance(ref, str) or not ref.startswith("#"):
            msg = "only references within the schema are followed"
            raise Unsatisfiable(msg)
        for step in ref[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or key not in found:
                msg = f"{ref} refers to nothing"
                raise Unsatisfiable(msg)
            found = found[key]
        return found

    def _merged(self, schema: Schema, open_refs: tuple[str, ...]) -> Any:
        merged: Schema = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            inner = part
            while isinstance(inner, dict) and "$ref" in inner:
                inner, open_refs = self._target(inner, open_refs)
            if inner is False:
                msg = "a part of allOf allows nothing"
                raise Unsatisfiable(msg)
            if isinstance(inner, dict):
                merged = _both(merged, inner)
        return self.value(merged, open_refs)

    def _first_possible(self, schema: Schema, keyword: str, open_refs: tuple[str, ...]) -> Any:
        base = {key: value for key, value in schema.items() if key != keyword}
        for branch in schema[keyword]:
            try:
                return self.value({**base, "allOf": [*base.get("allOf", ()), branch]}, open_refs)
            except Unsatisfiable:
                continue
        msg = f"no branch of {keyword} is possible"
        raise Unsatisfiable(msg)

    def _typed(self, schema: Schema, open_refs: tuple[str, ...]) -> Any:
        kind = schema.get("type") or _implied_type(schema)
        if isinstance(kind, list):
            kind = next((name for name in kind if name != "null"), "null")
        if kind == "object":
            return self._object(schema, open_refs)
        if kind == "array":
            return self._array(schema, open_refs)
        if kind in {"integer", "number"}:
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return False
        return None if kind == "null" else self._string(schema)

    def _object(self, schema: Schema, open_refs: tuple[str, ...]) -> dict[str, Any]:
        properties: Schema = schema.get("properties") or {}
        required: list[str] = schema.get("required") or []
        # In the order of the properties, so that the text's numbers go where a reader would put them.
        names = [name for name in properties if name in required]
        names += [name for name in required if name not in properties]
        names += [name for name in properties if name not in names][
            : max(0, schema.get("minProperties", 0) - len(names))
        ]
        return {name: self.value(properties.get(name, {"type": "string"}), open_refs) for name in names}

    def _array(self, schema: Schema, open_refs: tuple[str, ...]) -> list[Any]:
        size = schema.get("minItems", 0)
        first = schema.get("prefixItems") or []
        items: list[Any] = []
        for index in range(size):
            item = self.value(
                first[index] if index < len(first) else schema.get("items", {"type": "string"}), open_refs
            )
            if schema.get("uniqueItems") and item in items:
                item = _another(item, index)
            items.append(item)
        return items

    def _number(self, schema: Schema, *, whole: bool) -> float:
        def fits(number: float) -> bool:
            step = schema.get("multipleOf")
            return (
                schema.get("minimum", -math.inf) <= number <= schema.get("maximum", math.inf)
                and schema.get("exclusiveMinimum", -math.inf) < number < schema.get("exclusiveMaximum", math.inf)
                and (number.is_integer() or not whole)
                and (not step or math.isclose(number / step, round(number / step)))
            )

        number = _taken(self._numbers, fits)
        if number is None:
            number = next((candidate for candidate in _near_bounds(schema) if fits(candidate)), None)
        if number is None:
            msg = "no number lies between the bounds"
            raise Unsatisfiable(msg)
        return int(number) if number.is_integer() else number

    def _string(self, schema: Schema) -> str:
        shortest, longest = schema.get("minLength", 0), schema.get("maxLength", _MAX_CHARACTERS)
        if shortest > min(longest, _MAX_CHARACTERS):
            msg = f"a string of at least {shortest} characters"
            raise Unsatisfiable(msg)
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if "pattern" in schema:
            # The caller's pattern is never run: a pattern can be made to run for ever.
            return match_of(schema["pattern"], shortest)
        word = _taken(self._words, lambda word: shortest <= len(word) <= longest)
        return "simulated".ljust(shortest, "x")[:longest] if word is None else word


def _taken(values: list[Any], fits: Callable[[Any], bool]) -> Any:
    for index, value in enumerate(values):
        if fits(value):
            return values.pop(index)
    return None


def _implied_type(schema: Schema) -> str:
    if schema.keys() & {"properties", "required", "additionalProperties", "minProperties"}:
        return "object"
    if schema.keys() & {"items", "prefixItems", "minItems", "uniqueItems"}:
        return "array"
    if schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}:
        return "number"
    return "string"


def _both(left: Schema, right: Schema) -> Schema:
    """What allows only what both allow, as far as they can be put together."""
    merged = {**left, **right}
    for key, pick in (("minimum", max), ("maximum", min), ("exclusiveMinimum", max), ("exclusiveMaximum", min)):
        if key in left and key in right:
            merged[key] = pick(left[key], right[key])
    for key, pick in (("minLength", max), ("maxLength", min), ("minItems", max), ("maxItems", min)):
        if key in left and key in right:
            merged[key] = pick(left[key], right[key])
    if "properties" in left and "properties" in right:
        shared = left["properties"].keys() & right["properties"].keys()
        together = {name: {"allOf": [left["properties"][name], right["properties"][name]]} for name in shared}
        merged["properties"] = {**left["properties"], **right["properties"], **together}
    if "required" in left and "required" in right:
        merged["required"] = [*left["required"], *(name for name in right["required"] if name not in left["required"])]
    if "enum" in left and "enum" in right:
        merged["enum"] = [value for value in left["enum"] if value in right["enum"]]
        if not merged["enum"]:
            msg = "two enums share no value"
            raise Unsatisfiable(msg)
    if "allOf" in left and "allOf" in right:
        merged["allOf"] = [*left["allOf"], *right["allOf"]]
    return merged


def _near_bounds(schema: Schema) -> list[float]:
    """Candidates from the plainest on: zero, one, then each bound, a step inside it, and between two."""
    step = schema.get("multipleOf") or 1
    bounds = [schema[key] for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum") if key in schema]
    candidates = [0.0, 1.0, float(step)]
    for bound in bounds:
        down = math.floor(bound / step) * step
        candidates += [float(bound), down, down + step, down - step]
    if bounds:
        candidates.append((min(bounds) + max(bounds)) / 2)
    return [float(candidate) for candidate in candidates]


def _another(item: Any, index: int) -> Any:
    if isinstance(item, bool):
        return not item
    if isinstance(item, (int, float)):
        return item + index
    return f"{item} {index + 1}" if isinstance(item, str) else item
