"""A stream item by item, both ways (openai 3.3.1, ``types/chat/chat_completion_chunk.py``, 2026-11-21)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Usage
from penstock.core.conversation import (
    Begun,
    Ended,
    Item,
    Refusal,
    RefusalGrown,
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
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.openai.reply import (
    call_id,
    read_content,
    read_finish,
    tool_calls,
    write_finish,
    write_usage,
)
from penstock.dialects.openai.response import WireUsage, read_usage, refuse_error
from penstock.dialects.openai.said import (
    GIVEN_BACK,
    SIGNER,
    Said,
    ToolCall,
    is_proved,
    read_block,
    write_block,
    write_call,
)

_encode = msgspec.json.encode


class _Choice(Struct):
    index: int = 0
    delta: Said | None = None
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    id: Any = None
    model: Any = None
    usage: WireUsage | None = None
    error: Raw = Raw()


_decode = msgspec.json.Decoder(_Chunk).decode


class ChunkItems:
    """Reads the chunks of one stream: of its first choice, for a translated answer has no other.

    ``Ended`` comes with the finish reason, and usage may follow it.
    """

    def __init__(self) -> None:
        self.done = False
        self._begun = self._ended = self._refused = False
        self._id = ""
        # Whether a thought goes on, and whether it is one to be given back.
        self._thinking = False
        self._given_back = False
        self._ids: list[str] = []
        self._slots: dict[int, int] = {}

    def read(self, payload: bytes) -> list[Item]:
        """What one event's data says. Raises ``UpstreamMalformed``, also for an error in a stream that began well."""
        if self.done or payload.strip() == b"[DONE]":
            self.done = True
            return []
        items: list[Item] = []
        try:
            chunk = _decode(payload)
            if not payload.isascii():
                payload.decode()
            refuse_error(chunk.error)
            self._take(chunk, items)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            msg = "The provider's stream holds an event that is not a chat completion chunk."
            raise UpstreamMalformed(msg) from None
        return items

    def _take(self, chunk: _Chunk, items: list[Item]) -> None:
        choice = next((choice for choice in chunk.choices or () if choice.index == 0), None)
        usage = read_usage(chunk.usage)
        # Azure's first chunk, of a filter's findings, has neither choices nor id.
        if not self._begun and (choice is not None or usage is not None):
            self._begun = True
            self._id = chunk.id if isinstance(chunk.id, str) else ""
            items.append(Begun(id=self._id, model=chunk.model if isinstance(chunk.model, str) else ""))
        if choice is not None and choice.delta is not None and not self._ended:
            self._think(choice.delta, items)
            self._say(choice.delta, items)
            for call in tool_calls(choice.delta):
                self._call(call, items)
        if usage is not None:
            items.append(Used(usage))
        if choice is not None and choice.finish_reason and not self._ended:
            finish = read_finish(choice.finish_reason, called=bool(self._ids), refused=self._refused)
            self._stop_thinking(items)
            self._ended = True
            items.append(Ended(finish=finish))

    def _think(self, delta: Said, items: list[Item]) -> None:
        text = delta.reasoning_content or delta.reasoning
        if text and isinstance(text, str):
            items.append(ThoughtGrown(text))
            self._thinking, self._given_back = True, bool(delta.reasoning_content)
        # Whole blocks, beside the text that has come in pieces; of older ones, pieces without a signature.
        for thought in map(read_block, delta.thinking_blocks or ()):
            if thought.sealed:
                self._stop_thinking(items)
                items.append(ThoughtSealed(thought.sealed, thought.signer))
            elif thought.signature:
                if not self._thinking and thought.text:
                    items.append(ThoughtGrown(thought.text))
                items.append(ThoughtSigned(thought.signature, thought.signer))
                self._thinking = self._given_back = False

    def _stop_thinking(self, items: list[Item]) -> None:
        if self._given_back:
            items.append(ThoughtSigned(GIVEN_BACK, SIGNER))
        self._thinking = self._given_back = False

    def _say(self, delta: Said, items: list[Item]) -> None:
        for part in read_content(delta):
            if isinstance(part, Thought):
                items.append(ThoughtGrown(part.text))
                continue
            self._stop_thinking(items)
            if isinstance(part, Text):
                items.append(TextGrown(part.text))
            elif isinstance(part, Refusal):
                self._refused = True
                items.append(RefusalGrown(part.text))

    def _call(self, call: ToolCall, items: list[Item]) -> None:
        self._stop_thinking(items)
        slot = self._slot(call)
        if slot == len(self._ids):
            use_id = call_id(call, self._id, slot)
            self._ids.append(use_id)
            signature, _ = call.signature
            items.append(
                ToolBegun(
                    slot=slot,
                    id=use_id,
                    name=call.name,
                    freeform=call.custom is not None,
                    signature=signature,
                    signer=SIGNER if signature else "",
                )
            )
        if call.index is not None:
            self._slots[call.index] = slot
        if call.text:
            items.append(ToolGrown(slot, call.text))

    def _slot(self, call: ToolCall) -> int:
        """Where ``call`` belongs, or the next place for one that begins.

        An index tells, unless Gemini leaves it out or gives 0 to every one of several calls
        (github.com/noho/dayu-agent/issues/82, github.com/QuantumNous/new-api/pull/2701, 2026-11-21): then another id
        beside a name begins another call, as does a name where nothing else is told.
        """
        known = self._slots.get(call.index) if call.index is not None else None
        if known is not None and not (call.id and call.name):
            return known
        if call.id in self._ids and (known is not None or call.index is None):
            return self._ids.index(call.id)
        more = call.index is None and not call.id and not call.name
        return max(len(self._ids) - 1, 0) if more else len(self._ids)


