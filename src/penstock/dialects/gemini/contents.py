"""A conversation's messages as Gemini's ``contents`` and ``systemInstruction``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

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
)
from penstock.core.errors import InvalidParameter
from penstock.dialects.gemini.model import Model

SIGNER = "gemini"
# For calls that another model made: without a signature they are refused (ai.google.dev/gemini-api/docs/
# thought-signatures, its FAQ; 2026-11-21).
UNSIGNED = "skip_thought_signature_validator"

_Json: TypeAlias = dict[str, Any]
# What may lie behind an address; where nothing is known of it the provider looks for itself.
_MEDIA_TYPES = {
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "png": "image/png",
    "webp": "image/webp",
}
_read_object = msgspec.json.Decoder(dict[str, Raw]).decode


class ContentWriter:
    """Writes the messages of one conversation; ``system`` and ``contents`` are what they have become.

    What is said by system and developer is said ahead of all, wherever it stood: Gemini has no other place for it.
    Neighbours of one role are one content, so that the results of parallel calls stand together, as they must.
    """

    def __init__(self, model: Model, call: Call) -> None:
        self.system: list[_Json] = []
        self.contents: list[_Json] = []
        self._model = model
        self._call = call
        self._tool_names: dict[str, str] = {}

    def write(self, conversation: Conversation) -> None:
        """Write all messages. Raises ``UnsupportedParameter``, ``InvalidParameter``."""
        for message in conversation.messages:
            if message.role in {"system", "developer"}:
                for part in message.parts:
                    if isinstance(part, Text):
                        self.system += _text(part.text)
                    else:
                        self._model.refuse(self._call, "messages")
                continue
            parts = self._parts_of("model" if message.role == "assistant" else "user")
            for part in message.parts:
                self._write_part(part, parts)
        self.contents = [content for content in self.contents if content["parts"]]

    def _parts_of(self, role: str) -> list[_Json]:
        if self.contents and not self.contents[-1]["parts"]:
            self.contents.pop()
        if not self.contents or self.contents[-1]["role"] != role:
            self.contents.append({"role": role, "parts": []})
        parts: list[_Json] = self.contents[-1]["parts"]
        return parts

    def _write_part(self, part: Part, parts: list[_Json]) -> None:
        match part:
            case Text() | Refusal():
                parts += _text(part.text)
            case Image():
                parts.append(_media(part.place, "image/jpeg"))
            case Sound():
                parts.append({"inlineData": {"mimeType": f"audio/{part.format}", "data": part.data}})
            case Document():
                parts += _document(part)
            case Thought():
                parts += _thought(part)
            case ToolUse():
                parts.append(self._tool_use(part, parts))
            case ToolResult():
                parts += self._tool_result(part)

    def _tool_use(self, use: ToolUse, before: Sequence[_Json]) -> _Json:
        self._tool_names[use.id] = use.name
        written: _Json = {"functionCall": {"id": use.id, "name": use.name, "args": _arguments(use.arguments)}}
        if use.signature and use.signer == SIGNER:
            written["thoughtSignature"] = use.signature
        elif self._model.is_third and not any("functionCall" in part for part in before):
            written["thoughtSignature"] = UNSIGNED  # of parallel calls the first alone is signed, and checked
        return written

    def _tool_result(self, result: ToolResult) -> list[_Json]:
        name = result.name or self._tool_names.get(result.id)
        if not name:
            msg = "A tool result must follow the tool call that it answers, and carry its id."
            raise InvalidParameter(msg, param="input" if self._call.dialect == "responses" else "messages")
        texts: list[str] = []
        media: list[_Json] = []
        for part in result.parts:
            if isinstance(part, Text):
                texts.append(part.text)
                continue
            for written in _document(part) if isinstance(part, Document) else [_media(part.place, "image/jpeg")]:
                if "text" in written:
                    texts.append(written["text"])
                else:
                    media.append(written)
        # The two keys have their meaning from google-genai 2.19, FunctionResponse.response.
        answer = {"error" if result.failed else "output": "\n".join(texts)}
        response: _Json = {"id": result.id, "name": name, "response": answer}
        if media and self._model.is_third:
            # Of addresses it knows none here (google-genai 2.19, FunctionResponseFileData): they stand beside it.
            if within := [part for part in media if "inlineData" in part]:
                response["parts"] = within
            media = [part for part in media if "inlineData" not in part]
        return [{"functionResponse": response}, *media]


def _text(text: str) -> list[_Json]:
    return [{"text": text}] if text else []  # a part without words is refused


def _media(place: Place, media_type: str) -> _Json:
    if isinstance(place, Inline):
        return {"inlineData": {"mimeType": place.media_type or media_type, "data": place.data}}
    uri = place.file_id if isinstance(place, Stored) else place.url
    path = uri.partition("?")[0].partition("#")[0]
    known = _MEDIA_TYPES.get(path.rpartition(".")[2].lower())
    return {"fileData": {"mimeType": known, "fileUri": uri} if known else {"fileUri": uri}}


def _document(document: Document) -> list[_Json]:
    """What is said about it goes ahead of it as text: its ``displayName`` is refused outside Vertex AI."""
    parts = [*_text(document.title), *_text(document.context)]
    if document.place is not None:
        parts.append(_media(document.place, "application/pdf"))
    return parts + _text(document.text)


def _thought(thought: Thought) -> list[_Json]:
    if thought.signer != SIGNER:
        return []
    if thought.sealed:
        return [{"text": "", "thoughtSignature": thought.sealed}]
    if thought.signature:
        return [{"text": thought.text, "thought": True, "thoughtSignature": thought.signature}]
    return []


def _arguments(arguments: str) -> Raw | dict[str, str]:
    """An object, as it must be: what is none (free text, a model's broken JSON) becomes the value of `input`."""
    if not arguments.strip():
        return {}
    try:
        _read_object(arguments)
    except (msgspec.DecodeError, RecursionError):
        return {"input": arguments}
    return Raw(arguments.encode())
