"""Bytes on the wire: status lines, response heads, chunks."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from random import getrandbits

from penstock.core.errors import MethodNotAllowed, PenstockError
from penstock.core.ports import Headers
from penstock.dialects.openai.errors import error_body
from penstock.edge.headers import error_headers
from penstock.edge.http1.face import Reply

STATUS_LINES = {status.value: b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode()) for status in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def header_lines(headers: Headers) -> Iterable[bytes]:
    """Each header as a line without its end."""
    return map(b": ".join, headers)


def head_lines(status: int, headers: Headers, shared: Iterable[bytes], *, keep_alive: bool) -> list[bytes]:
    """A response head still open: framing, a blank line and the body are the caller's to append."""
    lines = [STATUS_LINES[status], *shared, *header_lines(headers)]
    if not keep_alive:
        lines.append(b"connection: close")
    return lines


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body; ``data`` must not be empty, which would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def error_reply(error: PenstockError) -> Reply:
    """What a request gets that no face could take, in OpenAI's form and under an id of its own."""
    request_id = b"req_%024x" % getrandbits(96)
    headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id), *error_headers(error)]
    if isinstance(error, MethodNotAllowed):  # of any path: this one was not looked at
        headers.append((b"allow", b"GET, HEAD, POST"))
    return Reply(error.status, headers, error_body(error))
