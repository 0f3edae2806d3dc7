"""Content blocks of the Messages API become parts of messages."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from penstock.core.conversation import (
    Document,
    Image,
    Inline,
    Message,
    Part,
    Place,
    Role,
    Stored,
    Text,
    Thought,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.dialects.anthropic.asked import CacheControl, cached_for
from penstock.dialects.anthropic.explain import explain, wrong
from penstock.dialects.anthropic.words import TOOL_SEAL, unseal

_NONE = (b"", b"null", b"{}")


class _Source(Struct):
    type: str
    media_type: str = ""
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Raw = Raw()


class _Citations(Struct):
    enabled: bool | None = None


class Block(Struct):
    """A content block of any type: which of the fields it has hangs on ``type``."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = Raw()
    tool_use_id: str | None = None
    is_error: bool | None = None
    content: Raw = Raw()
    source: Raw = Raw()
    title: str | None = None
    context: str | None = None
    citations: Raw = Raw()
    transformations: Raw = Raw()
    cache_control: CacheControl | None = None


_read_blocks = msgspec.json.Decoder(list[Block]).decode
_read_source = msgspec.json.Decoder(_Source).decode
_read_text = msgspec.json.Decoder(str).decode
_read_citations = msgspec.json.Decoder(_Citations).decode


def read_blocks(content: Raw, param: str) -> list[Block]:
    """The blocks of ``content``, of which a string is short for one of text. Raises ``InvalidParameter``."""
    try:
        if bytes(content).startswith(b'"'):
            return [Block("text", text=_read_text(content))]
        return _read_blocks(content)
    except msgspec.ValidationError as error:
        raise explain(str(error), param) from None


class PartReader:
    """Reads the blocks of one request; what has no name elsewhere is left in ``unread`` by its path."""

    def __init__(self, unread: dict[str, Raw]) -> None:
        self._unread = unread
        # The proof of the next tool use: see ``words.TOOL_SEAL``.
        self._signature = self._signer = ""

    def turn(self, role: Role, blocks: list[Block], param: str) -> list[Message]:
        """One message of the API, which may hold several: results of tools and instructions stand by themselves."""
        messages: list[Message] = []
        own: list[Part] = []
        for index, block in enumerate(blocks):
            path = f"{param}.{index}"
            if block.type == "mid_conv_system":
                apart = Message(role="system", parts=self.texts(read_blocks(block.content, f"{path}.content"), path))
            else:
                part = self.part(block, path)
                if part is None:
                    continue
                if not isinstance(part, ToolResult):
                    own.append(part)
                    continue
                apart = Message(role="tool", parts=(part,))
            if own:
                messages.append(Message(role=role, parts=tuple(own)))
                own = []
            messages.append(apart)
        if own or not messages:
            messages.append(Message(role=role, parts=tuple(own)))
        return messages

    def texts(self, blocks: list[Block], param: str) -> tuple[Text, ...]:
        """Blocks of which all must be text."""
        for index, block in enumerate(blocks):
            if block.type != "text":
                raise wrong(f"{param}.{index}")
        return tuple(_text(block, f"{param}.{index}") for index, block in enumerate(blocks))

    def part(self, block: Block, param: str) -> Part | None:  # noqa: PLR0911 - an arm for each type
        """One block; ``None`` where nobody else knows its like."""
        match block.type:
            case "text":
                return _text(block, param)
            case "image":
                place = self._place(_source(block, param), param)
                if bytes(block.transformations) not in _NONE:
                    self._unread[f"{param}.transformations"] = block.transformations
                return None if place is None else Image(place=place, cached_for=cached_for(block.cache_control))
            case "document":
                return self._document(block, param)
            case "thinking":
                signature, signer = unseal(block.signature or "")
                return Thought(text=_said(block.thinking, f"{param}.thinking"), signature=signature, signer=signer)
            case "redacted_thinking":
                return self._sealed(_said(block.data, f"{param}.data"))
            case "tool_use":
                return self._tool_use(block, param)
            case "tool_result":
                return self._tool_result(block, param)
        self._unread[param] = Raw(msgspec.json.encode(block.type))
        return None

    def _sealed(self, data: str) -> Thought | None:
        if data.startswith(TOOL_SEAL):
            self._signature, self._signer = unseal(data.removeprefix(TOOL_SEAL))
            return None
        sealed, signer = unseal(data)
        return Thought(sealed=sealed, signer=signer)

    def _tool_use(self, block: Block, param: str) -> ToolUse:
        if not bytes(block.input).startswith(b"{"):
            raise wrong(f"{param}.input", missing=not block.input)
        signature, signer = self._signature, self._signer
        self._signature = self._signer = ""
        return ToolUse(
            id=_said(block.id, f"{param}.id"),
            name=_said(block.name, f"{param}.name"),
            arguments=bytes(block.input).decode(),
            signature=signature,
            signer=signer,
            cached_for=cached_for(block.cache_control),
        )

    def _tool_result(self, block: Block, param: str) -> ToolResult:
        parts: list[Text | Image | Document] = []
        if block.content and bytes(block.content) != b"null":
            for index, inner in enumerate(read_blocks(block.content, f"{param}.content")):
                path = f"{param}.content.{index}"
                if inner.type not in ("text", "image", "document"):
                    self._unread[path] = Raw(msgspec.json.encode(inner.type))
                    continue
                part = self.part(inner, path)
                if isinstance(part, Text | Image | Document):
                    parts.append(part)
        return ToolResult(
            id=_said(block.tool_use_id, f"{param}.tool_use_id"),
            parts=tuple(parts),
            failed=block.is_error is True,
            cached_for=cached_for(block.cache_control),
        )

    def _document(self, block: Block, param: str) -> Document | None:
        source = _source(block, param)
        text, place = "", None
        if source.type == "text":
            text = _said(source.data, f"{param}.source.data")
        elif source.type == "content":
            inner = read_blocks(source.content, f"{param}.source.content")
            if any(part.type != "text" for part in inner):
                self._unread[f"{param}.source.content"] = Raw(b'"content"')
                return None
            text = "\n".join(part.text or "" for part in inner)
        else:
            place = self._place(source, param)
            if place is None:
                return None
        if _asks_citations(block):
            self._unread[f"{param}.citations"] = block.citations
        return Document(
            place=place,
            text=text,
            title=block.title or "",
            context=block.context or "",
            cached_for=cached_for(block.cache_control),
        )

    def _place(self, source: _Source, param: str) -> Place | None:
        match source.type:
            case "base64":
                return Inline(source.media_type, _said(source.data, f"{param}.source.data"))
            case "url":
                return Url(_said(source.url, f"{param}.source.url"))
            case "file":
                return Stored(_said(source.file_id, f"{param}.source.file_id"))
        self._unread[f"{param}.source"] = Raw(msgspec.json.encode(source.type))
        return None


def _text(block: Block, param: str) -> Text:
    return Text(text=_said(block.text, f"{param}.text"), cached_for=cached_for(block.cache_control))


def _said(value: str | None, param: str) -> str:
    if value is None:
        raise wrong(param, missing=True)
    return value


def _source(block: Block, param: str) -> _Source:
    if not block.source:
        raise wrong(f"{param}.source", missing=True)
    try:
        return _read_source(block.source)
    except msgspec.ValidationError as error:
        raise explain(str(error), f"{param}.source") from None


def _asks_citations(block: Block) -> bool:
    if not bytes(block.citations).startswith(b"{"):
        return False  # of an answer's text they are its footnotes, and no question
    try:
        return _read_citations(block.citations).enabled is True
    except msgspec.ValidationError:
        return False
