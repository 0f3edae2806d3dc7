"""OpenAI's embeddings and legacy completions: platform.openai.com/docs/api-reference, openai 3.54, 2026-11-21."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

from upstream.script import GREETING, INPUT_TOKENS, OUTPUT_TOKENS, pieces

VECTOR = (0.25, -0.5, 1.0)


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """One vector for each input."""
    asked = body["input"]
    count = len(asked) if isinstance(asked, list) and not isinstance(asked[0], int) else 1
    vector = VECTOR[: body.get("dimensions", len(VECTOR))]
    shown: Any = list(vector)
    if body.get("encoding_format") == "base64":
        shown = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": shown} for index in range(count)],
        "model": body["model"],
        "usage": {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS},
    }


def completion(body: dict[str, Any]) -> dict[str, Any]:
    """A `text_completion`."""
    usage = {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    return _completion(body, GREETING, "stop") | {"usage": usage}


def completion_events(body: dict[str, Any]) -> Iterator[bytes]:
    """Its chunks."""
    for text, finish in [*((piece, None) for piece in pieces(GREETING)), ("", "stop")]:
        yield b"data: " + json.dumps(_completion(body, text, finish)).encode() + b"\n\n"
    if (body.get("stream_options") or {}).get("include_usage"):
        last = completion(body) | {"choices": []}
        yield b"data: " + json.dumps(last).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _completion(body: dict[str, Any], text: str, finish: str | None) -> dict[str, Any]:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1763700000,
        "model": body["model"],
        "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}],
    }
