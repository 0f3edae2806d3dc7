"""The simulated provider's embeddings: texts that share words lie near each other, and the same text always in one place."""

from __future__ import annotations

import math
import zlib
from typing import Any

import msgspec

DIMENSIONS = 64
# The most of each that one request may ask for; OpenAI's own bounds are of that size
# (platform.openai.com/docs/api-reference/embeddings, 2026-11-22).
MOST_DIMENSIONS = 4096
MOST_INPUTS = 2048


def embed(request: dict[str, Any]) -> bytes | None:
    """Answer an embeddings request's body with a unit vector for each input; token ids are words like any other.

    ``None`` for one that asks for more than there is.
    """
    asked = request.get("input") or ""
    is_one = isinstance(asked, str) or (isinstance(asked, list) and bool(asked) and isinstance(asked[0], int))
    inputs = [asked] if is_one else asked
    dimensions = request.get("dimensions") or DIMENSIONS
    if len(inputs) > MOST_INPUTS or dimensions > MOST_DIMENSIONS:
        return None
    words = [each.split() if isinstance(each, str) else each for each in inputs]
    tokens = sum(map(len, words))
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(each, dimensions)}
        for index, each in enumerate(words)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": str(request.get("model", "")), "usage": usage})


def _vector(words: list[Any], dimensions: int) -> list[float]:
    """Each word adds to one of the dimensions, or takes from it (feature hashing)."""
    values = [0.0] * dimensions
    for word in words:
        digest = zlib.crc32(str(word).lower().encode())
        values[digest % dimensions] += 1.0 if digest & 1 << 31 else -1.0
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values] if length else [1.0, *values[1:]]
