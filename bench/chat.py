"""The requests that the loads send, as bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable

# As in config.yaml, chat.lua and peers/litellm.yaml.
CLIENT_KEY = "sk-bench-client-0000000000000000000000000000000000000000000"
QUESTION = "How many litres of water pass a penstock in one second?"


def request(text: str, headers: Iterable[str] = (), *, stream: bool, model: str = "bench") -> bytes:
    """One chat request; ``headers`` are lines such as ``name: value`` beside the usual ones."""
    system = {"role": "system", "content": "You are a helpful assistant."}
    wanted = {"model": model, "messages": [system, {"role": "user", "content": text}], "max_tokens": 1024}
    body = json.dumps(wanted | ({"stream": True} if stream else {})).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        f"authorization: Bearer {CLIENT_KEY}",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
