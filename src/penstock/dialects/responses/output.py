"""``Output``: an answer as output items, and the events that tell a client how each of them grows.

Names and order of the events are those of openai 3.54 (``types/responses/response_*_event.py``) and of the Open
Responses specification (github.com/openresponses/openresponses, ``schema/events.tsp``, 2026-04-24); both 2026-11-21.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from penstock.core.conversation import (
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
from penstock.dialects.responses.thoughts import Kept, pack

Event: TypeAlias = tuple[str, dict[str, Any]]

# Why an answer is not all that it would have been, in ``incomplete_details``; other finishes are complete.
INCOMPLETE: dict[Finish, str] = {
    "length": "max_output_tokens",
    "context": "max_output_tokens",
    "filtered": "content_filter",
    "paused": "max_messages",
}


class _Growing:
    """Something that a client sees grow: its item, where that stands, and the pieces so far."""

    __slots__ = ("index", "item", "pieces")

    def __init__(self, index: int, item: dict[str, Any]) -> None:
        self.index = index
        self.item = item
        self.pieces: list[str] = []

    def at(self, **more: Any) -> dict[str, Any]:
        """Where it stands, and ``more``."""
        return {"item_id": self.item["id"], "output_index": self.index, **more}


class Output:
    """Takes a stream's items and gives the events for them; ``key`` makes its ids unlike any other answer's.

    Texts and refusals that follow one another are parts of one message. Tools stay open until the end, for their
    arguments may alternate, unless ``PartEnded`` says otherwise. ``items`` are complete after ``Ended``.
    """

    def __init__(self, key: str) -> None:
        self.items: list[dict[str, Any]] = []
        self.finish: Finish | None = None
        self._key = key
        self._message: _Growing | None = None
        self._part: dict[str, Any] | None = None
        self._thought: _Growing | None = None
        self._tools: dict[int, _Growing] = {}
        self._last_slot = -1
        self._split = False

    def add(self, item: Item) -> list[Event]:
        """The events for ``item``."""
        events: list[Event] = []
        match item:
            case TextGrown(text):
                self._say("output_text", text, events)
            case RefusalGrown(text):
                self._say("refusal", text, events)
            case ThoughtGrown(text):
                self._think(text, events)
            case ThoughtSigned(signature, signer):
                self._keep(Kept("signature", signer, signature), events)
            case ThoughtSealed(data, signer):
                self._close_parts(events)
                self._keep(Kept("sealed", signer, data), events)
            case ToolBegun():
                self._begin_tool(item, events)
            case ToolGrown(slot, text):
                self._grow_tool(slot, text, events)
            case PartEnded():
                self._split = True
            case Ended(finish=finish):
                self._end(finish, events)
            case _:  # what begins an answer, and its usage, stand in the answer's own events
                pass
        return events

    # --- messages ---

    def _say(self, kind: str, text: str, events: list[Event]) -> None:
        if not text:
            return
        self._close_thought(events)
        self._close_split(events)
        self._last_slot = -1
        if self._part is not None and self._part["type"] != kind:
            self._close_part(events)
        message = self._message
        if message is None:
            message = self._message = self._open("msg", {"type": "message", "role": "assistant", "content": []}, events)
        content = message.item["content"]
        if self._part is None:
            self._part = _part(kind, "")
            events.append(
                ("response.content_part.added", message.at(content_index=len(content), part=dict(self._part)))
            )
        message.pieces.append(text)
        fields = message.at(content_index=len(content), delta=text)
        if kind == "output_text":
            fields["logprobs"] = []
        events.append((f"response.{kind}.delta", fields))

    def _close_part(self, events: list[Event]) -> None:
        message, part = self._message, self._part
        if message is None or part is None:
            return
        kind, text, at = part["type"], "".join(message.pieces), len(message.item["content"])
        message.pieces.clear()
        self._part = None
        part = _part(kind, text)
        message.item["content"].append(part)
        said: dict[str, Any] = {"text": text, "logprobs": []} if kind == "output_text" else {"refusal": text}
        events.append((f"response.{kind}.done", message.at(content_index=at, **said)))
        events.append(("response.content_part.done", message.at(content_index=at, part=part)))

    def _close_message(self, events: list[Event], status: str = "completed") -> None:
        self._close_part(events)
        if self._message is not None:
            self._close(self._message, events, status)
            self._message = None

    # --- thoughts ---

    def _think(self, text: str, events: list[Event]) -> None:
        if not text:
            return
        self._close_message(events)
        self._close_split(events)
        self._last_slot = -1
        thought = self._thought
        if thought is None:
            thought = self._thought = self._open("rs", {"type": "reasoning", "summary": []}, events)
            added = thought.at(summary_index=0, part={"type": "summary_text", "text": ""})
            events.append(("response.reasoning_summary_part.added", added))
        thought.pieces.append(text)
        events.append(("response.reasoning_summary_text.delta", thought.at(summary_index=0, delta=text)))

    def _keep(self, kept: Kept, events: list[Event]) -> None:
        self._close_split(events)
        thought = self._thought
        if thought is None:
            self._close_parts(events)
            thought = self._thought = self._open("rs", {"type": "reasoning", "summary": []}, events)
        thought.item["encrypted_content"] = pack(kept)
        self._close_thought(events)

    def _close_thought(self, events: list[Event]) -> None:
        thought, self._thought = self._thought, None
        if thought is None:
            return
        if thought.pieces:
            text = "".join(thought.pieces)
            part = {"type": "summary_text", "text": text}
            thought.item["summary"].append(part)
            events.append(("response.reasoning_summary_text.done", thought.at(summary_index=0, text=text)))
            events.append(("response.reasoning_summary_part.done", thought.at(summary_index=0, part=part)))
        self._close(thought, events, "")

    # --- tools ---

    def _begin_tool(self, begun: ToolBegun, events: list[Event]) -> None:
        self._close_parts(events)
        if begun.signature:
            self._keep(Kept("call", begun.signer, begun.signature), events)
        kind, prefix, said = ("custom_tool_call", "ctc", "input") if begun.freeform else _FUNCTION
        item = {"type": kind, "call_id": begun.id, "name": begun.name, said: ""}
        self._tools[begun.slot] = self._open(prefix, item, events)
        self._last_slot = begun.slot

    def _grow_tool(self, slot: int, text: str, events: list[Event]) -> None:
        tool = self._tools.get(slot)
        if tool is None or not text:
            return
        if slot != self._last_slot:
            self._close_split(events)
        self._split = False
        self._last_slot = slot
        tool.pieces.append(text)
        events.append((f"response.{_grows(tool.item)}.delta", tool.at(delta=text)))

    def _close_tool(self, slot: int, events: list[Event], status: str = "completed") -> None:
        tool = self._tools.pop(slot, None)
        if tool is None:
            return
        item = tool.item
        grows = _grows(item)
        if item["type"] == "function_call":
            if (
                not tool.pieces and status == "completed"
            ):  # a tool without parameters: its arguments are JSON all the same
                self._last_slot, tool.pieces = slot, ["{}"]
                events.append((f"response.{grows}.delta", tool.at(delta="{}")))
            item["arguments"] = "".join(tool.pieces)
            done = tool.at(name=item["name"], arguments=item["arguments"])
        else:
            item["input"] = "".join(tool.pieces)
            done = tool.at(input=item["input"])
        events.append((f"response.{grows}.done", done))
        self._close(tool, events, status)

    # --- all of them ---

    def _open(self, prefix: str, item: dict[str, Any], events: list[Event]) -> _Growing:
        index = len(self.items)
        item = {"id": f"{prefix}_{self._key}_{index}", **item}
        if prefix != "rs":
            item["status"] = "in_progress"
        self.items.append(item)
        # A copy, for the item is filled before the event is written.
        shown = {name: [] if isinstance(value, list) else value for name, value in item.items()}
        events.append(("response.output_item.added", {"output_index": index, "item": shown}))
        return _Growing(index, item)

    def _close(self, growing: _Growing, events: list[Event], status: str) -> None:
        if status:
            growing.item["status"] = status
        events.append(("response.output_item.done", {"output_index": growing.index, "item": growing.item}))

    def _close_split(self, events: list[Event]) -> None:
        if self._split:
            self._split = False
            self._close_part(events)
            self._close_thought(events)
            self._close_tool(self._last_slot, events)

    def _close_parts(self, events: list[Event]) -> None:
        self._close_message(events)
        self._close_thought(events)
        self._close_split(events)

    def _end(self, finish: Finish, events: list[Event]) -> None:
        if finish == "refused" and (self._part is None or self._part["type"] != "refusal") and not self._has_refusal():
            finish = "filtered"  # without a word of refusal, a client would take the answer for a whole one
        self.finish = finish
        last = "incomplete" if finish in INCOMPLETE else "completed"
        end = len(self.items) - 1
        self._close_thought(events)
        if self._message is not None:
            self._close_message(events, last if self._message.index == end else "completed")
        for slot, tool in tuple(self._tools.items()):
            self._close_tool(slot, events, last if tool.index == end else "completed")

    def _has_refusal(self) -> bool:
        return any(part["type"] == "refusal" for item in self.items for part in item.get("content", ()))


_FUNCTION = ("function_call", "fc", "arguments")


def _grows(item: dict[str, Any]) -> str:
    return "function_call_arguments" if item["type"] == "function_call" else "custom_tool_call_input"


def _part(kind: str, text: str) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": kind, "refusal": text}
    return {"type": kind, "text": text, "annotations": [], "logprobs": []}
