"""Input items become messages: what callers and earlier answers said, in order.

Shapes are those of openai 3.54 (``types/responses/response_input_item.py`` and what it names, 2026-11-21).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from penstock.core.conversation import (
    Document,
    Image,
    Inline,
    Message,
    Part,
    Place,
    Refusal,
    Role,
    Sound,
    Stored,
    Text,
    Thought,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.core.errors import InvalidParameter
from penstock.dialects.responses.faults import explain, wrong
from penstock.dialects.responses.thoughts import Kept, unpack

_NOTHING_KEPT = Kept("call", "", "")
_INPUT_TEXTS = frozenset(("input_text", "output_text", "text"))


class _Head(Struct):
    type: str | None = None
    role: str | None = None


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant"]
    content: Raw


class _Sound(Struct):
    data: str
    format: str


class _Part(Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    input_audio: _Sound | None = None


class _FunctionCall(Struct):
    call_id: str
    name: str
    arguments: str


class _CustomCall(Struct):
    call_id: str
    name: str
    input: str


class _Output(Struct):
    call_id: str
    output: Raw


class _Words(Struct):
    text: str = ""


class _Reasoning(Struct):
    summary: list[_Words] | None = None
    content: list[_Words] | None = None
    encrypted_content: str | None = None


_read_heads = msgspec.json.Decoder(list[_Head]).decode
_read_raws = msgspec.json.Decoder(list[Raw]).decode
_read_parts = msgspec.json.Decoder(list[_Part]).decode
_read_text = msgspec.json.Decoder(str).decode
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "message": msgspec.json.Decoder(_Message),
    "reasoning": msgspec.json.Decoder(_Reasoning),
    "function_call": msgspec.json.Decoder(_FunctionCall),
    "custom_tool_call": msgspec.json.Decoder(_CustomCall),
    "function_call_output": msgspec.json.Decoder(_Output),
    "custom_tool_call_output": msgspec.json.Decoder(_Output),
}


class Messages:
    """Collects messages; what one side says in several items is one of them.

    ``unread`` are items that belong to OpenAI's own tools, by their type.
    """

    def __init__(self) -> None:
        self.unread: dict[str, Raw] = {}
        self._said: list[tuple[Role, list[Part]]] = []
        self._tool_names: dict[str, str] = {}
        self._call_kept = _NOTHING_KEPT  # of the tool call that comes next

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of them, in order."""
        return tuple(Message(role=role, parts=tuple(parts)) for role, parts in self._said)

    def say(self, role: Role, *parts: Part) -> None:
        """Add what ``role`` says, if it is anything."""
        self._call_kept = _NOTHING_KEPT
        if not parts:
            return
        if role in ("assistant", "tool") and self._said and self._said[-1][0] == role:
            self._said[-1][1].extend(parts)
        else:
            self._said.append((role, list(parts)))

    def read(self, raw: Raw) -> None:
        """Add the input of a call. Raises ``InvalidParameter``."""
        if bytes(raw).startswith(b'"'):
            self.say("user", Text(text=_read_text(raw)))
            return
        try:
            heads = _read_heads(raw)
        except msgspec.ValidationError as error:
            raise explain(str(error), "input") from None
        for index, (head, item) in enumerate(zip(heads, _read_raws(raw), strict=True)):
            self._read_item(head, item, f"input[{index}]")

    def _read_item(self, head: _Head, raw: Raw, param: str) -> None:
        kind = head.type or ("message" if head.role else "item_reference")
        if kind == "item_reference":
            msg = f"`{param}` refers to an item that is not kept here: send the item itself."
            raise InvalidParameter(msg, param=param)
        decoder = _DECODERS.get(kind)
        if decoder is None:
            self.unread[kind] = raw
            return
        try:
            item = decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise explain(str(error), param) from None
        match item:
            case _Message():
                self.say(item.role, *_parts(item.content, f"{param}.content"))
            case _Reasoning():
                self._read_thought(item)
            case _FunctionCall() | _CustomCall():
                self._read_call(item)
            case _Output():
                parts = _tool_parts(item.output, f"{param}.output")
                self.say("tool", ToolResult(id=item.call_id, parts=parts, name=self._tool_names.get(item.call_id, "")))

    def _read_thought(self, item: _Reasoning) -> None:
        text = "\n\n".join([part.text for part in (*(item.summary or ()), *(item.content or ()))])
        if not item.encrypted_content:
            if text:
                self.say("assistant", Thought(text=text))
            return
        kept = unpack(item.encrypted_content)
        if kept.kind == "call":
            self._call_kept = kept
        elif kept.kind == "signature":
            self.say("assistant", Thought(text=text, signature=kept.data, signer=kept.signer))
        else:
            self.say("assistant", Thought(text=text, sealed=kept.data, signer=kept.signer))

    def _read_call(self, item: _FunctionCall | _CustomCall) -> None:
        self._tool_names[item.call_id] = item.name
        kept = self._call_kept
        freeform = isinstance(item, _CustomCall)
        use = ToolUse(
            id=item.call_id,
            name=item.name,
            arguments=item.input if isinstance(item, _CustomCall) else item.arguments,
            freeform=freeform,
            signature=kept.data,
            signer=kept.signer,
        )
        self.say("assistant", use)


def _tool_parts(raw: Raw, param: str) -> tuple[Text | Image | Document, ...]:
    parts: list[Text | Image | Document] = []
    for index, part in enumerate(_parts(raw, param)):
        if not isinstance(part, Text | Image | Document):
            raise wrong(f"{param}[{index}].type")
        parts.append(part)
    return tuple(parts)


def _parts(raw: Raw, param: str) -> tuple[Part, ...]:
    if bytes(raw).startswith(b'"'):
        return (Text(text=_read_text(raw)),)
    try:
        parts = _read_parts(raw)
    except msgspec.ValidationError as error:
        raise explain(str(error), param) from None
    return tuple(_part(part, f"{param}[{index}]") for index, part in enumerate(parts))


def _part(part: _Part, param: str) -> Part:
    if part.type in _INPUT_TEXTS and part.text is not None:
        return Text(text=part.text)
    if part.type == "refusal" and part.refusal is not None:
        return Refusal(text=part.refusal)
    if part.type == "input_audio" and part.input_audio is not None:
        return Sound(format=part.input_audio.format, data=part.input_audio.data)
    if part.type == "input_image":
        detail = "" if part.detail in (None, "auto") else str(part.detail)
        return Image(place=_place(part, part.image_url, None, param), detail=detail)
    if part.type == "input_file":
        return Document(place=_place(part, part.file_url, part.file_data, param), title=part.filename or "")
    missing = "text" if part.type in _INPUT_TEXTS else part.type if part.type in ("refusal", "input_audio") else ""
    raise wrong(f"{param}.{missing or 'type'}", missing=bool(missing))


def _place(part: _Part, url: str | None, data: str | None, param: str) -> Place:
    if part.file_id:
        return Stored(part.file_id)
    if url and not url.startswith("data:"):
        return Url(url)
    inline = data or url
    if not inline:
        msg = f"`{param}` must say where its data lies: by an address, as a data URL or by a `file_id`."
        raise InvalidParameter(msg, param=param)
    if not inline.startswith("data:"):
        return Inline("", inline)
    head, comma, base64 = inline.partition(",")
    media_type, _, coding = head.removeprefix("data:").rpartition(";")
    if not comma or coding != "base64":
        msg = f"`{param}` holds a data URL that is not in base64: write `data:TYPE;base64,DATA`."
        raise InvalidParameter(msg, param=param)
    return Inline(media_type, base64)
