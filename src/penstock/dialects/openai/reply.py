"""A whole answer, both ways (openai 3.3.1, ``types/chat/chat_completion.py``, 2026-11-21)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Usage
from penstock.core.conversation import Finish, Part, Refusal, Reply, Text, Thought, ToolUse
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.openai.parts import decode_part, read_part
from penstock.dialects.openai.response import WireUsage, read_usage, refuse_error
from penstock.dialects.openai.said import SIGNER, Said, ToolCall, write_call, write_thoughts

# `model_length` is Mistral's word (docs.rs/crate/mistral-openapi-client, 2026-11-21).
_FINISHES: dict[str, Finish] = {
    "length": "length",
    "model_length": "length",
    "tool_calls": "tools",
    "function_call": "tools",
    "content_filter": "filtered",
}
# The answer broke off: Mistral's word, and DeepSeek's (docs.rs/crate/mistral-openapi-client, docs.rs/crate/ds-api,
# 2026-11-21).
_BROKEN = frozenset(("error", "insufficient_system_resource"))
# What has no word of its own: a pause waits for the caller as an end does, and a full context ends as a cap does.
_REASONS: dict[Finish, str] = {
    "stop": "stop",
    "length": "length",
    "tools": "tool_calls",
    "filtered": "content_filter",
    "refused": "content_filter",
    "paused": "stop",
    "context": "length",
}


class _Choice(Struct):
    message: Said
    finish_reason: str | None = None


class _Completion(Struct):
    choices: list[_Choice] = []
    id: Any = None
    model: Any = None
    usage: WireUsage | None = None
    error: Raw = Raw()


_decode = msgspec.json.Decoder(_Completion).decode


def read_reply(body: bytes) -> Reply:
    """What the first choice of a completion says. Raises ``UpstreamMalformed``, for an error in a 200 too."""
    try:
        completion = _decode(body)
        if not body.isascii():
            body.decode()
        refuse_error(completion.error)
        if not completion.choices:
            msg = "The provider's answer holds no choices."
            raise UpstreamMalformed(msg)
        choice = completion.choices[0]
        reply_id = completion.id if isinstance(completion.id, str) else ""
        parts = _read_parts(choice.message, reply_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        msg = "The provider's answer is not a chat completion."
        raise UpstreamMalformed(msg) from None
    kinds = {type(part) for part in parts}
    return Reply(
        parts=tuple(parts),
        finish=read_finish(choice.finish_reason, called=ToolUse in kinds, refused=Refusal in kinds),
        id=reply_id,
        model=completion.model if isinstance(completion.model, str) else "",
        usage=read_usage(completion.usage),
    )


def read_finish(reason: str | None, *, called: bool, refused: bool) -> Finish:
    """Why an answer ended that ``called`` tools or ``refused``. Raises ``UpstreamMalformed`` where it broke off.

    Some that call tools end with `stop`, OpenAI among them (github.com/ollama/ollama/pull/7963, 2026-11-21), and who
    refuses says no more than `stop` or `content_filter`.
    """
    if reason in _BROKEN:
        msg = "The provider broke its answer off."
        raise UpstreamMalformed(msg)
    finish = _FINISHES.get(reason or "stop", "stop")
    if refused and finish in ("stop", "filtered"):
        return "refused"
    return "tools" if called and finish == "stop" else finish


def read_content(said: Said) -> list[Part]:
    """Text and refusal of a message or a delta, and the thoughts that some put between."""
    parts: list[Part] = []
    if isinstance(said.content, list):
        read = (read_part(decode_part(raw)) for raw in said.content)
        parts += [part for part in read if isinstance(part, Text | Thought | Refusal) and part.text]
    elif said.content:
        parts.append(Text(text=said.content))
    if said.refusal:
        parts.append(Refusal(text=said.refusal))
    return parts


def tool_calls(said: Said) -> list[ToolCall]:
    """The tools that are called, also by their name of old."""
    if said.tool_calls or said.function_call is None:
        return said.tool_calls or []
    return [ToolCall(function=said.function_call)]


def call_id(call: ToolCall, reply_id: str, slot: int) -> str:
    """The id of a tool call, made where a local server gives none: a short one, unlike those of other answers."""
    return call.id or f"call_{reply_id[-24:]}_{slot}"


def _read_parts(said: Said, reply_id: str) -> list[Part]:
    parts = [*said.thoughts, *read_content(said)]
    for slot, call in enumerate(tool_calls(said)):
        signature, _ = call.signature
        use = ToolUse(
            id=call_id(call, reply_id, slot),
            name=call.name,
            arguments=call.text,
            freeform=call.custom is not None,
            signature=signature,
            signer=SIGNER if signature else "",
        )
        parts.append(use)
    return parts


def write_reply(reply: Reply, *, envelope: dict[str, object], usage: Usage, legacy: bool) -> bytes:
    """A ``chat.completion``; ``legacy`` callers asked with ``functions`` and are answered with a ``function_call``."""
    text = "".join(part.text for part in reply.parts if isinstance(part, Text))
    refusal = "".join(part.text for part in reply.parts if isinstance(part, Refusal))
    calls = [part for part in reply.parts if isinstance(part, ToolUse)]
    message: dict[str, object] = {"role": "assistant", "content": text or (None if calls or refusal else "")}
    message["refusal"] = refusal or None
    message |= write_thoughts([part for part in reply.parts if isinstance(part, Thought)])
    if calls and legacy:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
    elif calls:
        message["tool_calls"] = [write_call(call) for call in calls]
    reason = write_finish(reply.finish, legacy=legacy, refused=bool(refusal))
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return msgspec.json.encode(envelope | {"choices": [choice], "usage": write_usage(usage)})


def write_finish(finish: Finish, *, legacy: bool, refused: bool) -> str:
    """Why an answer ended, in OpenAI's words.

    One that ``refused`` in words has come to its end; the SDK takes `content_filter` for an error (openai 3.3.1,
    ``lib/_parsing/_completions.py``).
    """
    if legacy and finish == "tools":
        return "function_call"
    return "stop" if refused and finish == "refused" else _REASONS[finish]


def write_usage(usage: Usage) -> dict[str, object]:
    """Tokens in OpenAI's words (openai 3.3.1, ``types/completion_usage.py``)."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
