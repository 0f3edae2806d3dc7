"""Gemini's dialect as properties: what both sides can say survives, and any answer is read or refused."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from penstock.core.call import Usage
from penstock.core.conversation import (
    Begun,
    Conversation,
    Document,
    Ended,
    Image,
    Inline,
    Item,
    JsonFormat,
    Message,
    OneTool,
    Reply,
    Sound,
    Stored,
    Text,
    TextGrown,
    Thinking,
    Thought,
    ThoughtGrown,
    ThoughtSealed,
    ThoughtSigned,
    Tool,
    ToolBegun,
    ToolGrown,
    ToolResult,
    ToolUse,
    Url,
    Used,
)
from penstock.core.errors import ContentBlocked, UpstreamMalformed
from penstock.dialects.gemini import GenerateContent
from penstock.dialects.translation import ProviderSide
from support.calls import make_call
from support.gemini_wire import read_request, write_events, write_response

SIDE: ProviderSide = GenerateContent("gemini-3-flash-preview", provider="google", max_output_tokens=None)

# --- requests --------------------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=16)
ids = st.text("abcDEF123-_", min_size=1, max_size=12)
data = st.sampled_from(["AA==", "aGVsbG8="])
json_objects = st.dictionaries(
    words, st.none() | st.integers(-(2**53), 2**53) | st.lists(words, max_size=2), max_size=3
)
json_texts = json_objects.map(lambda value: msgspec.json.encode(value).decode())
images = st.builds(Image, place=st.builds(Inline, st.just("image/png"), data) | st.just(Url("https://a.example/b.png")))
documents = st.builds(Document, place=st.builds(Inline, st.just("application/pdf"), data) | st.just(Stored("files/a")))
sounds = st.builds(Sound, format=st.sampled_from(["wav", "mp3"]), data=data)
texts = st.builds(Text, text=words)
signed = st.fixed_dictionaries({"signature": ids, "signer": st.just("gemini")})
thoughts = signed.flatmap(
    lambda by: st.builds(Thought, text=words, **{key: st.just(by[key]) for key in by})
) | st.builds(Thought, sealed=ids, signer=st.just("gemini"))
uses = st.builds(ToolUse, id=ids, name=ids, arguments=json_texts) | st.builds(
    ToolUse, id=ids, name=ids, arguments=json_texts, signature=ids, signer=st.just("gemini")
)
pictures = st.builds(Image, place=st.builds(Inline, st.just("image/png"), data))


def _result(use: ToolUse, text: list[Text], media: list[Image], failed: bool) -> ToolResult:  # noqa: FBT001
    return ToolResult(id=use.id, name=use.name, parts=(*text, *media), failed=failed)


def results_of(use: ToolUse) -> st.SearchStrategy[ToolResult]:
    media = st.lists(pictures, max_size=2)
    return st.builds(_result, st.just(use), st.lists(texts, max_size=1), media, st.booleans())


@st.composite
def turns(draw: st.DrawFn) -> tuple[Message, ...]:
    """What a Gemini model can be told: roles in turn, and every call answered in the next."""
    messages = []
    if draw(st.booleans()):
        messages.append(Message(role="system", parts=tuple(draw(st.lists(texts, min_size=1, max_size=2)))))
    asked: list[ToolUse] = []
    for _ in range(draw(st.integers(1, 3))):
        answers = [draw(results_of(use)) for use in asked]
        said = draw(st.lists(texts | images | documents | sounds, min_size=0 if answers else 1, max_size=3))
        messages.append(Message(role="user", parts=(*answers, *said)))
        asked = draw(st.lists(uses, max_size=2, unique_by=lambda use: use.id))
        spoken = draw(st.lists(texts | thoughts, min_size=0 if asked else 1, max_size=3))
        messages.append(Message(role="assistant", parts=(*spoken, *asked)))
    return tuple(messages)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    schemas = json_objects.map(lambda value: Raw(msgspec.json.encode(value)))
    declared = st.builds(Tool, name=ids, description=st.just("") | words, parameters=schemas)
    tools = tuple(draw(st.lists(declared, max_size=2, unique_by=lambda tool: tool.name)))
    choices = [None, "auto", "none", "required", OneTool(tools[0].name)] if tools else [None]
    number = st.none() | st.floats(0, 2)
    thinking = st.builds(
        Thinking, effort=st.sampled_from(["low", "medium", "high"]), shown=st.none() | st.booleans()
    ) | st.builds(Thinking, budget_tokens=st.integers(1, 20_000))
    return Conversation(
        messages=draw(turns()),
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)),
        format=draw(st.none() | st.builds(JsonFormat, schema=st.none() | schemas)),
        thinking=draw(st.none() | thinking),
        temperature=draw(number),
        top_p=draw(number),
        top_k=draw(st.none() | st.integers(1, 100)),
        stop=tuple(draw(st.lists(words, max_size=5))),
        seed=draw(st.none() | st.integers(-(2**31), 2**31 - 1)),
        frequency_penalty=draw(number),
        presence_penalty=draw(number),
    )


@settings(deadline=None)
@given(conversations())
def test_what_a_gemini_model_can_be_told_survives(conversation: Conversation) -> None:
    body = SIDE.request(conversation, make_call())
    assert read_request(body).conversation == conversation


# --- answers ---------------------------------------------------------------------------------------------------------


def items_of(*payloads: bytes) -> list[Item]:
    reader = SIDE.reader()
    items = [item for payload in payloads for item in reader.read(payload)]
    assert not reader.done
    return items


def fold(items: list[Item]) -> tuple[Text | Thought | ToolUse, ...]:
    """The parts that a stream's items say."""
    parts: list[Text | Thought | ToolUse] = []
    complete = True
    for item in items:
        if isinstance(item, Begun | Used | Ended):
            continue
        last = None if complete or not parts else parts[-1]
        complete = False
        match item:
            case TextGrown():
                if isinstance(last, Text):
                    parts.pop()
                parts.append(Text(text=(last.text if isinstance(last, Text) else "") + item.text))
            case ThoughtGrown():
                if isinstance(last, Thought):
                    parts.pop()
                parts.append(Thought(text=(last.text if isinstance(last, Thought) else "") + item.text))
            case ThoughtSigned():
                if isinstance(last, Thought):
                    parts.pop()
                text = last.text if isinstance(last, Thought) else ""
                parts.append(Thought(text=text, signature=item.signature, signer=item.signer))
                complete = True
            case ThoughtSealed():
                parts.append(Thought(sealed=item.sealed, signer=item.signer))
                complete = True
            case ToolBegun():
                made = ToolUse(id=item.id, name=item.name, arguments="", signature=item.signature, signer=item.signer)
                parts.append(made)
                assert sum(isinstance(part, ToolUse) for part in parts) == item.slot + 1
            case ToolGrown():
                assert isinstance(last, ToolUse)
                parts[-1] = msgspec.structs.replace(last, arguments=last.arguments + item.text)
            case _:
                pass
    return tuple(parts)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(words, json_values, max_size=3).map(lambda value: msgspec.json.encode(value).decode())
