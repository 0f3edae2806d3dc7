"""One answer as each provider says it, whole and as a stream: what a scripted upstream replies with.

Shapes and the order of events: openai 3.54 (``types/chat``), platform.claude.com/docs/en/build-with-claude/streaming and
ai.google.dev/api/generate-content, 2026-11-21. The values are ours.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from support.upstream_server import DONE, Asked, Reply, Upstream, begin_stream, end_stream, respond, send

Kind: TypeAlias = Literal["openai", "anthropic", "gemini"]
KINDS: tuple[Kind, ...] = ("openai", "anthropic", "gemini")
PATHS: dict[Kind, tuple[str, str]] = {
    "openai": ("/v1/chat/completions", "/v1/chat/completions"),
    "anthropic": ("/v1/messages", "/v1/messages"),
    "gemini": ("/v1beta/models/g-1:generateContent", "/v1beta/models/g-1:streamGenerateContent?alt=sse"),
}
MODELS: dict[Kind, str] = {"openai": "o-1", "anthropic": "c-1", "gemini": "g-1"}
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Speech(Struct, frozen=True, kw_only=True):
    """An answer: ``text`` in pieces, or calls of ``tools``, each a name and its arguments, and what it used; ``None`` says nothing of that.

    ``input_tokens`` are all of the input and ``output_tokens`` all of the output, thoughts included.
    """

    text: tuple[str, ...] = ("Grü", "ße", "!")
    thought: str = ""
    tools: tuple[tuple[str, str], ...] = ()
    used: bool = True
    input_tokens: int = 100
    cached_tokens: int = 0
    output_tokens: int = 20
    reasoning_tokens: int = 0


TEXT = Speech()
TOOL = Speech(text=(), tools=(("weather", '{"city":"Köln"}'),))
TWO_TOOLS = Speech(text=(), tools=(("weather", '{"city":"Köln"}'), ("weather", '{"city":"Łódź"}')))


def kind_of(asked: Asked) -> Kind:
    """Which provider was meant, by the path that was asked."""
    if ":generateContent" in asked.head or ":streamGenerateContent" in asked.head:
        return "gemini"
    return "anthropic" if "/messages" in asked.head else "openai"


def is_stream(asked: Asked) -> bool:
    """Whether a stream was asked for, as each provider is asked for one."""
    return ":streamGenerateContent" in asked.head or asked.json.get("stream") is True


def speaking(speech: Speech = TEXT, *, others: Mapping[Kind, Reply] = {}) -> Reply:
    """A reply that says ``speech`` in the provider's own words; ``others`` reply for providers of their kind."""

    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        kind = kind_of(asked)
        if kind in others:
            await others[kind](upstream, asked, writer)
        elif is_stream(asked):
            await begin_stream(writer)
            for event in events(kind, speech):
                await send(writer, event)
            await end_stream(writer)
        else:
            await respond(writer, 200, json.dumps(_BODIES[kind](speech), ensure_ascii=False).encode())

    return reply


def events(kind: Kind, speech: Speech = TEXT) -> list[bytes]:
    """The stream's events, framed as the provider frames them."""
    return _EVENTS[kind](speech)


def wire(kind: Kind, speech: Speech = TEXT) -> bytes:
    """The whole response of a stream, an HTTP chunk for each event."""
    return _HEAD + b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events(kind, speech)) + b"0\r\n\r\n"


def begun(kind: Kind) -> bytes:
    """The beginning of a stream, up to and with its first text."""
    told = events(kind)
    last = next(index for index, event in enumerate(told) if b"Gr" in event)
    return b"".join(told[: last + 1])


# --- OpenAI ----------------------------------------------------------------------------------------------------------


def _openai_usage(speech: Speech) -> dict[str, Any]:
    return {
        "prompt_tokens": speech.input_tokens,
        "completion_tokens": speech.output_tokens,
        "total_tokens": speech.input_tokens + speech.output_tokens,
        "prompt_tokens_details": {"cached_tokens": speech.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": speech.reasoning_tokens},
    }


def _openai_body(speech: Speech) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(speech.text) or None, "refusal": None}
    if speech.tools:
        message["tool_calls"] = [_openai_call(number, *tool) for number, tool in enumerate(speech.tools)]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if speech.tools else "stop"}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "o-1", "choices": [choice]}
    return body | ({"usage": _openai_usage(speech)} if speech.used else {})


def _openai_call(number: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _openai_events(speech: Speech) -> list[bytes]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in speech.text]
    # Begun one after another, and then their arguments alternate.
    for number, (name, _) in enumerate(speech.tools):
        deltas.append({"tool_calls": [{"index": number} | _openai_call(number, name, "")]})
    for half in (slice(5), slice(5, None)):
        for number, (_, arguments) in enumerate(speech.tools):
            deltas.append({"tool_calls": [{"index": number, "function": {"arguments": arguments[half]}}]})
    told = [_openai_event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    reason = "tool_calls" if speech.tools else "stop"
    told.append(_openai_event([{"index": 0, "delta": {}, "finish_reason": reason}]))
    if speech.used:
        told.append(_openai_event([], usage=_openai_usage(speech)))
    return [*told, DONE]


def _openai_event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "o-1", "choices": choices}
    return b"data: %b\n\n" % json.dumps(chunk | more, ensure_ascii=False).encode()


