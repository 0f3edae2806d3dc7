"""Words that requests, answers and streams of the Messages API have in common.

Shapes are those of anthropic 2.12 (``types/``) and platform.claude.com/docs/en/api/messages, 2026-11-21.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Usage
from penstock.core.conversation import Finish

STOP_REASONS: dict[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tools": "tool_use",
    "filtered": "refusal",
    "refused": "refusal",
    "paused": "pause_turn",
    "context": "model_context_window_exceeded",
}
_FINISHES: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tools",
    "refusal": "refused",
    "pause_turn": "paused",
    "model_context_window_exceeded": "context",
}
# The gateway's stages know finish reasons by OpenAI's names, whatever a client reads.
_FINISH_REASONS: dict[Finish, str] = {
    "stop": "stop",
    "length": "length",
    "tools": "tool_calls",
    "refused": "content_filter",
    "paused": "pause",
    "context": "length",
}
# More is no count of tokens, and nothing that money should be reckoned by.
_MAX_TOKENS = 2**40
# Others whose thoughts a caller of this dialect may hold; what Anthropic signs is base64, which has no dot.
_OTHER_SIGNERS = ("openai", "gemini")
# A tool use has no place for a signature, so it goes before in a block that callers give back unread.
TOOL_SEAL = "tool."

_read_object = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode


def finish_of(stop_reason: str | None) -> Finish:
    """What ``stop_reason`` means; one that nobody knows yet is an ordinary end."""
    return _FINISHES.get(stop_reason or "", "stop")


def finish_reason_of(stop_reason: str | None) -> str | None:
    """The same in the words of the gateway's stages."""
    return None if stop_reason is None else _FINISH_REASONS[finish_of(stop_reason)]


def stop_reason_of(finish: Finish, stop: str) -> str:
    """How a caller reads ``finish``; ``stop`` is the stop sequence behind it, if any."""
    return "stop_sequence" if stop and finish == "stop" else STOP_REASONS[finish]


class _Details(Struct, gc=False):
    thinking_tokens: int | float | None = None


class _Written(Struct, gc=False):
    ephemeral_1h_input_tokens: int | float | None = None


class WireUsage(Struct, gc=False):
    """Tokens as the API says them: ``input_tokens`` are those that no cache had to do with."""

    input_tokens: int | float | None = None
    cache_read_input_tokens: int | float | None = None
    cache_creation_input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    output_tokens_details: _Details | None = None
    cache_creation: _Written | None = None

    def update(self, later: WireUsage) -> WireUsage:
        """Both, where each figure of ``later`` holds that is said: figures of one stream are cumulative."""
        details = later.output_tokens_details
        return WireUsage(
            _later(self.input_tokens, later.input_tokens),
            _later(self.cache_read_input_tokens, later.cache_read_input_tokens),
            _later(self.cache_creation_input_tokens, later.cache_creation_input_tokens),
            _later(self.output_tokens, later.output_tokens),
            self.output_tokens_details if details is None else details,
            later.cache_creation or self.cache_creation,
        )

    @property
    def usage(self) -> Usage | None:
        """The same, or nothing where it says nothing of use."""
        details = self.output_tokens_details
        read, written = _count(self.cache_read_input_tokens), _count(self.cache_creation_input_tokens)
        if self.input_tokens is None and self.output_tokens is None:
            return None
        output, for_an_hour = _count(self.output_tokens), self.cache_creation
        return Usage(
            input_tokens=_count(self.input_tokens) + read + written,
            output_tokens=output,
            cached_tokens=read,
            cache_write_tokens=written,
            cache_write_1h_tokens=0
            if for_an_hour is None
            else min(_count(for_an_hour.ephemeral_1h_input_tokens), written),
            reasoning_tokens=0 if details is None else min(_count(details.thinking_tokens), output),
        )


def write_usage(usage: Usage) -> dict[str, Any]:
    """``usage`` as a message says it."""
    return {
        "input_tokens": max(usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def seal(proof: str, signer: str) -> str:
    """A signature or a sealed thought as callers keep it: with its signer's name where that is not Anthropic."""
    return f"{signer}.{proof}" if signer in _OTHER_SIGNERS and proof else proof


def unseal(proof: str) -> tuple[str, str]:
    """A signature or a sealed thought that a caller gives back, and its signer; ``""`` where there is none."""
    signer, dot, rest = proof.partition(".")
    if dot and signer in _OTHER_SIGNERS:
        return rest, signer
    return proof, "anthropic" if proof else ""


def tool_input(arguments: str, *, freeform: bool = False) -> Raw:
    """A tool's input, which must be an object: free text, and JSON that a model has not brought to its end, in one."""
    if not freeform:
        if not arguments.strip():
            return Raw(b"{}")
        try:
            _read_object(arguments)
            return Raw(arguments.encode())
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            pass
    return Raw(_encode({"input": arguments}))


def frame(name: str, data: bytes) -> bytes:
    """One event of a stream."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _later(before: float | None, after: float | None) -> float | None:
    return before if after is None else after


def _count(said: float | None) -> int:
    return int(said) if said is not None and 0 < said <= _MAX_TOKENS else 0
