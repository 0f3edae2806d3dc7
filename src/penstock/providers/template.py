"""An answer without a model: a fixed text in the shape that was asked for. The last resort of a plan."""

from __future__ import annotations

from penstock.core.answer import END, Answer, Event
from penstock.core.call import Call, Usage
from penstock.core.conversation import Begun, Ended, Reply, Text, TextGrown
from penstock.core.errors import Unavailable
from penstock.dialects.callers import CALLER_SIDES


def template_answer(call: Call, text: str) -> Answer:
    """``text`` as one choice that stopped, whole or as a stream, at no cost. Raises ``Unavailable`` where none can be said."""
    side = CALLER_SIDES.get(call.dialect)
    if side is None:
        msg = f"No model could answer, and {call.endpoint} has no place for a text in its place. Try again."
        raise Unavailable(msg)
    dialect, usage, caller = call.dialect, Usage(), side()
    if not call.stream:
        answer = Answer(
            dialect, body=caller.reply(Reply(parts=(Text(text=text),), finish="stop"), call, usage), usage=usage
        )
        answer.finish_reason = "stop"
        return answer
    writer = caller.writer(call)
    answer = Answer(dialect, usage=usage)
    events = [
        Event(writer.write(Begun()), dialect, "started"),
        Event(writer.write(TextGrown(text)), dialect, "delta"),
        Event(writer.write(Ended(finish="stop")), dialect, "finished", None, "stop"),
        Event(writer.end(usage), dialect, "usage", usage),
    ]
    answer.feed([event for event in events if event.raw])
    answer.end(END)
    return answer
