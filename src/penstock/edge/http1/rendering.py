"""Bytes on the wire: status lines, response heads, chunks."""

from __future__ import annotations

from http import HTTPStatus
from random import getrandbits

from penstock.core.errors import MethodNotAllowed, PenstockError
from penstock.core.ports import Headers
from penstock.dialects.openai.errors import error_body
from penstock.edge.headers import error_lines
from penstock.edge.http1.face import Reply

STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"connection: close\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def header_lines(headers: Headers) -> bytes:
    """Each header as a line."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body; ``data`` must not be empty, which would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def error_reply(error: PenstockError) -> Reply:
    """What a request gets that no face could take, in OpenAI's form and under an id of its own."""
    request_id = b"req_%024x" % getrandbits(96)
    lines = b"content-type: application/json\r\nx-request-id: %b\r\n%b" % (request_id, error_lines(error))
    if isinstance(error, MethodNotAllowed):  # of any path: this one was not looked at
        lines += b"allow: GET, HEAD, POST\r\n"
    return Reply(error.status, lines, error_body(error))
