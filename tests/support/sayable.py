"""``Sayable``: what a dialect can say; and the parts of messages that hypothesis draws of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st
from msgspec import Struct

from penstock.core.conversation import (
    Document,
    Finish,
    Image,
    Inline,
    Part,
    Place,
    Refusal,
    Role,
    Sound,
    Stored,
    Text,
    Thought,
    ToolUse,
    Url,
)

PlaceKind: TypeAlias = Literal["url", "inline", "stored"]
_EVERYWHERE: tuple[PlaceKind, ...] = ("url", "inline", "stored")


class Sayable(Struct, frozen=True, kw_only=True):
    """What a dialect can say; everything by default.

    ``signatures`` are the (signer, signature) pairs that a thought may carry, ``("", "")`` for none; of a tool's call
    ``call_signers``. ``ordered`` is an answer of thoughts, one text, a refusal and tools, and of no others between
    them. ``given`` are the fields of ``Conversation`` that may be asked beside messages and tools. Results come in one
    message of ``results_role`` where ``results_together``, else each in its own.
    """

    roles: tuple[Role, ...] = ("system", "developer", "user", "assistant")
    names: bool = True
    cache_points: tuple[str, ...] = ("5m", "1h")
    images: tuple[PlaceKind, ...] = _EVERYWHERE
    details: bool = True
    documents: tuple[PlaceKind, ...] = _EVERYWHERE
    plain_documents: bool = True
    document_contexts: bool = True
    sounds: bool = True
    refusals: bool = True
    signatures: tuple[tuple[str, str], ...] = (("", ""), ("anthropic", "c2lnbmVk"), ("gemini", "Z2VtaW5p"))
    sealers: tuple[str, ...] = ("anthropic",)
    call_signers: tuple[str, ...] = ("", "gemini")
    freeform: bool = True
    results_fail: bool = True
    results_show: bool = True
    results_named: bool = True
    results_together: bool = False
    results_role: Role = "tool"
    ordered: bool = False
    strict_tools: bool = True
    efforts: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    budgets: bool = True
    thinking_shown: bool = True
    given: frozenset[str] = frozenset(
        (
            "tool_choice",
            "parallel_tools",
            "format",
            "thinking",
            "temperature",
            "top_p",
            "top_k",
            "stop",
            "seed",
            "frequency_penalty",
            "presence_penalty",
            "choices",
            "logprobs",
            "user",
        )
    )
    finishes: tuple[Finish, ...] = ("stop", "length", "filtered", "paused", "context")
    stops: bool = True


EVERYTHING = Sayable()

texts = st.text(min_size=1, max_size=20)
idents = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=12)
_BASE64 = st.sampled_from(("aGk=", "iVBORw0KGgo=", "AAAA"))


@cache
def cached(can: Sayable) -> st.SearchStrategy[str]:
    return st.sampled_from(("", "", *can.cache_points))


@cache
def text_parts(can: Sayable) -> st.SearchStrategy[Text]:
    return st.builds(Text, text=texts, cached_for=cached(can))


def _places(kinds: Sequence[PlaceKind], media_type: str) -> st.SearchStrategy[Place]:
    some: dict[PlaceKind, st.SearchStrategy[Place]] = {
        "url": st.builds(Url, idents.map("https://files.example/{}".format)),
        "inline": st.builds(Inline, st.just(media_type), _BASE64),
        "stored": st.builds(Stored, idents),
    }
    return st.one_of([some[kind] for kind in kinds])


@cache
def images(can: Sayable) -> st.SearchStrategy[Image]:
    details = st.sampled_from(("", "low", "high") if can.details else ("",))
    return st.builds(Image, place=_places(can.images, "image/png"), detail=details, cached_for=cached(can))


@st.composite
def _documents(draw: st.DrawFn, can: Sayable) -> Document:
    contexts = texts if can.document_contexts else st.just("")
    title, context, cached_for = draw(texts), draw(st.just("") | contexts), draw(cached(can))
    if can.plain_documents and (not can.documents or draw(st.booleans())):
        return Document(text=draw(texts), title=title, context=context, cached_for=cached_for)
    place = draw(_places(can.documents, "application/pdf"))
    # What was uploaded has a name already.
    return Document(
        place=place, title="" if isinstance(place, Stored) else title, context=context, cached_for=cached_for
    )


@cache
def asked_parts(can: Sayable) -> st.SearchStrategy[list[Part]]:
    """What a user says."""
    kinds: list[st.SearchStrategy[Any]] = [text_parts(can)]
    if can.images:
        kinds.append(images(can))
    if can.documents or can.plain_documents:
        kinds.append(_documents(can))
    if can.sounds:
        kinds.append(st.builds(Sound, format=st.sampled_from(("wav", "mp3")), data=_BASE64))
    return st.lists(st.one_of(kinds), min_size=1, max_size=4)


@st.composite
def _thoughts(draw: st.DrawFn, can: Sayable) -> Thought:
    if can.sealers and (not can.signatures or draw(st.integers(0, 3)) == 0):
        return Thought(sealed=draw(_BASE64), signer=draw(st.sampled_from(can.sealers)))
    signer, signature = draw(st.sampled_from(can.signatures))
    return Thought(text=draw(texts), signature=signature, signer=signer)


@st.composite
def _calls(draw: st.DrawFn, can: Sayable, number: int) -> ToolUse:
    signer = draw(st.sampled_from(can.call_signers))
    freeform = can.freeform and draw(st.booleans())
    return ToolUse(
        id=f"call_{number}_{draw(idents)}",
        name=draw(idents),
        arguments=draw(texts) if freeform else draw(st.sampled_from(("{}", '{"city": "Zürich"}', '{"n":[1,2.50]}'))),
        freeform=freeform,
        signature="c2lnbmVkIGNhbGw=" if signer else "",
        signer=signer,
        cached_for=draw(cached(can)),
    )


@st.composite
def said_parts(draw: st.DrawFn, can: Sayable, number: int = 0) -> list[Part]:
    """What an assistant says; its calls are counted from ``number``, so that a chat's ids are all different."""
    thoughts = draw(st.lists(_thoughts(can), max_size=2)) if can.signatures or can.sealers else []
    said: list[Part] = list(draw(st.lists(text_parts(can), max_size=1 if can.ordered else 2)))
    if can.refusals and draw(st.integers(0, 5)) == 0:
        said.append(Refusal(text=draw(texts)))
    calls = [draw(_calls(can, number + place)) for place in range(draw(st.integers(0, 2)))]
    if not said and not calls:
        said = [draw(text_parts(can))]
    if can.ordered:
        return [*thoughts, *said, *calls]
    return list(draw(st.permutations([*thoughts, *said, *calls])))
