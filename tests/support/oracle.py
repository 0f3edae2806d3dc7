"""What h11, a strict reader of HTTP/1.1 written by others, makes of bytes: the oracle of the differential tests."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import h11
from msgspec import Struct

from support.differences import Message

End: TypeAlias = Literal["whole", "refused", "cut", "waiting"]
Fields: TypeAlias = "list[tuple[bytes, bytes]]"

# Out of the way: how much h11 holds is no question of ours, and our own bounds have tests of their own.
_UNBOUNDED = 1 << 30
_BLANKS_BEFORE = re.compile(rb"\A[\r\n]+|(?<=\r\n\r\n)[\r\n]+")


class Reading(Struct, kw_only=True):
    """One message as a reader took it; ``body`` is what had come of it when it ended. Header names in lower case."""

    end: End = "waiting"
    status: int = 0
    headers: Fields = []
    body: bytes = b""
    reusable: bool = False


class Asked(Struct, frozen=True):
    """One request as a server took it."""

    method: bytes
    target: bytes
    headers: Fields
    body: bytes


def read_response(data: bytes, *, method: bytes, ending: str) -> Reading:
    """The answer to one request, of which ``data`` is all that comes before the peer ends as ``ending`` says.

    ``fin`` closes in order, ``rst`` resets, ``hang`` does neither. Blank lines before and behind it are left out, which
    h11 would refuse: llhttp skips them, CR and LF alone, so that no other byte gets from one answer into the next.
    """
    data = _BLANKS_BEFORE.sub(b"", Message.of(data).heads) + Message.of(data).rest
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_UNBOUNDED)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    reading = Reading()
    try:
        connection.receive_data(data) if data else None
        _read_on(connection, reading)
        if reading.end == "waiting" and ending == "fin":
            connection.receive_data(b"")
            _read_on(connection, reading)
    except h11.RemoteProtocolError:
        # What is not whole when the peer closes is cut; anything else that h11 will not have is refused.
        reading.end = "cut" if connection.trailing_data[1] else "refused"
    if reading.end == "waiting" and ending == "rst":
        reading.end = "cut"
    return reading


def _read_on(connection: h11.Connection, reading: Reading) -> None:
    while reading.end == "waiting":
        event = connection.next_event()
        if event is h11.NEED_DATA:
            return
        if isinstance(event, h11.Response):
            reading.status, reading.headers = event.status_code, list(event.headers)
        elif isinstance(event, h11.Data):
            reading.body += event.data
        elif isinstance(event, h11.EndOfMessage):
            reading.end = "whole"
            surplus, closed = connection.trailing_data
            reading.reusable = connection.their_state is h11.DONE and not surplus.strip(b"\r\n") and not closed
        elif isinstance(event, h11.ConnectionClosed):
            reading.end = "cut"


def read_requests(data: bytes) -> tuple[list[Asked], End]:
    """The requests that are whole in ``data``, and how the rest of it ends.

    Blank lines between requests are left out, as RFC 9112, 2.2 asks a server to do and h11 does not.
    """
    asked: list[Asked] = []
    while data := data.lstrip(b"\r\n"):
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_UNBOUNDED)
        try:
            connection.receive_data(data)
            request = _read_request(connection)
        except h11.RemoteProtocolError:
            return asked, "refused"
        if request is None:
            return asked, "waiting"
        asked.append(request)
        # A 200 would take up CONNECT and turn the rest of the bytes into no HTTP.
        connection.send(h11.Response(status_code=405, headers=[("content-length", "0")]))
        connection.send(h11.EndOfMessage())
        if connection.our_state is not h11.DONE:
            return asked, "whole"
        data = connection.trailing_data[0]
    return asked, "waiting"


def _read_request(connection: h11.Connection) -> Asked | None:
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Asked(head.method, head.target, list(head.headers), body)
        else:
            return None
