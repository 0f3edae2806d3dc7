"""``MessageWriter``: a stream's items become the events of the Messages API, in the order that its clients rely on.

Names and order: platform.claude.com/docs/en/build-with-claude/streaming, 2026-11-21.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Call, Usage
from penstock.core.conversation import (
    Begun,
    Ended,
    Finish,
    Item,
    PartEnded,
    RefusalGrown,
    TextGrown,
    ThoughtGrown,
    ThoughtSealed,
    ThoughtSigned,
    ToolBegun,
    ToolGrown,
)
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.anthropic.words import TOOL_SEAL, frame, seal, stop_reason_of, write_usage

# What is kept of tools' arguments for blocks to follow one another.
KEPT_LIMIT_CHARACTERS = 8 * 1024 * 1024
_EMPTY_THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
_PING = frame("ping", b'{"type":"ping"}')
_STOP = frame("message_stop", b'{"type":"message_stop"}')

_Kind: TypeAlias = Literal["", "text", "refusal", "thinking", "tool"]
_encode = msgspec.json.encode
_read_object = msgspec.json.Decoder(dict[str, Raw]).decode


def message_head(message_id: str, call: Call, model: str) -> dict[str, Any]:
    """What every message says of itself."""
    if not message_id.startswith("msg_"):
        message_id = f"msg_{call.call_id}"
    return {"id": message_id, "type": "message", "role": "assistant", "model": call.model or model}


class _Tool(Struct):
    begun: ToolBegun
    texts: list[str] = []

    @property
    def complete(self) -> bool:
        """Whether the arguments are a whole object already, so that none can follow; of free text nobody knows."""
        if self.begun.freeform:
            return False
        try:
            _read_object("".join(self.texts))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return False
        return True


class MessageWriter:
    """Writes one stream. Blocks may not alternate, as arguments of parallel tools may: what is early is held back.

    So is a proof without a thought, until something follows it: Gemini signs its last words so, and the API takes no
    turn back that ends with a thought (github.com/tailcallhq/forgecode/issues/2107, 2026-11-21).
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._begun = False
        self._index = -1
        self._kind: _Kind = ""
        self._spoken = False
        self._proofs: list[dict[str, Any]] = []
        self._tool: _Tool | None = None
        self._held: dict[int, _Tool] = {}
        self._kept_characters = 0
        self._refused = False
        self._finish: Finish = "stop"
        self._stop = ""

    def write(self, item: Item) -> bytes:
        """What a client gets for ``item``. Raises ``UpstreamMalformed`` where too much would have to be held back."""
        begin = b"" if self._begun else self._begin(item if isinstance(item, Begun) else Begun())
        return begin + self._written(item)

    def end(self, usage: Usage) -> bytes:
        """The end of a stream that is complete."""
        begin = b"" if self._begun else self._begin(Begun())
        ended = begin + self._close() + (b"" if self._spoken else self._prove())
        finish = "refused" if self._refused and self._finish == "stop" else self._finish
        stop = self._stop if finish == "stop" else ""
        delta = {"stop_reason": stop_reason_of(finish, stop), "stop_sequence": stop or None}
        return ended + _event("message_delta", {"delta": delta, "usage": write_usage(usage)}) + _STOP

    def _written(self, item: Item) -> bytes:  # noqa: PLR0911 - an arm for each kind
        match item:
            case TextGrown(text=text):
                return self._grow("text", {"type": "text_delta", "text": text}) if text else b""
            case RefusalGrown(text=text):
                self._refused = True
                return self._grow("refusal", {"type": "text_delta", "text": text}) if text else b""
            case ThoughtGrown(text=text):
                return self._grow("thinking", {"type": "thinking_delta", "thinking": text}) if text else b""
            case ThoughtSigned():
                return self._sign({"type": "signature_delta", "signature": seal(item.signature, item.signer)})
            case ThoughtSealed():
                return self._hold_proof({"type": "redacted_thinking", "data": seal(item.sealed, item.signer)})
            case ToolBegun():
                return self._begin_tool(_Tool(item, []))
            case ToolGrown():
                return self._grow_tool(item)
            case PartEnded():
                # With tools held back nobody knows which one of them it was.
                return b"" if self._held else self._close()
            case Ended():
                self._finish, self._stop = item.finish, item.stop
                return self._close()
        return b""

    def _begin(self, begun: Begun) -> bytes:
        self._begun = True
        message = message_head(begun.id, self._call, begun.model) | {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(begun.usage or Usage(self._call.input_tokens)),
        }
        return _event("message_start", {"message": message}) + _PING

    # --- blocks ---

    def _grow(self, kind: _Kind, delta: dict[str, Any]) -> bytes:
        opened = b""
        if self._kind != kind:
            opened = self._close() + self._open(
                kind, _EMPTY_THOUGHT if kind == "thinking" else {"type": "text", "text": ""}
            )
        return opened + self._delta(delta)

    def _open(self, kind: _Kind, block: dict[str, Any]) -> bytes:
        proofs = self._prove()
        self._kind = kind
        self._index += 1
        self._spoken = self._spoken or kind != "thinking"
        return proofs + _event("content_block_start", {"index": self._index, "content_block": block})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": delta})

    def _sign(self, signature: dict[str, Any]) -> bytes:
        if self._kind != "thinking":
            return self._hold_proof(signature)
        return self._delta(signature) + self._close()

    def _hold_proof(self, proof: dict[str, Any]) -> bytes:
        closed = self._close()
        self._proofs.append(proof)
        return closed

    def _prove(self) -> bytes:
        """The proofs that were held back, each a block of its own."""
        proofs, self._proofs = self._proofs, []
        proved = b""
        for proof in proofs:
            if proof["type"] == "redacted_thinking":
                proved += self._open("thinking", proof)
            else:
                proved += self._open("thinking", _EMPTY_THOUGHT) + self._delta(proof)
            proved += self._stop_block()
        return proved

    def _stop_block(self) -> bytes:
        self._kind = ""
        return _event("content_block_stop", {"index": self._index})

    def _close(self) -> bytes:
        """End the open block, and write those that were held back for its sake."""
        if not self._kind:
            return b""
        closed = self._close_tool() if self._kind == "tool" else self._stop_block()
        held, self._held = self._held, {}
        for tool in held.values():
            closed += self._open_tool(_Tool(tool.begun, [])) + self._tool_text("".join(tool.texts)) + self._close_tool()
        self._kept_characters = 0
        return closed

    # --- tools ---

    def _begin_tool(self, tool: _Tool) -> bytes:
        if self._held or (self._tool is not None and not self._tool.complete):
            self._held[tool.begun.slot] = tool
            return b""
        return self._close() + self._open_tool(tool)

    def _open_tool(self, tool: _Tool) -> bytes:
        begun = tool.begun
        if begun.signature:
            proof = TOOL_SEAL + seal(begun.signature, begun.signer)
            self._proofs.append({"type": "redacted_thinking", "data": proof})
        self._tool = tool
        block = {"type": "tool_use", "id": begun.id, "name": begun.name, "input": {}}
        # An input is an object, and so free text stands in one.
        head = '{"input":"' if begun.freeform else ""
        return self._open("tool", block) + (self._json_delta(head) if head else b"")

    def _grow_tool(self, grown: ToolGrown) -> bytes:
        held = self._held.get(grown.slot)
        tool = self._tool
        if held is None and (tool is None or tool.begun.slot != grown.slot):
            return b""  # of a tool that has ended: its arguments were whole, so this is white space
        if held is not None or (tool is not None and not tool.begun.freeform):
            self._keep(held or tool, grown.text)
        return b"" if held is not None else self._tool_text(grown.text)

    def _keep(self, tool: _Tool | None, text: str) -> None:
        self._kept_characters += len(text)
        if tool is None or self._kept_characters > KEPT_LIMIT_CHARACTERS:
            raise UpstreamMalformed("The provider's tool calls are longer than this gateway takes.")
        tool.texts.append(text)

    def _tool_text(self, text: str) -> bytes:
        if not text:
            return b""
        if self._tool is not None and self._tool.begun.freeform:
            text = _encode(text).decode()[1:-1]
        return self._json_delta(text)

    def _json_delta(self, text: str) -> bytes:
        return self._delta({"type": "input_json_delta", "partial_json": text})

    def _close_tool(self) -> bytes:
        tail = self._json_delta('"}') if self._tool is not None and self._tool.begun.freeform else b""
        self._tool = None
        return tail + self._stop_block()


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return frame(name, _encode({"type": name, **fields}))
