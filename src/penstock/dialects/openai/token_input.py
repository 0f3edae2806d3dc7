"""What embeddings and legacy completions take as input, and the words for what is wrong with such a request."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from penstock.core.errors import InvalidParameter
from penstock.core.tokens import estimate_json_tokens

_read_input = msgspec.json.Decoder(str | list[Raw]).decode
_read_tokens = msgspec.json.Decoder(list[int]).decode


def count_input(raw: Raw, param: str) -> tuple[int, int]:
    """How many inputs ``raw`` holds, and about how many tokens: a text, several, token ids, or several lists of those.

    Raises ``InvalidParameter``.
    """
    if bytes(raw).startswith(b'"'):
        return 1, estimate_json_tokens(bytes(raw))
    try:
        items = _read_input(raw)
    except msgspec.DecodeError:
        raise _wrong(param) from None
    if not items:
        raise _wrong(param)
    try:
        _read_tokens(raw)
        return 1, len(items)
    except msgspec.DecodeError:
        pass
    return len(items), sum(_tokens(bytes(item), f"{param}[{index}]") for index, item in enumerate(items))


def explain_plain(problem: str, must_be: Mapping[str, str]) -> InvalidParameter:
    """Our words for msgspec's ``problem - at `$.path``` (msgspec 0.22); ``must_be`` has them by path."""
    what, _, where = problem.partition(" - at `$.")
    missing = what.startswith("Object missing required field `")
    param = what.removeprefix("Object missing required field `").removesuffix("`") if missing else where[:-1]
    fault = "is missing: it must be" if missing else "must be"
    return InvalidParameter(f"`{param}` {fault} {must_be[param]}.", param=param)


def _tokens(item: bytes, param: str) -> int:
    if item.startswith(b'"'):
        return estimate_json_tokens(item)
    try:
        return len(_read_tokens(item))
    except msgspec.DecodeError:
        raise _wrong(param) from None


def _wrong(param: str) -> InvalidParameter:
    kinds = "a string or an array of token ids" if "[" in param else "a string, an array of strings, or token ids"
    return InvalidParameter(f"`{param}` must be {kinds}, and not empty.", param=param)