# --- Anthropic -------------------------------------------------------------------------------------------------------


def _anthropic_usage(speech: Speech) -> dict[str, Any]:
    return {
        "input_tokens": speech.input_tokens - speech.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": speech.cached_tokens,
        "output_tokens": speech.output_tokens,
    }


def _anthropic_body(speech: Speech) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if speech.thought:
        content.append({"type": "thinking", "thinking": speech.thought, "signature": "c2ln"})
    if speech.text:
        content.append({"type": "text", "text": "".join(speech.text)})
    for number, (name, arguments) in enumerate(speech.tools):
        content.append({"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": json.loads(arguments)})
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "c-1",
        "content": content,
        "stop_reason": "tool_use" if speech.tools else "end_turn",
        "stop_sequence": None,
    } | ({"usage": _anthropic_usage(speech)} if speech.used else {})


def _anthropic_events(speech: Speech) -> list[bytes]:
    message = _anthropic_body(speech) | {"content": [], "stop_reason": None}
    if speech.used:
        message["usage"] |= {"output_tokens": 1}
    told = [_anthropic_event("message_start", message=message)]
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if speech.thought:
        deltas = [
            {"type": "thinking_delta", "thinking": speech.thought},
            {"type": "signature_delta", "signature": "c2ln"},
        ]
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if speech.text:
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in speech.text]))
    for number, (name, arguments) in enumerate(speech.tools):
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
        pieces = ("", arguments[:5], arguments[5:])
        blocks.append((block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]))
    for index, (block, deltas) in enumerate(blocks):
        told.append(_anthropic_event("content_block_start", index=index, content_block=block))
        if not index:
            told.append(_anthropic_event("ping"))
        told += [_anthropic_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        told.append(_anthropic_event("content_block_stop", index=index))
    delta = {"stop_reason": "tool_use" if speech.tools else "end_turn", "stop_sequence": None}
    used = {"usage": {"output_tokens": speech.output_tokens}} if speech.used else {}
    return [*told, _anthropic_event("message_delta", delta=delta, **used), _anthropic_event("message_stop")]


def _anthropic_event(name: str, **fields: Any) -> bytes:
    data = json.dumps({"type": name} | fields, ensure_ascii=False, separators=(",", ":")).encode()
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


# --- Gemini ----------------------------------------------------------------------------------------------------------


def _gemini_parts(speech: Speech) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if speech.thought:
        parts.append({"text": speech.thought, "thought": True})
    parts += [{"text": piece} for piece in speech.text]
    for number, (name, arguments) in enumerate(speech.tools):
        call = {"id": f"fc_{number}", "name": name, "args": json.loads(arguments)}
        parts.append({"functionCall": call} | ({} if number else {"thoughtSignature": "c2ln"}))
    return parts


def _gemini_response(speech: Speech, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = "STOP"
    body: dict[str, Any] = {"candidates": [candidate], "modelVersion": "g-1", "responseId": "r_1"}
    if speech.used:
        body["usageMetadata"] = {
            "promptTokenCount": speech.input_tokens,
            "cachedContentTokenCount": speech.cached_tokens,
            "candidatesTokenCount": speech.output_tokens - speech.reasoning_tokens,
            "thoughtsTokenCount": speech.reasoning_tokens,
            "totalTokenCount": speech.input_tokens + speech.output_tokens,
        }
    return body


def _gemini_body(speech: Speech) -> dict[str, Any]:
    return _gemini_response(speech, _gemini_parts(speech), last=True)


def _gemini_events(speech: Speech) -> list[bytes]:
    parts = _gemini_parts(speech)
    # Lines end with CR LF there, and words may be signed at their end by an empty part (Gemini 3).
    told = [_gemini_response(speech, [part], last=False) for part in parts]
    told.append(
        _gemini_response(speech, [{"text": "", "thoughtSignature": "ZW5k"} if speech.text else {"text": ""}], last=True)
    )
    return [b"data: %b\r\n\r\n" % json.dumps(body, ensure_ascii=False).encode() for body in told]


_BODIES: dict[Kind, Callable[[Speech], dict[str, Any]]] = {
    "openai": _openai_body,
    "anthropic": _anthropic_body,
    "gemini": _gemini_body,
}
_EVENTS: dict[Kind, Callable[[Speech], list[bytes]]] = {
    "openai": _openai_events,
    "anthropic": _anthropic_events,
    "gemini": _gemini_events,
}
