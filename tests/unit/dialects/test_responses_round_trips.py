"""What a caller of the Responses API can say survives its reading."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.conversation import (
    Conversation,
    Document,
    Image,
    Inline,
    JsonFormat,
    Message,
    OneTool,
    Part,
    Place,
    Refusal,
    Sound,
    Stored,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.dialects.responses.caller import ResponsesCaller
from penstock.dialects.responses.thoughts import Kept, pack
from support.calls import make_call

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "description": "Does f", "strict": True}


def read(**fields: Any) -> Conversation:
    call = make_call({"model": "fast", "input": "Hello"} | fields, dialect="responses")
    return ResponsesCaller().conversation(call)


WORDS = st.text(min_size=1, max_size=12)
NAMES = st.text("abc_", min_size=1, max_size=6)
TEXTS = st.builds(Text, text=st.text(max_size=12))
PLACES = (
    st.builds(Url, st.just("https://example.com/x"))
    | st.builds(Stored, st.just("file-1"))
    | st.builds(Inline, st.just("image/png"), st.just("aGk="))
)
IMAGES = st.builds(Image, place=PLACES, detail=st.sampled_from(["", "low", "high"]))
FILES = st.builds(Document, place=PLACES, title=st.sampled_from(["", "a.pdf"]))
SOUNDS = st.builds(Sound, format=st.just("wav"), data=st.just("aGk="))
THOUGHTS = (
    st.builds(Thought, text=WORDS)
    | st.builds(Thought, text=st.text(max_size=12), signature=WORDS, signer=st.sampled_from(["anthropic", "gemini"]))
    | st.builds(Thought, sealed=WORDS, signer=st.just("anthropic"))
)
USES = st.builds(
    ToolUse,
    id=NAMES,
    name=NAMES,
    arguments=WORDS,
    freeform=st.booleans(),
    signature=st.just(""),
) | st.builds(ToolUse, id=NAMES, name=NAMES, arguments=WORDS, signature=WORDS, signer=st.just("gemini"))
ASKED = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user"]),
    parts=st.lists(TEXTS | IMAGES | FILES | SOUNDS, min_size=1, max_size=3).map(tuple),
)
SAID = st.builds(
    Message,
    role=st.just("assistant"),
    parts=st.lists(TEXTS | st.builds(Refusal, text=WORDS) | THOUGHTS | USES, min_size=1, max_size=4).map(tuple),
)
RESULTS = st.builds(
    Message,
    role=st.just("tool"),
    parts=st.lists(
        st.builds(ToolResult, id=NAMES, parts=st.lists(TEXTS | IMAGES | FILES, min_size=1, max_size=2).map(tuple)),
        min_size=1,
        max_size=2,
    ).map(tuple),
)


def place_fields(place: Place, address: str) -> dict[str, Any]:
    match place:
        case Url(url):
            return {address: url}
        case Stored(file_id):
            return {"file_id": file_id}
        case Inline(media_type, data):
            return {"file_data" if address == "file_url" else address: f"data:{media_type};base64,{data}"}


def content(part: Part, kind: str = "input_text") -> dict[str, Any]:
    match part:
        case Text(text=text):
            return {"type": kind, "text": text}
        case Refusal(text=text):
            return {"type": "refusal", "refusal": text}
        case Image(place=place, detail=detail):
            return {"type": "input_image", "detail": detail or "auto", **place_fields(place, "image_url")}
        case Document(place=place, title=title) if place is not None:
            return {"type": "input_file", "filename": title or None, **place_fields(place, "file_url")}
        case Sound(format=form, data=data):
            return {"type": "input_audio", "input_audio": {"format": form, "data": data}}
    raise AssertionError(part)


def items(message: Message) -> list[dict[str, Any]]:
    if message.role not in ("assistant", "tool"):
        return [{"role": message.role, "content": [content(part) for part in message.parts]}]
    return [wired for part in message.parts for wired in (*before(part), item(part))]


def before(part: Part) -> list[dict[str, Any]]:
    if not isinstance(part, ToolUse) or not part.signature:
        return []
    return [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "encrypted_content": pack(Kept("call", part.signer, part.signature)),
        }
    ]


def item(part: Part) -> dict[str, Any]:
    match part:
        case Thought(text=text, signature=signature, sealed=data, signer=signer):
            summary = [{"type": "summary_text", "text": text}] if text else []
            kept = Kept("signature", signer, signature) if signature else Kept("sealed", signer, data)
            encrypted = pack(kept) if kept.data else None
            return {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": encrypted}
        case ToolUse(freeform=freeform):
            call = {"call_id": part.id, "name": part.name}
            if freeform:
                return {"type": "custom_tool_call", "input": part.arguments, **call}
            return {"type": "function_call", "arguments": part.arguments, **call}
        case ToolResult(id=call_id, parts=parts):
            output = [content(inner) for inner in parts]
            return {"type": "function_call_output", "call_id": call_id, "output": output}
        case _:
            return {"type": "message", "role": "assistant", "content": [content(part, "output_text")]}


def one_after_another(messages: list[Message]) -> list[Message]:
    """Neighbours that one side says are one message here, and results have the names of their calls."""
    whole: list[Message] = []
    names: dict[str, str] = {}
    for message in messages:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolUse):
                names[part.id] = part.name
            if isinstance(part, ToolResult):
                part = ToolResult(id=part.id, parts=part.parts, name=names.get(part.id, ""))  # noqa: PLW2901
            parts.append(part)
        if whole and whole[-1].role == message.role and message.role in ("assistant", "tool"):
            parts = [*whole.pop().parts, *parts]
        whole.append(Message(role=message.role, parts=tuple(parts)))
    return whole


@settings(max_examples=200, deadline=None)
@given(st.lists(ASKED | SAID | RESULTS, min_size=1, max_size=5))
def test_messages_survive(messages: list[Message]) -> None:
    wire = [wired for message in messages for wired in items(message)]
    assert list(read(input=wire).messages) == one_after_another(messages)


@settings(max_examples=100, deadline=None)
@given(
    effort=st.none() | st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    shown=st.none() | st.just(True),
    strict=st.none() | st.booleans(),
    temperature=st.none() | st.floats(0, 2),
    choice=st.none() | st.sampled_from(["auto", "none", "required", OneTool("f")]),
    described=st.text(max_size=5),
)
def test_choices_survive(
    effort: Any, shown: Any, strict: Any, temperature: float | None, choice: Any, described: str
) -> None:
    schema = {"type": "object"}
    conversation = read(
        reasoning={"effort": effort, "summary": "auto" if shown else None},
        text={
            "format": {"type": "json_schema", "name": "n", "schema": schema, "strict": strict, "description": described}
        },
        tools=[TOOL | {"strict": strict}, {"type": "custom", "name": "c", "description": described}],
        tool_choice={"type": "function", "name": "f"} if isinstance(choice, OneTool) else choice,
        parallel_tool_calls=strict,
        temperature=temperature,
        top_p=temperature and temperature / 2,
        user="ada",
    )
    raw = msgspec.Raw(msgspec.json.encode(schema))
    thinking = None if effort is None and shown is None else Thinking(effort=effort, shown=shown)
    assert conversation.thinking == thinking
    assert conversation.format is not None
    assert msgspec.structs.replace(conversation.format, schema=None) == JsonFormat(
        name="n", strict=strict, description=described
    )
    assert bytes(conversation.format.schema or b"") == bytes(raw)
    function, custom = conversation.tools
    assert msgspec.structs.replace(function, parameters=None) == Tool(name="f", description="Does f", strict=strict)
    assert bytes(function.parameters or b"") == bytes(raw)
    assert custom == Tool(name="c", description=described)
    assert (conversation.tool_choice, conversation.parallel_tools) == (choice, strict)
    assert (conversation.temperature, conversation.user) == (temperature, "ada")
    assert conversation.unread == {}