said = (
    st.builds(Text, text=words)
    | st.builds(Thought, text=words)
    | st.builds(Thought, text=words, signature=ids, signer=st.just("gemini"))
    | st.builds(Thought, sealed=ids, signer=st.just("gemini"))
    | st.builds(ToolUse, id=ids, name=ids, arguments=arguments)
    | st.builds(ToolUse, id=ids, name=ids, arguments=arguments, signature=ids, signer=st.just("gemini"))
)


def _are_two(before: object, after: object) -> bool:
    """Whether they would not be read as one part."""
    if isinstance(before, Thought) and isinstance(after, Thought):
        return bool(before.signature or before.sealed or after.sealed)
    return not (isinstance(before, Text) and isinstance(after, Text))


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    parts: list[Text | Thought | ToolUse] = []
    taken: set[str] = set()
    for part in draw(st.lists(said, max_size=6)):
        if isinstance(part, ToolUse):
            if part.id in taken:
                continue
            taken.add(part.id)
        if not parts or _are_two(parts[-1], part):
            parts.append(part)
    thoughts = draw(st.integers(0, 50))
    usage = Usage(draw(st.integers(0, 2**31)), thoughts + draw(st.integers(0, 50)), reasoning_tokens=thoughts)
    return Reply(
        parts=tuple(parts),
        finish="tools" if taken else "stop",
        id=draw(ids),
        model="gemini-3-flash-preview",
        usage=draw(st.none() | st.just(usage)),
    )


@settings(deadline=None)
@given(replies())
def test_what_is_written_is_read(reply: Reply) -> None:
    assert SIDE.reply(write_response(reply, finish="STOP")) == reply


@settings(deadline=None)
@given(replies())
def test_an_answer_goes_back_as_it_came_but_for_thoughts_that_nothing_proves(reply: Reply) -> None:
    heard = SIDE.reply(write_response(reply, finish="STOP")).parts
    messages = (Message(role="user", parts=(Text(text="Hello"),)), Message(role="assistant", parts=heard))
    asked = read_request(SIDE.request(Conversation(messages=messages), make_call())).conversation
    proved = tuple(part for part in heard if not isinstance(part, Thought) or part.signer)
    assert [message.parts for message in asked.messages[1:]] == ([proved] if proved else [])


@settings(deadline=None)
@given(replies(), st.integers(1, 9))
def test_a_stream_says_what_the_whole_answer_says(reply: Reply, characters: int) -> None:
    items = items_of(*write_events(reply, finish="STOP", characters=characters))
    assert items[0] == Begun(id=reply.id, model=reply.model, usage=reply.usage)
    assert items[-1] == Ended(finish=reply.finish)
    assert fold(items) == reply.parts
    assert [item.usage for item in items if isinstance(item, Used)] == ([reply.usage] if reply.usage else [])


names = st.sampled_from(
    [
        "candidates",
        "content",
        "parts",
        "text",
        "thought",
        "thoughtSignature",
        "functionCall",
        "name",
        "args",
        "id",
        "finishReason",
        "index",
        "usageMetadata",
        "promptTokenCount",
        "promptFeedback",
        "blockReason",
        "modelVersion",
        "responseId",
        "error",
        "inlineData",
    ]
)
near_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["STOP", "SAFETY", "x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
near_parts = st.lists(st.dictionaries(names, near_values, max_size=3), max_size=3)
payloads = (
    st.binary(max_size=60)
    | near_values.map(msgspec.json.encode)
    | near_parts.map(lambda parts: msgspec.json.encode({"candidates": [{"content": {"parts": parts}}]}))
    | st.fixed_dictionaries({"candidates": near_values, "usageMetadata": near_values}).map(msgspec.json.encode)
)


@settings(deadline=None, max_examples=300)
@given(st.lists(payloads, max_size=4))
def test_any_payloads_give_items_or_an_error_of_ours(sent: list[bytes]) -> None:
    reader = SIDE.reader()
    for payload in sent:
        try:
            reader.read(payload)
        except (UpstreamMalformed, ContentBlocked):
            break
    for payload in sent:
        try:
            SIDE.reply(payload)
        except (UpstreamMalformed, ContentBlocked):
            continue
