"""``ResponseReader``: the events of ``:streamGenerateContent?alt=sse`` become items."""

from __future__ import annotations

from penstock.core.call import Usage
from penstock.core.conversation import (
    Begun,
    Ended,
    Item,
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
from penstock.dialects.gemini.response import PartReader, read_response


class ResponseReader:
    """Reads one stream, each event of which is a response that says what has been added.

    Nothing says that nothing follows: ``done`` is never true. The stream is complete when its body ends behind an
    ``Ended``, which comes with the finish reason. A tool call comes whole, in one event.
    """

    done = False

    def __init__(self) -> None:
        self._parts = PartReader()
        self._begun = False
        self._ended = False
        self._usage: Usage | None = None

    def read(self, payload: bytes) -> list[Item]:
        """What one event's data says. Raises ``UpstreamMalformed``, and ``ContentBlocked`` for a prompt that was blocked."""
        response = read_response(payload)
        items: list[Item] = []
        usage = response.usage
        if not self._begun:
            self._begun = True
            items.append(Begun(id=response.response_id or "", model=response.model_version or "", usage=usage))
        slot = self._parts.tools
        for part in self._parts.read(response):
            if self._ended:
                msg = "The provider's stream went on after its end."
                raise UpstreamMalformed(msg)
            match part:
                case Text():
                    items.append(TextGrown(part.text))
                case Thought():
                    items += _thought(part)
                case ToolUse():
                    items += _tool_use(part, slot)
                    slot += 1
        if usage is not None and usage != self._usage:
            self._usage = usage
            items.append(Used(usage))
        candidate = response.candidate
        if candidate is not None and candidate.is_finished and not self._ended:
            self._ended = True
            items.append(Ended(finish=candidate.finish(calls_tools=slot > 0)))
        return items


def _thought(thought: Thought) -> list[Item]:
    if thought.sealed:
        return [ThoughtSealed(thought.sealed, thought.signer)]
    items: list[Item] = [ThoughtGrown(thought.text)] if thought.text else []
    if thought.signature:
        items.append(ThoughtSigned(thought.signature, thought.signer))
    return items


def _tool_use(use: ToolUse, slot: int) -> list[Item]:
    return [
        ToolBegun(slot=slot, id=use.id, name=use.name, signature=use.signature, signer=use.signer),
        ToolGrown(slot, use.arguments),
    ]
