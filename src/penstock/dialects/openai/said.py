"""What an assistant says: alike in a caller's history, in an answer, and in the deltas of a stream.

Two places that OpenAI's own shape lacks are common extensions of it. Thoughts: ``reasoning_content`` (DeepSeek's;
``reasoning`` is read too), and with their signatures ``thinking_blocks``, LiteLLM's, whole blocks in a delta as in a
message (docs.litellm.ai/docs/reasoning_content; github.com/BerriAI/litellm/pull/31022). Signed tool calls:
``extra_content`` of Gemini's compatible API (ai.google.dev/gemini-api/docs/thought-signatures). All of 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from penstock.core.conversation import Thought, ToolUse

SIGNER = "openai"
# The signature of thoughts that came in this field: who spells it so wants them back beside tool calls
# (api-docs.deepseek.com/guides/thinking_mode, 2026-11-21), where others refuse a field that they do not know.
GIVEN_BACK = "reasoning_content"

_SIGNERS = {"google": "gemini"}
_VENDORS = {"gemini": "google"}


class Function(Struct):
    """A tool's name and arguments, which some services send as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The arguments as JSON text."""
        arguments = self.arguments
        return msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""


class Custom(Struct):
    """The same of a tool that takes free text."""

    name: str | None = None
    input: str | None = None


class ToolCall(Struct):
    """One call of a tool, or more of it; ``index`` is told in streams, though not by Gemini."""

    id: str | None = None
    index: int | None = None
    function: Function | None = None
    custom: Custom | None = None
    extra_content: Any = None

    @property
    def name(self) -> str:
        """The tool's, ``""`` where more of a call does not say it again."""
        called = self.custom or self.function
        return (called.name if called else None) or ""

    @property
    def text(self) -> str:
        """The arguments, or more of them."""
        if self.custom is not None:
            return self.custom.input or ""
        return self.function.text if self.function else ""

    @property
    def signature(self) -> tuple[str, str]:
        """The signature and whose it is; both ``""`` without one."""
        vendors = self.extra_content if isinstance(self.extra_content, dict) else {}
        for vendor, content in vendors.items():
            signature = content.get("thought_signature") if isinstance(content, dict) else None
            if signature and isinstance(signature, str):
                return signature, _SIGNERS.get(vendor) or str(vendor)
        return "", ""


class ThinkingBlock(Struct):
    """A thought with its proof. ``signer`` is our addition for who is not Anthropic."""

    type: str = "thinking"
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    signer: str | None = None


class Said(Struct, kw_only=True):
    """A message, or a delta of one."""

    content: str | list[Raw] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    thinking_blocks: list[ThinkingBlock] | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None

    @property
    def thoughts(self) -> list[Thought]:
        """Every thought beside the content."""
        if self.thinking_blocks:
            return [read_block(block) for block in self.thinking_blocks]
        if self.reasoning_content:
            return [Thought(text=self.reasoning_content, signature=GIVEN_BACK, signer=SIGNER)]
        if self.reasoning and isinstance(self.reasoning, str):
            return [Thought(text=self.reasoning)]
        return []


def write_thoughts(thoughts: Sequence[Thought]) -> dict[str, object]:
    """The fields of a message that tell ``thoughts`` to a caller, with what proves them."""
    fields: dict[str, object] = {}
    if text := "".join(thought.text for thought in thoughts):
        fields["reasoning_content"] = text
    if any(thought.sealed or is_proved(thought.signature, thought.signer) for thought in thoughts):
        fields["thinking_blocks"] = [write_block(thought) for thought in thoughts]
    return fields


def is_proved(signature: str, signer: str) -> bool:
    """Whether a thought has a signature that its text in ``reasoning_content`` does not stand for."""
    return bool(signature) and (signature, signer) != (GIVEN_BACK, SIGNER)


def write_block(thought: Thought) -> dict[str, object]:
    """``thought`` as a caller is to give it back."""
    block: dict[str, object]
    if thought.sealed:
        block = {"type": "redacted_thinking", "data": thought.sealed}
    else:
        block = {"type": "thinking", "thinking": thought.text, "signature": thought.signature}
    if thought.signer not in ("", "anthropic"):
        block["signer"] = thought.signer
    return block


def write_call(call: ToolUse, vendor: str = "") -> dict[str, object]:
    """``call`` in a message; ``vendor`` is where its signature stands, the signer's own place if not told."""
    fields: dict[str, object] = {"id": call.id}
    if call.freeform:
        fields |= {"type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        fields |= {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    if call.signature:
        vendor = vendor or _VENDORS.get(call.signer, call.signer)
        fields["extra_content"] = {vendor: {"thought_signature": call.signature}}
    return fields


def read_block(block: ThinkingBlock) -> Thought:
    """The thought in ``block``."""
    sealed = block.data or "" if block.type == "redacted_thinking" else ""
    signature = "" if sealed else block.signature or ""
    signer = block.signer or ("anthropic" if signature or sealed else "")
    return Thought(text="" if sealed else block.thinking or "", signature=signature, signer=signer, sealed=sealed)
