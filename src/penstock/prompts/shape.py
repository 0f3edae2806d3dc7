"""Data held against a struct: every mistake in it at once, where msgspec would stop at the first."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import Struct

S = TypeVar("S", bound=Struct)
# The way to a value: names of fields, and indexes of lists.
Place: TypeAlias = tuple[str | int, ...]

# The words of msgspec 0.22's errors; ones that are not known here are passed on.
_ENUM = re.compile(r"Invalid enum value '(.*)'")
_TYPE = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?")
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "empty",
}


class Mistake(Struct, frozen=True):
    """What is wrong at ``place``, and the cure. A field that is missing has the place where it is wanted."""

    place: Place
    message: str
    cure: str = ""


def fit(data: Any, shape: type[S]) -> tuple[S, list[Mistake]]:
    """``data`` as ``shape``, with a default or something empty for all that is wrong; and what is."""
    mistakes: list[Mistake] = []
    return cast("S", _struct(data, shape, (), mistakes)), mistakes


def _struct(data: Any, shape: type[Struct], place: Place, mistakes: list[Mistake]) -> Struct:
    if not isinstance(data, dict):
        kind = _KINDS.get(_kind_of(data), "")
        mistakes.append(_mistake(place, f"this must be a mapping{f', not {kind}' if kind else ''}", ""))
        return cast("Struct", _empty(shape))
    fields = {field.name: field for field in msgspec.structs.fields(shape)}
    for name in (each for each in data if each not in fields):
        near = get_close_matches(str(name), fields, n=1)
        cure = f"did you mean `{near[0]}`?" if near else "remove it"
        mistakes.append(_mistake((*place, str(name)), f"`{name}` is no field here", cure, place))
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(data[name], field.type, (*place, name), mistakes)
        elif field.required:
            mistakes.append(_mistake((*place, name), f"`{name}` is missing", f"add `{name}:`", place))
            values[name] = _empty(field.type)
    return shape(**values)


def _value(data: Any, kind: Any, place: Place, mistakes: list[Mistake]) -> Any:
    inner = next((each for each in get_args(kind) if _is_struct(each)), None)
    if inner is not None and get_origin(kind) is tuple and isinstance(data, list):
        return tuple(_struct(item, inner, (*place, index), mistakes) for index, item in enumerate(data))
    if inner is not None and get_origin(kind) is not tuple and data is not None:
        return _struct(data, inner, place, mistakes)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        mistakes.append(_mistake(place, *_friendly(str(error), kind)))
        return _empty(kind)


def _empty(kind: Any) -> Any:
    """Something that fits ``kind`` and says nothing."""
    if _is_struct(kind):
        return kind(**{field.name: _empty(field.type) for field in msgspec.structs.fields(kind) if field.required})
    choices = get_args(kind)
    if type(None) in choices:
        return None
    return choices[0] if get_origin(kind) is Literal else (get_origin(kind) or kind)()


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _mistake(place: Place, message: str, cure: str, told: Place | None = None) -> Mistake:
    """With the way to ``told`` (``place`` where none is given) before the message."""
    way = ".".join(map(str, place if told is None else told))
    return Mistake(place, f"{way}: {message}" if way else message, cure)


def _friendly(text: str, kind: Any) -> tuple[str, str]:
    """Message and cure in the words of a prompt file instead of msgspec's."""
    if enum := _ENUM.search(text):
        *others, last = get_args(kind)
        return f"`{enum[1]}` is not known", f"write {', '.join(others)} or {last}"
    if kinds := _TYPE.search(text):
        wanted = _KINDS.get(kinds[1].removesuffix(" | null"), kinds[1])
        given = f", not {_KINDS.get(kinds[2], kinds[2])}" if kinds[2] else ""
        return f"this must be {wanted}{given}", "put it in quotes" if wanted == "text" else ""
    return text, ""


def _kind_of(data: Any) -> str:
    """The word that msgspec has for what YAML gave."""
    return {str: "str", bool: "bool", int: "int", float: "float", list: "array", type(None): "null"}.get(type(data), "")
