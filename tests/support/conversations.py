"""Conversations, replies and streams drawn by hypothesis, for round trips through a dialect.

``Sayable`` names what a dialect can say: a test switches off what its dialect cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from penstock.core.call import Usage
from penstock.core.conversation import (
    Begun,
    Conversation,
    Ended,
    Finish,
    Item,
    JsonFormat,
    Message,
    OneTool,
    Part,
    PartEnded,
    Refusal,
    RefusalGrown,
    Reply,
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
    Used,
)
from support.sayable import EVERYTHING, Sayable, asked_parts, cached, idents, images, said_parts, text_parts, texts

SCHEMA = Raw(b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}')


def conversations(can: Sayable = EVERYTHING) -> st.SearchStrategy[Conversation]:
    """Chats that a client could have had, with whatever else is asked of them."""
    return _conversations(can)


def replies(can: Sayable = EVERYTHING) -> st.SearchStrategy[Reply]:
    """Whole answers. One that calls tools ends for that, or for its length; so does one that refuses."""
    return _replies(can)


def item_sequences(can: Sayable = EVERYTHING) -> st.SearchStrategy[list[Item]]:
    """Legal streams: of any reply, cut anywhere; ``reply_of`` makes it whole again."""
    return _item_sequences(can)


def reply_of(items: Sequence[Item]) -> Reply:
    """The answer that a stream amounts to."""
    begun = next((item for item in items if isinstance(item, Begun)), Begun())
    ended = next((item for item in items if isinstance(item, Ended)), None)
    usage = begun.usage
    parts: list[Part] = []
    places: dict[int, int] = {}
    goes_on = False
    for item in items:
        if isinstance(item, Used):
            usage = item.usage
        elif isinstance(item, ToolGrown):
            call = parts[places[item.slot]]
            assert isinstance(call, ToolUse)
            parts[places[item.slot]] = replace(call, arguments=call.arguments + item.text)
        elif isinstance(item, ThoughtSigned):
            if not (goes_on and isinstance(parts[-1], Thought)):
                parts.append(Thought())
            parts[-1] = replace(parts[-1], signature=item.signature, signer=item.signer)
            goes_on = False
        elif (started := _started(item)) is not None:
            if goes_on and type(parts[-1]) is type(started) and isinstance(started, Text | Thought | Refusal):
                parts[-1] = replace(started, text=parts[-1].text + started.text)  # type: ignore[union-attr]
            else:
                parts.append(started)
            goes_on = not isinstance(item, ThoughtSealed | ToolBegun)
            if isinstance(item, ToolBegun):
                places[item.slot] = len(parts) - 1
        else:
            goes_on = False
    return Reply(
        parts=tuple(parts),
        finish=ended.finish if ended else "stop",
        stop=ended.stop if ended else "",
        id=begun.id,
        model=begun.model,
        usage=usage,
    )


def _started(item: Item) -> Part | None:
    if isinstance(item, TextGrown):
        return Text(text=item.text)
    if isinstance(item, RefusalGrown):
        return Refusal(text=item.text)
    if isinstance(item, ThoughtGrown):
        return Thought(text=item.text)
    if isinstance(item, ThoughtSealed):
        return Thought(sealed=item.sealed, signer=item.signer)
    if isinstance(item, ToolBegun):
        return ToolUse(
            id=item.id,
            name=item.name,
            arguments="",
            freeform=item.freeform,
            signature=item.signature,
            signer=item.signer,
        )
    return None


# --- chats -----------------------------------------------------------------------------------------------------------


@st.composite
def _results(draw: st.DrawFn, can: Sayable, call: ToolUse) -> ToolResult:
    kinds: list[st.SearchStrategy[Any]] = [text_parts(can)]
    if can.results_show and can.images:
        kinds.append(images(can))
    return ToolResult(
        id=call.id,
        parts=tuple(draw(st.lists(st.one_of(kinds), max_size=3))),
        name=call.name if can.results_named and draw(st.booleans()) else "",
        failed=can.results_fail and draw(st.booleans()),
        cached_for=draw(cached(can)),
    )


@st.composite
def _turns(draw: st.DrawFn, can: Sayable) -> tuple[Message, ...]:
    messages: list[Message] = []
    number = 0
    for role in draw(st.lists(st.sampled_from(can.roles), min_size=1, max_size=4)):
        name = draw(st.just("") | idents) if can.names else ""
        if role != "assistant":
            spoken: st.SearchStrategy[Any] = st.lists(text_parts(can), min_size=1, max_size=2)
            asked: list[Part] = draw(asked_parts(can) if role == "user" else spoken)
            messages.append(Message(role=role, parts=tuple(asked), name=name))
            continue
        said = draw(said_parts(can, number))
        messages.append(Message(role=role, parts=tuple(said), name=name))
        calls = [part for part in said if isinstance(part, ToolUse)]
        number += len(calls)
        results = [draw(_results(can, call)) for call in calls]
        if results and can.results_together:
            messages.append(Message(role=can.results_role, parts=tuple(results)))
        else:
            messages += [Message(role=can.results_role, parts=(result,)) for result in results]
    return tuple(messages)


@cache
def _tools(can: Sayable) -> st.SearchStrategy[list[Tool]]:
    tool = st.builds(
        Tool,
        name=idents,
        description=st.just("") | texts,
        parameters=st.just(SCHEMA) | (st.none() if can.freeform else st.nothing()),
        strict=st.sampled_from((None, True, False) if can.strict_tools else (None,)),
        cached_for=cached(can),
    )
    # Only what takes JSON can be strict about it.
    plain = tool.map(lambda tool: tool if tool.parameters is not None else replace(tool, strict=None))
    return st.lists(plain, max_size=3, unique_by=lambda tool: tool.name)


@cache
def _formats() -> st.SearchStrategy[JsonFormat]:
    strict = st.sampled_from((None, True, False))
    typed = st.builds(JsonFormat, schema=st.just(SCHEMA), name=idents, description=st.just("") | texts, strict=strict)
    return st.just(JsonFormat()) | typed


@cache
def _thinking(can: Sayable) -> st.SearchStrategy[Thinking]:
    shown = st.sampled_from((None, True, False)) if can.thinking_shown else st.none()
    efforts = st.builds(Thinking, effort=st.sampled_from(can.efforts), shown=shown) if can.efforts else st.nothing()
    budgets = st.builds(Thinking, budget_tokens=st.integers(1024, 32_000), shown=shown)
    return efforts | (budgets if can.budgets else st.nothing())


@st.composite
def _conversations(draw: st.DrawFn, can: Sayable) -> Conversation:
    tools = tuple(draw(_tools(can)))
    number = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 3))
    optional: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "format": _formats,
        "thinking": lambda: _thinking(can),
        "temperature": lambda: number,
        "top_p": lambda: number,
        "top_k": lambda: st.integers(1, 500),
        "stop": lambda: st.lists(texts, min_size=1, max_size=4).map(tuple),
        "seed": lambda: st.integers(0, 2**31),
        "frequency_penalty": lambda: number,
        "presence_penalty": lambda: number,
        "choices": lambda: st.integers(2, 4),
        "logprobs": lambda: st.just(True),
        "user": lambda: idents,
    }
    if tools:
        words: st.SearchStrategy[Any] = st.sampled_from(("auto", "none", "required"))
        optional["tool_choice"] = lambda: words | st.sampled_from([OneTool(tool.name) for tool in tools])
        optional["parallel_tools"] = st.booleans
    allowed = sorted(can.given & optional.keys())
    given = draw(st.sets(st.sampled_from(allowed))) if allowed else set()
    values = {name: draw(optional[name]()) for name in sorted(given)}
    return Conversation(messages=draw(_turns(can)), tools=tools, **values)


# --- answers ---------------------------------------------------------------------------------------------------------


@st.composite
def _usages(draw: st.DrawFn) -> Usage:
    asked, said = draw(st.integers(0, 9999)), draw(st.integers(0, 9999))
    cached = draw(st.integers(0, asked))
    return Usage(
        input_tokens=asked,
        output_tokens=said,
        cached_tokens=cached,
        cache_write_tokens=draw(st.integers(0, asked - cached)),
        reasoning_tokens=draw(st.integers(0, said)),
    )


@st.composite
def _replies(draw: st.DrawFn, can: Sayable) -> Reply:
    parts = draw(said_parts(replace(can, cache_points=())))
    finishes: tuple[Finish, ...] = can.finishes
    if any(isinstance(part, ToolUse) for part in parts):
        finishes = ("tools", "length")
    if any(isinstance(part, Refusal) for part in parts):
        finishes = ("refused", "length")
    finish = draw(st.sampled_from(finishes))
    return Reply(
        parts=tuple(parts),
        finish=finish,
        id=draw(idents),
        model=draw(idents),
        stop=draw(st.just("") | texts) if can.stops and finish == "stop" else "",
        usage=draw(_usages()),
    )


def _cut(draw: st.DrawFn, text: str) -> list[str]:
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True) if start < end]


def _grown(draw: st.DrawFn, part: Part, slot: int) -> list[Item]:
    if isinstance(part, ToolUse):
        begun = ToolBegun(
            slot=slot,
            id=part.id,
            name=part.name,
            freeform=part.freeform,
            signature=part.signature,
            signer=part.signer,
        )
        return [begun, *(ToolGrown(slot, piece) for piece in _cut(draw, part.arguments))]
    if isinstance(part, Thought) and part.sealed:
        return [ThoughtSealed(part.sealed, part.signer)]
    grown: type[TextGrown | ThoughtGrown | RefusalGrown]
    grown = ThoughtGrown if isinstance(part, Thought) else RefusalGrown if isinstance(part, Refusal) else TextGrown
    assert isinstance(part, Text | Thought | Refusal)
    items: list[Item] = [grown(piece) for piece in _cut(draw, part.text)]
    if isinstance(part, Thought) and part.signature:
        items.append(ThoughtSigned(part.signature, part.signer))
    return items


@st.composite
def _item_sequences(draw: st.DrawFn, can: Sayable) -> list[Item]:
    reply = draw(_replies(can))
    items: list[Item] = []
    slot, last = 0, None
    for part in reply.parts:
        grown = _grown(draw, part, slot)
        if isinstance(part, ToolUse):
            # Arguments of calls beside one another may come by turns.
            if slot and isinstance(items[-1], ToolGrown) and draw(st.booleans()):
                late = items.pop()
                grown = [grown[0], late, *grown[1:]]
            slot += 1
        elif type(part) is last or draw(st.integers(0, 3)) == 0:
            items.append(PartEnded())
        items += grown
        last = type(part)
    begun = Begun(id=reply.id, model=reply.model, usage=draw(st.none() | _usages()))
    assert reply.usage is not None
    return [begun, *items, Used(reply.usage), Ended(finish=reply.finish, stop=reply.stop)]
