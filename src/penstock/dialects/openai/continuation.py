"""How another model is asked to go on with an answer that was cut: the question, and the text so far as its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from penstock.core.call import Call
from penstock.core.tokens import estimate_tokens

# What a delta may hold for a text to be all that it says.
_PLAIN = frozenset({"role", "content", "refusal"})


class _Choice(Struct):
    delta: dict[str, Any] = {}
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: list[_Choice] = []


_CHUNKS = msgspec.json.Decoder(_Chunk)
_MESSAGES = msgspec.json.Decoder(list[Raw])


def continued(call: Call, raws: Sequence[bytes]) -> Call | None:
    """``call`` as another target gets it after the events ``raws``; ``None`` where a text alone does not say all of them.

    The text so far stands at the end as a message of the assistant's, which servers that take such a message go on with.
    Tool calls, refusals, several choices, an answer that had finished and one in another dialect are not continued.
    """
    messages = call.fields.get("messages")
    if call.dialect != "openai" or call.choices != 1 or messages is None:
        return None
    text = ""
    for event in b"".join(raws).split(b"\n\n"):
        if not event.startswith(b"data: "):
            continue
        for choice in _CHUNKS.decode(event[6:]).choices:
            if choice.finish_reason is not None or not _is_plain(choice.delta):
                return None
            text += choice.delta.get("content") or ""
    if not text:
        return call
    said = msgspec.json.encode({"role": "assistant", "content": text})
    asked = msgspec.json.encode([*_MESSAGES.decode(messages), Raw(said)])
    return replace(
        call,
        fields={**call.fields, "messages": Raw(asked)},
        input_tokens=call.input_tokens + estimate_tokens(text),
    )


def mark(last: bytes, target: str) -> bytes:
    """An event without text, after the event ``last``: from here on ``target`` writes. A chunk that every client takes."""
    chunk = msgspec.json.decode(last.rpartition(b"data: ")[2])
    chunk["choices"] = [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}]
    chunk.pop("usage", None)
    return b"data: " + msgspec.json.encode(chunk | {"penstock": {"continued_by": target}}) + b"\n\n"


def _is_plain(delta: Mapping[str, Any]) -> bool:
    said = {name for name, value in delta.items() if value}
    return said <= _PLAIN and not delta.get("refusal") and isinstance(delta.get("content") or "", str)
