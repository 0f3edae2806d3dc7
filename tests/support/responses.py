"""Responses calls, and their answers whole and streamed as a client reads them."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.core.call import Call, Usage
from penstock.core.conversation import Item, Reply
from penstock.dialects.responses.caller import ResponsesCaller
from support.calls import make_call

USAGE = Usage(9, 5, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=4)


def responses_call(**fields: Any) -> Call:
    """A call of `/v1/responses`; ``fields`` are its body's."""
    return make_call({"model": "fast", "input": "Hello"} | fields, dialect="responses", call_id="req_0a1b")


def caller() -> ResponsesCaller:
    """The dialect under a clock that stands."""
    return ResponsesCaller(lambda: 1_741_476_777.9)


def streamed(items: list[Item], asked: Call | None = None) -> list[dict[str, Any]]:
    """The events of a stream of ``items``, whose frames and numbers are right."""
    writer = caller().writer(asked or responses_call())
    raw = b"".join([*(writer.write(item) for item in items), writer.end(USAGE)])
    events = []
    for framed in raw.decode().removesuffix("\n\n").split("\n\n"):
        name, data = framed.split("\n")
        event = msgspec.json.decode(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def whole(reply: Reply, asked: Call | None = None) -> dict[str, Any]:
    """The body of a whole answer."""
    body: dict[str, Any] = msgspec.json.decode(caller().reply(reply, asked or responses_call(), USAGE))
    return body
