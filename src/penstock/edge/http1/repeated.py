"""``RepeatedHead``: clients send the same head again and again, so that most requests of a connection need no parser."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.edge.http1.head import Head

_LENGTH = b"content-length"
_MOST_DIGITS = 10
# Heads that nothing repeated, before the connection is taken for one whose heads differ: by a trace id, for instance.
_TRIALS = 4


class RepeatedHead:
    """Recognises requests that equal a parsed one byte for byte up to their body, but for the content-length.

    What the parser has let through once it lets through again. Only whole requests count, one in one piece, of a
    connection that goes on: with anything before, behind or missing, the parser decides.
    """

    __slots__ = ("_after", "_before", "_head", "_trials")

    def __init__(self) -> None:
        self._head: Head | None = None
        self._trials = _TRIALS
        # A head is before, digits, after.
        self._before = self._after = b""

    def learn(self, data: bytes, head: Head) -> None:
        """Take ``data``, which the parser has read as one request with ``head``, for the pattern."""
        length = head.body_bytes
        if not self._trials or not length or not head.keep_alive or b"expect" in head.headers:
            return
        self._trials -= 1
        end = data.find(b"\r\n\r\n") + 4
        if end + length != len(data):  # blank lines around the request
            return
        at = data[:end].lower().find(b"\r\n%b:" % _LENGTH) + len(_LENGTH) + 3
        digits = head.headers[_LENGTH]
        start = data.find(digits, at)
        if not data[at:start].strip(b" "):
            self._head = head
            self._before, self._after = data[:start], data[start + len(digits) : end]

    def read(self, data: bytes) -> tuple[Head, bytes] | None:
        """Head and body of ``data``, if it is one whole request with that head."""
        head, before, after = self._head, self._before, self._after
        if head is None or not data.startswith(before):
            return None
        start = len(before)
        end = data.find(after, start, start + _MOST_DIGITS + len(after))
        digits = data[start:end]
        body = data[end + len(after) :]
        if end < 0 or not digits.isdigit() or not body or int(digits) != len(body):
            return None
        self._trials = _TRIALS
        return (head if digits == head.headers[_LENGTH] else _of_length(head, digits)), body


def _of_length(head: Head, digits: bytes) -> Head:
    fields = [(name, digits if name == _LENGTH else value) for name, value in head.fields]
    return replace(head, fields=fields, headers=head.headers | {_LENGTH: digits}, body_bytes=int(digits))