class ItemChunks:
    """Writes one stream as chunks. ``envelope`` is what they have in common, but for an id that ``Begun`` may bring."""

    def __init__(self, envelope: dict[str, object], *, include_usage: bool, legacy: bool) -> None:
        self._envelope = envelope
        self._include_usage = include_usage
        self._legacy = legacy
        self._refused = False
        self._freeform: dict[int, bool] = {}
        self._thought: list[str] = []

    def write(self, item: Item) -> bytes:
        """What a client gets for ``item``."""
        delta: dict[str, object] | None = None
        if isinstance(item, TextGrown):
            delta = {"content": item.text}
        elif isinstance(item, ThoughtGrown | ThoughtSigned | ThoughtSealed):
            delta = self._think(item)
        elif isinstance(item, ToolBegun | ToolGrown):
            delta = self._call(item)
        elif isinstance(item, RefusalGrown):
            self._refused = True
            delta = {"refusal": item.text}
        elif isinstance(item, Begun):
            delta = {"role": "assistant", "content": "", "refusal": None}
            if item.id:
                self._envelope = self._envelope | {"id": item.id}
        elif isinstance(item, Ended):
            return self._chunk({}, write_finish(item.finish, legacy=self._legacy, refused=self._refused))
        if not isinstance(item, ThoughtGrown | Used):
            self._thought.clear()
        return b"" if delta is None else self._chunk(delta)

    def end(self, usage: Usage) -> bytes:
        """The chunk of usage, for a client that has asked for it."""
        if not self._include_usage:
            return b""
        return b"data: " + _encode(self._envelope | {"choices": [], "usage": write_usage(usage)}) + b"\n\n"

    def _think(self, item: ThoughtGrown | ThoughtSigned | ThoughtSealed) -> dict[str, object] | None:
        if isinstance(item, ThoughtGrown):
            self._thought.append(item.text)
            return {"reasoning_content": item.text}
        if isinstance(item, ThoughtSealed):
            return {"thinking_blocks": [write_block(Thought(sealed=item.sealed, signer=item.signer))]}
        if not is_proved(item.signature, item.signer):
            return None
        thought = Thought(text="".join(self._thought), signature=item.signature, signer=item.signer)
        return {"thinking_blocks": [write_block(thought)]}

    def _call(self, item: ToolBegun | ToolGrown) -> dict[str, object] | None:
        called: dict[str, object]
        if isinstance(item, ToolBegun):
            self._freeform[item.slot] = item.freeform
            use = ToolUse(
                id=item.id,
                name=item.name,
                arguments="",
                freeform=item.freeform,
                signature=item.signature,
                signer=item.signer,
            )
            called = write_call(use)
        elif self._freeform.get(item.slot):
            called = {"custom": {"input": item.text}}
        else:
            called = {"function": {"arguments": item.text}}
        if self._legacy:
            return {"function_call": called["function"]} if item.slot == 0 and "function" in called else None
        return {"tool_calls": [{"index": item.slot, **called}]}

    def _chunk(self, delta: dict[str, object], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        fields: dict[str, object] = self._envelope | {"choices": [choice]}
        if self._include_usage:
            fields["usage"] = None
        return b"data: " + _encode(fields) + b"\n\n"
