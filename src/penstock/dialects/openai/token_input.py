"""What embeddings and legacy completions take as input: a text, several, token ids, or several lists of those."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from penstock.core.errors import InvalidParameter
from penstock.core.tokens import estimate_json_tokens

_read_input = msgspec.json.Decoder(str | list[Raw]).decode
_read_tokens = msgspec.json.Decoder(list[int]).decode


def count_input(raw: Raw, param: str) -> tuple[int, int]:
    """How many inputs ``raw`` holds, and about how many tokens. Raises ``InvalidParameter``."""
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
