"""``MessagesCaller``: calls that come in as the Messages API, and their answers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from penstock.core.call import Call, Usage
from penstock.core.conversation import (
    Conversation,
    Document,
    Image,
    Message,
    Part,
    Refusal,
    Reply,
    Text,
    Thought,
    ToolResult,
    ToolUse,
)
from penstock.dialects.anthropic.asked import CacheControl, cached_for, read_asked, read_field
from penstock.dialects.anthropic.blocks import PartReader, read_blocks
from penstock.dialects.anthropic.words import TOOL_SEAL, seal, stop_reason_of, tool_input, write_usage
from penstock.dialects.anthropic.writer import MessageWriter, message_head


class _Message(Struct):
    role: Literal["user", "assistant", "system"]
    content: Raw


class MessagesCaller:
    """Translates for callers of this dialect: see ``dialects.translation.CallerSide``."""

    def conversation(self, call: Call) -> Conversation:
        """What ``call.fields`` ask. Raises ``InvalidParameter``."""
        fields = call.fields
        asked = read_asked(fields)
        unread = dict(asked.unread)
        reader = PartReader(unread)
        messages: list[Message] = []
        system = fields.get("system")
        if system is not None and bytes(system) != b"null":
            parts = reader.texts(read_blocks(system, "system"), "system")
            messages.append(Message(role="system", parts=parts))
        for index, message in enumerate(read_field(fields, "messages", list[_Message]) or ()):
            param = f"messages.{index}.content"
            messages += reader.turn(message.role, read_blocks(message.content, param), param)
        control = read_field(fields, "cache_control", CacheControl)
        if control is not None and messages:
            messages[-1] = _kept(messages[-1], cached_for(control))
        return Conversation(
            messages=tuple(messages),
            tools=asked.tools,
            tool_choice=asked.tool_choice,
            parallel_tools=asked.parallel_tools,
            format=asked.format,
            thinking=asked.thinking,
            max_output_tokens=read_field(fields, "max_tokens", int),
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=asked.top_k,
            stop=asked.stop,
            user=asked.user,
            unread=unread,
        )

    def reply(self, reply: Reply, call: Call, usage: Usage) -> bytes:
        """The body of a whole answer; its model is the one that the caller named."""
        finish = "refused" if reply.finish == "stop" and _refuses(reply.parts) else reply.finish
        stop = reply.stop if finish == "stop" else ""
        message = message_head(reply.id, call, reply.model) | {
            "content": _content(reply.parts),
            "stop_reason": stop_reason_of(finish, stop),
            "stop_sequence": stop or None,
            "usage": write_usage(usage),
        }
        return msgspec.json.encode(message)

    def writer(self, call: Call) -> MessageWriter:
        """For one stream."""
        return MessageWriter(call)


def _content(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    """The blocks of an answer; an empty text is none, for the API does not take it back.

    Nor does it take a turn that ends with a thought: proofs behind the last words are left out, as in a stream.
    """
    blocks: list[dict[str, Any]] = []
    for part in _without_last_proofs(parts):
        match part:
            case Text(text=text) | Refusal(text=text):
                if text:
                    blocks.append({"type": "text", "text": text})
            case Thought():
                if part.text or part.signature:
                    proof = seal(part.signature, part.signer)
                    blocks.append({"type": "thinking", "thinking": part.text, "signature": proof})
                if part.sealed:
                    blocks.append({"type": "redacted_thinking", "data": seal(part.sealed, part.signer)})
            case ToolUse():
                if part.signature:
                    proof = TOOL_SEAL + seal(part.signature, part.signer)
                    blocks.append({"type": "redacted_thinking", "data": proof})
                given = tool_input(part.arguments, freeform=part.freeform)
                blocks.append({"type": "tool_use", "id": part.id, "name": part.name, "input": given})
            case _:  # no answer of this API holds sound or pictures
                pass
    return blocks


def _without_last_proofs(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    end = len(parts)
    while end and isinstance(last := parts[end - 1], Thought) and not last.text:
        end -= 1
    return parts[:end] if any(not isinstance(part, Thought) for part in parts[:end]) else parts


def _refuses(parts: tuple[Part, ...]) -> bool:
    return any(isinstance(part, Refusal) for part in parts)


def _kept(message: Message, life: str) -> Message:
    """A cache point at the end of all, as far as one may stand there."""
    *before, last = message.parts or (None,)
    if not isinstance(last, Text | Image | Document | ToolUse | ToolResult) or last.cached_for:
        return message
    return replace(message, parts=(*before, replace(last, cached_for=life)))
