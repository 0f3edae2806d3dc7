"""``Assembly``: the chunks of a stream become the completion that they would have been."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.core.errors import UpstreamMalformed
from penstock.dialects.openai import read_chunk

# What each chunk brings a piece of; the rest is said once, or again and again alike.
_PIECEWISE = frozenset(("content", "refusal", "reasoning", "reasoning_content", "arguments"))


class Assembly:
    """``add`` each chunk, then take ``body``."""

    def __init__(self) -> None:
        self._envelope: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, payload: bytes) -> str:
        """Take a chunk; returns what it adds to the text. Raises ``UpstreamMalformed``."""
        text = read_chunk(payload).text
        chunk = msgspec.json.decode(payload)
        for part in chunk.pop("choices", None) or ():
            self._add_choice(part)
        self._envelope |= {name: value for name, value in chunk.items() if value is not None}
        return text

    @property
    def body(self) -> bytes:
        """The completion. Raises ``UpstreamMalformed`` where nothing was said."""
        if not self._choices:
            raise UpstreamMalformed("The stream held no choices.")
        choices = [self._choices[index] for index in sorted(self._choices)]
        for choice in choices:
            for call in choice["message"].get("tool_calls") or ():
                call.pop("index", None)  # a stream's own
        return msgspec.json.encode(self._envelope | {"object": "chat.completion", "choices": choices})

    def _add_choice(self, part: dict[str, Any]) -> None:
        index = part.get("index", 0)
        choice = self._choices.setdefault(
            index, {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
        )
        choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
        _merge(choice["message"], part.get("delta") or {})


def _merge(whole: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        said: Any = whole.get(name)
        if value is None:
            continue
        if name == "tool_calls":
            whole[name] = _with_parts(said or [], value)
        elif isinstance(said, dict) and isinstance(value, dict):
            _merge(said, value)
        elif type(said) is type(value) and (name in _PIECEWISE or isinstance(said, list)):
            whole[name] = said + value
        else:
            whole[name] = value


def _with_parts(calls: list[dict[str, Any]], parts: Any) -> list[dict[str, Any]]:
    """Each part says by ``index`` which call it belongs to; one that does not is a call of its own."""
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise UpstreamMalformed("The stream holds a tool call that is none.")
    for part in parts:
        index = part.get("index")
        call = None if index is None else next((call for call in calls if call.get("index") == index), None)
        if call is None:
            calls.append(part)
        else:
            _merge(call, part)
    return calls
