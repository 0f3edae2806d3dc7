"""Any answer in the Responses API: the protocol is kept, and nothing that was said is lost."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from penstock.core.conversation import (
    Begun,
    Ended,
    Finish,
    Item,
    Part,
    PartEnded,
    Refusal,
    RefusalGrown,
    Reply,
    Text,
    TextGrown,
    Thought,
    ThoughtGrown,
    ThoughtSealed,
    ThoughtSigned,
    ToolBegun,
    ToolGrown,
    ToolUse,
    Used,
)
from support.responses import USAGE, caller, responses_call, streamed, whole

FINISHES: list[Finish] = ["stop", "length", "tools", "filtered", "refused", "paused", "context"]
# As openai 3.54 reads them.
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

WORDS = st.text(min_size=1, max_size=8)
PARTS: st.SearchStrategy[Part] = (
    st.builds(Text, text=WORDS)
    | st.builds(Refusal, text=WORDS)
    | st.builds(Thought, text=WORDS)
    | st.builds(Thought, text=st.text(max_size=8), signature=WORDS, signer=st.sampled_from(["anthropic", "gemini"]))
    | st.builds(Thought, sealed=WORDS, signer=st.just("anthropic"))
    | st.builds(ToolUse, id=WORDS, name=WORDS, arguments=WORDS, freeform=st.booleans())
    | st.builds(
        ToolUse, id=WORDS, name=WORDS, arguments=WORDS, signature=WORDS, signer=st.sampled_from(["gemini", "x"])
    )
)
REPLIES = st.builds(Reply, parts=st.lists(PARTS, max_size=5).map(tuple), finish=st.sampled_from(FINISHES))


def stream_of(reply: Reply, cuts: st.DataObject) -> list[Item]:
    """The reply as a provider may stream it: in pieces, and with the ends of parts said where they must be."""
    items: list[Item] = [Begun(id="x", model="m-1")]
    for slot, part in enumerate(reply.parts):
        match part:
            case Text(text=text):
                items += [TextGrown(piece) for piece in pieces(text, cuts)]
            case Refusal(text=text):
                items += [RefusalGrown(piece) for piece in pieces(text, cuts)]
            case Thought(sealed=sealed) if sealed:
                items.append(ThoughtSealed(sealed, part.signer))
            case Thought(text=text):
                items += [ThoughtGrown(piece) for piece in pieces(text, cuts)]
                items += [ThoughtSigned(part.signature, part.signer)] if part.signature else []
            case ToolUse():
                said: dict[str, Any] = {"freeform": part.freeform, "signature": part.signature, "signer": part.signer}
                items.append(ToolBegun(slot=slot, id=part.id, name=part.name, **said))
                items += [ToolGrown(slot, piece) for piece in pieces(part.arguments, cuts)]
        items.append(PartEnded())
    return [*items, Ended(finish=reply.finish), Used(USAGE)]


def pieces(text: str, cuts: st.DataObject) -> list[str]:
    at = cuts.draw(st.integers(0, len(text)))
    return [text[:at], text[at:]]


@settings(max_examples=200, deadline=None)
@given(REPLIES, st.data())
def test_whole_and_streamed_answers_are_the_same_object(reply: Reply, cuts: st.DataObject) -> None:
    assert streamed(stream_of(reply, cuts))[-1]["response"] == whole(reply)


@settings(max_examples=200, deadline=None)
@given(REPLIES)
def test_an_answer_that_is_sent_back_reads_as_what_was_said(reply: Reply) -> None:
    output = whole(reply)["output"]
    messages = caller().conversation(responses_call(input=output)).messages
    assert sum((message.parts for message in messages), ()) == reply.parts


ITEMS: st.SearchStrategy[Item] = (
    st.builds(TextGrown, st.text(max_size=3))
    | st.builds(RefusalGrown, st.text(max_size=3))
    | st.builds(ThoughtGrown, st.text(max_size=3))
    | st.builds(ThoughtSigned, WORDS, WORDS)
    | st.builds(ThoughtSealed, WORDS, WORDS)
    | st.builds(ToolBegun, slot=st.just(0), id=WORDS, name=WORDS, freeform=st.booleans())
    | st.builds(ToolGrown, st.integers(0, 3), st.text(max_size=3))
    | st.just(PartEnded())
    | st.just(Used(USAGE))
)


def numbered(items: list[Item]) -> list[Item]:
    """Every tool in a slot of its own, and arguments for tools that have begun."""
    slots, legal = 0, list[Item]()
    for item in items:
        if isinstance(item, ToolBegun):
            legal.append(msgspec.structs.replace(item, slot=slots))
            slots += 1
        elif not isinstance(item, ToolGrown) or item.slot < slots:
            legal.append(item)
    return legal


@settings(max_examples=300, deadline=None)
@given(st.lists(ITEMS, max_size=12), st.sampled_from(FINISHES))
def test_any_stream_keeps_to_the_protocol(items: list[Item], finish: Finish) -> None:
    events = streamed([Begun(), *numbered(items), Ended(finish=finish)])
    response = events[-1]["response"]
    opened: dict[int, str] = {}
    done: dict[int, Any] = {}
    grown: dict[tuple[int, int], str] = {}
    for event in events:
        EVENTS.validate_python(event)
        at = event.get("output_index", -1)
        if event["type"] == "response.output_item.added":
            assert at == len(opened)
            opened[at] = event["item"]["id"]
        elif event["type"] == "response.output_item.done":
            assert opened[at] == event["item"]["id"]
            assert at not in done
            done[at] = event["item"]
        elif at >= 0:
            assert event["item_id"] == opened[at]
            assert at not in done
            if "delta" in event:
                place = (at, event.get("content_index", event.get("summary_index", 0)))
                grown[place] = grown.get(place, "") + event["delta"]
    assert [done[at] for at in sorted(done)] == response["output"]
    assert Response.model_validate(response).output_text is not None
    assert {place: text for place, text in grown.items() if text} == {
        place: text for place, text in final_texts(response["output"]).items() if text
    }


def final_texts(output: list[dict[str, Any]]) -> dict[tuple[int, int], str]:
    texts = {}
    for at, item in enumerate(output):
        for index, part in enumerate(item.get("content", item.get("summary", ()))):
            texts[at, index] = part.get("text", part.get("refusal"))
        if "call_id" in item:
            texts[at, 0] = item.get("arguments", item.get("input"))
    return texts
