"""Messages of a conversation become the turns of a request to the Messages API."""

from __future__ import annotations

import base64
import string
from typing import Any

from msgspec import Struct, field

from penstock.core.call import Call
from penstock.core.conversation import (
    Conversation,
    Document,
    Image,
    Inline,
    Part,
    Place,
    Refusal,
    Sound,
    Stored,
    Text,
    Thought,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.dialects.anthropic.words import tool_input
from penstock.dialects.translation import leave_out

# How base64 of a picture begins, where nobody said what it is; each from its magic number.
_PICTURES = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}

_ID_LETTERS = frozenset(string.ascii_letters + string.digits + "_-")


class Turns(Struct):
    """``system`` and ``messages`` of a request."""

    system: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)


def write_turns(conversation: Conversation, call: Call, provider: str) -> Turns:
    """The turns of ``conversation``. Raises ``UnsupportedParameter``.

    Instructions go to the front wherever they stood, as Anthropic does with them for OpenAI's SDK
    (platform.claude.com/docs/en/api/openai-sdk, 2026-11-21): in their place only some models read them, and not behind
    every turn (docs/en/build-with-claude/mid-conversation-system-messages, 2026-11-21). Names of speakers are left out
    as there.
    """
    turns = Turns()
    writer = _BlockWriter(call, provider)
    for message in conversation.messages:
        blocks = [block for part in message.parts if (block := writer.block(part)) is not None]
        if message.role in ("system", "developer"):
            turns.system += blocks
            continue
        role = "assistant" if message.role == "assistant" else "user"
        last = turns.messages[-1] if turns.messages else None
        if last is not None and last["role"] == role:
            last["content"] += blocks
        elif blocks:  # the API takes no turn without content
            turns.messages.append({"role": role, "content": blocks})
    for turn in turns.messages:
        # Results come first in the turn that follows their tools' calls, or it is refused
        # (docs/en/agents-and-tools/tool-use/implement-tool-use, 2026-11-21).
        turn["content"].sort(key=_is_not_a_result)
    return turns


def cache_control(life: str) -> dict[str, dict[str, str]]:
    """A block's cache point, if it has one; five minutes are the default."""
    if not life:
        return {}
    return {"cache_control": {"type": "ephemeral"} if life == "5m" else {"type": "ephemeral", "ttl": life}}


class _BlockWriter:
    def __init__(self, call: Call, provider: str) -> None:
        self._call = call
        self._provider = provider

    def block(self, part: Part) -> dict[str, Any] | None:  # noqa: PLR0911 - an arm for each kind
        """One content block; ``None`` for what is left out."""
        match part:
            case Text(text=text):
                if not text.strip():  # "text content blocks must contain non-whitespace text"
                    return None
                return {"type": "text", "text": text} | cache_control(part.cached_for)
            case Refusal(text=text):
                return {"type": "text", "text": text} if text.strip() else None
            case Image():
                return self._image(part)
            case Document():
                return self._document(part)
            case Thought():
                return _thought(part)
            case ToolUse():
                given = tool_input(part.arguments, freeform=part.freeform)
                block = {"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": given}
                return block | cache_control(part.cached_for)
            case ToolResult():
                return self._result(part)
            case Sound():
                leave_out(self._call, "input_audio", self._provider)
        return None

    def _image(self, image: Image) -> dict[str, Any] | None:
        place = image.place
        if isinstance(place, Inline) and not place.media_type:
            kind = next((kind for head, kind in _PICTURES.items() if place.data.startswith(head)), "image/png")
            place = Inline(kind, place.data)
        return {"type": "image", "source": _source(place)} | cache_control(image.cached_for)

    def _document(self, document: Document) -> dict[str, Any] | None:
        place, text = document.place, document.text
        if isinstance(place, Inline) and place.media_type.startswith("text/"):
            try:
                text, place = base64.b64decode(place.data, validate=True).decode(), None
            except ValueError:
                leave_out(self._call, "file", self._provider)
                return None
        # Of files in base64 the API takes PDF alone (types/document_block_param.py of anthropic 2.12, 2026-11-21).
        if isinstance(place, Inline) and place.media_type not in ("", "application/pdf"):
            leave_out(self._call, "file", self._provider)
            return None
        if place is None:
            source = {"type": "text", "media_type": "text/plain", "data": text}
        else:
            source = _source(Inline("application/pdf", place.data) if isinstance(place, Inline) else place)
        block: dict[str, Any] = {"type": "document", "source": source}
        if document.title:
            block["title"] = document.title
        if document.context:
            block["context"] = document.context
        return block | cache_control(document.cached_for)

    def _result(self, result: ToolResult) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": tool_id(result.id)}
        content = [inner for part in result.parts if (inner := self.block(part)) is not None]
        if content:
            block["content"] = content
        if result.failed:
            block["is_error"] = True
        return block | cache_control(result.cached_for)


def tool_id(said: str) -> str:
    """``said`` in the letters that the API takes, `^[a-zA-Z0-9_-]+$`; other providers' ids may hold others."""
    if said and _ID_LETTERS.issuperset(said):
        return said
    return "".join(letter if letter in _ID_LETTERS else "_" for letter in said) or "_"


def _thought(thought: Thought) -> dict[str, Any] | None:
    """A thought that Anthropic has signed, as it came; others it would refuse."""
    if thought.signer != "anthropic":
        return None
    if thought.sealed:
        return {"type": "redacted_thinking", "data": thought.sealed}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.signature}


def _source(place: Place) -> dict[str, str]:
    match place:
        case Url(url=url):
            return {"type": "url", "url": url}
        case Stored(file_id=file_id):
            return {"type": "file", "file_id": file_id}
        case Inline():
            return {"type": "base64", "media_type": place.media_type, "data": place.data}


def _is_not_a_result(block: dict[str, Any]) -> bool:
    return bool(block["type"] != "tool_result")
