"""What the Messages API can say survives both ways: generated conversations, answers and streams."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from penstock.core.call import Call, Usage
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
    Part,
    PartEnded,
    RefusalGrown,
    Reply,
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
from penstock.dialects.anthropic import MessagesCaller, MessagesProvider, read_messages
from penstock.dialects.sse import SseSplitter
from support.calls import make_call

CALLER = MessagesCaller()
PROVIDER = MessagesProvider("claude-test", provider="anthropic", max_output_tokens=None)

# --- strategies ------------------------------------------------------------------------------------------------------

letters = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
words = letters.filter(lambda text: bool(text.strip()))
names = st.text("abcdefgXYZ019_-", min_size=1, max_size=8)
lives = st.sampled_from(["", "5m", "1h"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | letters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(letters, json_values, max_size=3).map(lambda fields: msgspec.json.encode(fields).decode())
schemas = st.dictionaries(names, json_values, max_size=2).map(
    lambda fields: Raw(msgspec.json.encode({"type": "object"} | fields))
)

texts = st.builds(Text, text=words, cached_for=lives)
places = st.builds(Url, words) | st.builds(Stored, names) | st.builds(Inline, st.just("image/png"), names)
images = st.builds(Image, place=places, cached_for=lives)
files = st.builds(Url, words) | st.builds(Stored, names) | st.builds(Inline, st.just("application/pdf"), names)
captions = st.just("") | words
documents = st.builds(Document, place=files, title=captions, context=captions, cached_for=lives) | st.builds(
    Document, text=words, title=captions, context=captions, cached_for=lives
)
proofs = st.text("ABCxyz+/=", min_size=1, max_size=8)
thoughts = st.builds(Thought, text=captions, signature=proofs, signer=st.just("anthropic")) | st.builds(
    Thought, sealed=proofs, signer=st.just("anthropic")
)
tool_uses = st.builds(ToolUse, id=names, name=names, arguments=objects, cached_for=lives)
results = st.builds(
    ToolResult,
    id=names,
    parts=st.lists(texts | images | documents, max_size=2).map(tuple),
    failed=st.booleans(),
    cached_for=lives,
)


@st.composite
def turns(draw: st.DrawFn) -> tuple[Message, ...]:
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message(role="system", parts=tuple(draw(st.lists(texts, min_size=1, max_size=2)))))
    asked = st.lists(texts | images | documents, min_size=1, max_size=3).map(tuple)
    said = st.lists(texts | thoughts | tool_uses, min_size=1, max_size=4).map(tuple)
    messages.append(Message(role="user", parts=draw(asked)))
    for _ in range(draw(st.integers(0, 2))):
        messages.append(Message(role="assistant", parts=draw(said)))
        found = draw(st.lists(results, max_size=2))
        messages += [Message(role="tool", parts=(result,)) for result in found]
        if not found or draw(st.booleans()):
            messages.append(Message(role="user", parts=draw(asked)))
    return tuple(messages)


tools = st.builds(
    Tool,
    name=names,
    description=captions,
    parameters=schemas,
    strict=st.none() | st.booleans(),
    cached_for=lives,
)
efforts = st.sampled_from(["low", "medium", "high", "xhigh", "max"])
thinking = (
    st.none()
    | st.just(Thinking(effort="none"))
    | st.builds(
        Thinking,
        effort=st.none() | efforts,
        budget_tokens=st.none() | st.integers(1024, 4000),
        shown=st.none() | st.booleans(),
    )
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    offered = tuple(draw(st.lists(tools, max_size=2)))
    choice: Any = draw(st.sampled_from([None, "auto", "none", "required"]) | st.builds(OneTool, names))
    if not offered:
        choice = None
    alone = choice is not None and choice != "none" and draw(st.booleans())
    return Conversation(
        messages=draw(turns()),
        tools=offered,
        tool_choice=choice,
        parallel_tools=False if alone else None,
        format=draw(st.none() | st.builds(JsonFormat, schema=schemas, strict=st.just(True))),
        thinking=draw(thinking),
        max_output_tokens=draw(st.integers(4096, 100_000)),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | st.integers(0, 500)),
        stop=tuple(draw(st.lists(words, max_size=2))),
        user=draw(captions),
    )


answers = st.lists(
    st.builds(Text, text=letters) | thoughts | st.builds(ToolUse, id=names, name=names, arguments=objects),
    max_size=5,
).map(tuple)
counts = st.integers(0, 10_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, output = draw(counts), draw(counts), draw(counts)
    return Usage(
        cached + written + draw(counts),
        output,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=draw(st.integers(0, output)),
    )


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    finish: Any = draw(st.sampled_from(["stop", "length", "tools", "refused", "paused", "context"]))
    stop = draw(captions) if finish == "stop" else ""
    return Reply(parts=draw(answers), finish=finish, id="msg_1", model="fast", stop=stop, usage=draw(usages()))


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    at = draw(st.integers(0, len(text)))
    return [text[:at], text[at:]]


@st.composite
def told(draw: st.DrawFn, reply: Reply) -> list[Item]:
    """``reply`` as a stream; tools that follow one another may alternate."""
    items: list[Item] = [Begun(id=reply.id, model=reply.model)]
    slot = 0
    running: list[list[Item]] = []

    def settle() -> None:
        while any(running):
            turn = draw(st.sampled_from([grown for grown in running if grown]))
            items.append(turn.pop(0))
        running.clear()

    for part in reply.parts:
        if isinstance(part, ToolUse):
            items.append(ToolBegun(slot=slot, id=part.id, name=part.name))
            running.append([ToolGrown(slot, piece) for piece in pieces(draw, part.arguments)])
            slot += 1
            if draw(st.booleans()):
                settle()
            continue
        settle()
        if isinstance(part, Text):
            items += [PartEnded(), *(TextGrown(piece) for piece in pieces(draw, part.text))]
        elif isinstance(part, Thought) and part.sealed:
            items.append(ThoughtSealed(part.sealed, part.signer))
        elif isinstance(part, Thought):
            items += [ThoughtGrown(piece) for piece in pieces(draw, part.text)]
            items.append(ThoughtSigned(part.signature, part.signer))
    settle()
    return [*items, Ended(finish=reply.finish, stop=reply.stop)]


# --- what the tests say it with --------------------------------------------------------------------------------------


def call_of(conversation: Conversation, **changes: Any) -> Call:
    return make_call({}, max_output_tokens=conversation.max_output_tokens, **changes)


def payloads(stream: bytes) -> list[bytes]:
    return SseSplitter(1 << 20).feed(stream)


def written(items: list[Item], usage: Usage, **changes: Any) -> bytes:
    writer = CALLER.writer(make_call(dialect="anthropic", **changes))
    return b"".join(writer.write(item) for item in items) + writer.end(usage)


def read_again(stream: bytes) -> Reply:
    """The answer that a stream tells."""
    reader = PROVIDER.reader()
    items = [item for payload in payloads(stream) for item in reader.read(payload)]
    assert reader.done
    begun, ended = items[0], items[-1]
    assert isinstance(begun, Begun)
    assert isinstance(ended, Ended)
    usage = next(item.usage for item in reversed(items) if isinstance(item, Used))
    return Reply(
        parts=gathered(items), finish=ended.finish, id=begun.id, model=begun.model, stop=ended.stop, usage=usage
    )


def gathered(items: list[Item]) -> tuple[Part, ...]:
    parts: list[Part] = []
    text = thought = ""
    slots: dict[int, int] = {}
    for item in items:
        match item:
            case TextGrown():
                text += item.text
            case ThoughtGrown():
                thought += item.text
            case ThoughtSigned():
                parts.append(Thought(text=thought, signature=item.signature, signer=item.signer))
                thought = ""
            case ThoughtSealed():
                parts.append(Thought(sealed=item.sealed, signer=item.signer))
            case ToolBegun():
                slots[item.slot] = len(parts)
                parts.append(ToolUse(id=item.id, name=item.name, arguments=""))
            case ToolGrown():
                tool = parts[slots[item.slot]]
                assert isinstance(tool, ToolUse)
                parts[slots[item.slot]] = msgspec.structs.replace(tool, arguments=tool.arguments + item.text)
            case PartEnded():
                if text:
                    parts.append(Text(text=text))
                if thought:
                    parts.append(Thought(text=thought))
                text = thought = ""
    return tuple(parts)


def check_order(stream: bytes) -> None:
    """Blocks follow one another, as clients rely on."""
    events = [msgspec.json.decode(payload) for payload in payloads(stream)]
    for payload, event in zip(stream.split(b"\n\n"), events, strict=False):
        assert payload.startswith(f"event: {event['type']}\ndata: ".encode())
    kinds = [event["type"] for event in events]
    assert (kinds[:2], kinds[-2:]) == (["message_start", "ping"], ["message_delta", "message_stop"])
    index, is_open = -1, False
    for event in events[2:-2]:
        if event["type"] == "content_block_start":
            assert not is_open
            index, is_open = index + 1, True
        else:
            assert is_open
            is_open = event["type"] == "content_block_delta"
        assert event["index"] == index
    assert not is_open


def answered(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """``parts`` without the proofs behind the last words, for no turn may end with a thought."""
    if any(not isinstance(part, Thought) for part in parts):
        while isinstance(parts[-1], Thought) and not parts[-1].text:
            parts = parts[:-1]
    return parts


# --- what holds ------------------------------------------------------------------------------------------------------


@given(conversations())
def test_a_conversation_survives(conversation: Conversation) -> None:
    body = PROVIDER.request(conversation, call_of(conversation))
    assert read_messages(body).max_output_tokens == conversation.max_output_tokens
    call = make_call(dialect="anthropic", fields=msgspec.json.decode(body, type=dict[str, Raw]))
    assert CALLER.conversation(call) == conversation


@given(replies())
def test_an_answer_survives(reply: Reply) -> None:
    body = CALLER.reply(reply, make_call(), reply.usage or Usage())
    assert PROVIDER.reply(body) == msgspec.structs.replace(reply, parts=answered(reply.parts))


@given(st.data(), replies())
def test_a_stream_survives_however_its_tools_alternate(data: st.DataObject, reply: Reply) -> None:
    stream = written(data.draw(told(reply)), reply.usage or Usage())
    check_order(stream)
    assert read_again(stream) == msgspec.structs.replace(reply, parts=answered(reply.parts))


slots = st.integers(0, 3)
legal_items = st.one_of(
    st.builds(TextGrown, captions),
    st.builds(RefusalGrown, captions),
    st.builds(ThoughtGrown, captions),
    st.builds(ThoughtSigned, proofs, st.sampled_from(["anthropic", "openai", "gemini"])),
    st.builds(ThoughtSealed, proofs, st.sampled_from(["anthropic", "openai", "gemini"])),
    st.builds(ToolBegun, slot=slots, id=names, name=names, freeform=st.booleans(), signature=st.just("") | proofs),
    st.builds(ToolGrown, slots, captions),
    st.just(PartEnded()),
    st.builds(Used, usages()),
)


@given(st.lists(legal_items), usages())
def test_whatever_is_told_blocks_follow_one_another(items: list[Item], usage: Usage) -> None:
    stream = written([Begun(), *items, Ended(finish="stop")], usage)
    check_order(stream)
    assert read_again(stream).usage == usage


signed = st.builds(
    ToolUse, id=names, name=names, arguments=objects, signature=proofs, signer=st.sampled_from(["gemini", "openai"])
)
foreign = st.builds(Thought, text=captions, signature=proofs, signer=st.sampled_from(["gemini", "openai"])) | st.builds(
    Thought, sealed=proofs, signer=st.sampled_from(["gemini", "openai"])
)


@given(st.lists(foreign | signed, min_size=1, max_size=4).map(tuple))
def test_signatures_of_other_providers_come_back_with_the_next_turn(parts: tuple[Part, ...]) -> None:
    message = msgspec.json.decode(CALLER.reply(Reply(parts=parts, finish="stop"), make_call(), Usage()))
    turn = {"role": "assistant", "content": message["content"]}
    (read,) = CALLER.conversation(make_call({"messages": [turn]}, dialect="anthropic")).messages
    assert read.parts == answered(parts)


@given(st.lists(foreign | signed, min_size=1, max_size=4))
def test_a_stream_keeps_them_too(parts: list[Thought | ToolUse]) -> None:
    items: list[Item] = [Begun()]
    for slot, part in enumerate(parts):
        if isinstance(part, ToolUse):
            items.append(ToolBegun(slot=slot, id=part.id, name=part.name, signature=part.signature, signer=part.signer))
            items.append(ToolGrown(slot, part.arguments))
        elif part.sealed:
            items.append(ThoughtSealed(part.sealed, part.signer))
        else:
            items += [ThoughtGrown(part.text), ThoughtSigned(part.signature, part.signer)]
    reply = PROVIDER.reply(whole(written([*items, Ended(finish="stop")], Usage())))
    message = msgspec.json.decode(CALLER.reply(reply, make_call(), Usage()))
    turn = {"role": "assistant", "content": message["content"]}
    (read,) = CALLER.conversation(make_call({"messages": [turn]}, dialect="anthropic")).messages
    assert read.parts == answered(tuple(parts))


def whole(stream: bytes) -> bytes:
    """The message that a client puts together."""
    message: dict[str, Any] = {}
    inputs: dict[int, str] = {}
    for payload in payloads(stream):
        match msgspec.json.decode(payload):
            case {"type": "message_start", "message": begun}:
                message = begun
            case {"type": "content_block_start", "content_block": block}:
                message["content"].append(block)
            case {"type": "content_block_delta", "index": index, "delta": {"type": kind} as delta}:
                block = message["content"][index]
                if kind == "input_json_delta":
                    inputs[index] = inputs.get(index, "") + delta["partial_json"]
                    continue
                key = kind.removesuffix("_delta")
                block[key] = block[key] + delta[key]
    for index, text in inputs.items():
        message["content"][index]["input"] = Raw(text.encode())
    return msgspec.json.encode(message)
