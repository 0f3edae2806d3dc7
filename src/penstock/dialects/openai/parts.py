"""Content parts of chat messages, both ways (openai 3.3.1, ``types/chat``, and the extensions named below; 2026-11-21)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from penstock.core.conversation import Document, Image, Inline, Part, Place, Refusal, Sound, Stored, Text, Thought, Url

# The kinds that are read; of another kind a caller is told, and an answer goes on without it.
KINDS = frozenset(("text", "refusal", "thinking", "image_url", "input_audio", "file"))


class _ImageUrl(Struct):
    url: str
    detail: str | None = None


class _Audio(Struct):
    data: str
    format: str


class _File(Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class CacheControl(Struct):
    """A cache point in Anthropic's words, which OpenRouter and LiteLLM take here.

    openrouter.ai/docs/features/prompt-caching, docs.litellm.ai/docs/completion/prompt_caching, 2026-11-21.
    """

    ttl: str = "5m"


class WirePart(Struct):
    """One part, of whatever kind."""

    type: str
    text: str | None = None
    refusal: str | None = None
    thinking: Any = None
    image_url: _ImageUrl | str | None = None
    input_audio: _Audio | None = None
    file: _File | None = None
    cache_control: CacheControl | None = None


decode_part = msgspec.json.Decoder(WirePart).decode


def read_part(part: WirePart) -> Part | None:
    """What ``part`` says; ``None`` where its kind is unknown or it lacks what makes it one."""
    if part.type == "text" and part.text is not None:
        return Text(text=part.text, cached_for=_cached_for(part))
    if part.type == "refusal" and part.refusal is not None:
        return Refusal(text=part.refusal)
    if part.type == "thinking":
        return Thought(text=_thinking(part.thinking))
    return _read_medium(part)


def _read_medium(part: WirePart) -> Part | None:
    if part.type == "image_url" and part.image_url is not None:
        image = _ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url
        return Image(place=_place(image.url), detail=image.detail or "", cached_for=_cached_for(part))
    if part.type == "input_audio" and part.input_audio is not None:
        return Sound(format=part.input_audio.format, data=part.input_audio.data)
    if part.type == "file" and part.file is not None and (place := _file_place(part.file)) is not None:
        return Document(place=place, title=part.file.filename or "", cached_for=_cached_for(part))
    return None


def _cached_for(part: WirePart) -> str:
    return part.cache_control.ttl if part.cache_control else ""


def write_part(part: Part) -> dict[str, object] | None:
    """``part`` on the wire; ``None`` where a part cannot say it."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image) and not isinstance(part.place, Stored):
        image = {"url": _address(part.place)}
        return {"type": "image_url", "image_url": image | {"detail": part.detail} if part.detail else image}
    if isinstance(part, Sound):
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
    if isinstance(part, Document):
        return _write_document(part)
    return None


def _write_document(document: Document) -> dict[str, object] | None:
    place = document.place
    if place is None:
        text = "\n\n".join(words for words in (document.title, document.context, document.text) if words)
        return {"type": "text", "text": text}
    if isinstance(place, Stored):
        return {"type": "file", "file": {"file_id": place.file_id}}
    if isinstance(place, Inline):
        # OpenAI refuses data without a name (github.com/openai/openai-agents-python/pull/1513, 2026-11-21).
        return {"type": "file", "file": {"filename": document.title or "document", "file_data": _address(place)}}
    return None


def _place(url: str) -> Place:
    if url[:5].lower() == "data:":
        head, comma, data = url[5:].partition(",")
        if comma and head.endswith(";base64"):
            return Inline(head.removesuffix(";base64"), data)
    return Url(url)


def _file_place(file: _File) -> Place | None:
    if file.file_id:
        return Stored(file.file_id)
    data = file.file_data
    if not data:
        return None
    # An address in the place of data is OpenRouter's (openrouter.ai/docs/features/multimodal/pdfs, 2026-11-21).
    named = data[:5].lower() == "data:" or data.startswith(("https://", "http://"))
    return _place(data) if named else Inline("", data)


def _address(place: Url | Inline) -> str:
    return place.url if isinstance(place, Url) else f"data:{place.media_type};base64,{place.data}"


def _thinking(said: Any) -> str:
    """Mistral's thoughts are parts in a part (docs.mistral.ai/capabilities/reasoning, 2026-11-21)."""
    if isinstance(said, str):
        return said
    parts = said if isinstance(said, list) else ()
    return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
