"""Requests as bytes and bytes as responses (RFC 9112). Pure: knows no socket."""

from __future__ import annotations

import string
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from penstock.core.errors import UpstreamMalformed
from penstock.core.ports import HttpRequest, Origin

# What the transport says about itself; a caller that gives one of these would contradict it.
_OWN_HEADERS = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"connection", b"accept-encoding", b"expect", b"upgrade", b"te")
)
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~" + string.digits.encode() + string.ascii_letters.encode())  # RFC 9110, 5.6.2
# Response headers that decide what the body is.
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"content-encoding"))

_SWITCHING_PROTOCOLS = 101
_FINAL = 200  # and above: the answer itself

_DEFAULT_PORTS = {"http": 80, "https": 443}


def host_header(origin: Origin) -> bytes:
    """The ``Host`` of an origin: brackets around IPv6, no default port. Raises ``ValueError`` for what is no name."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    port = "" if origin.port == _DEFAULT_PORTS[origin.scheme] else f":{origin.port}"
    return (host + port).encode("idna" if not host.isascii() else "ascii")


def encode_request(request: HttpRequest, host: bytes) -> bytes:
    """Head and body in one piece. Raises ``ValueError`` for a header or path that would change the framing."""
    lines = len(request.headers) + 4  # beside the headers: request line, host, accept-encoding, the empty line
    parts = [request.method, b" ", request.path, b" HTTP/1.1\r\nhost: ", host, b"\r\naccept-encoding: identity\r\n"]
    for name, value in request.headers:
        parts += (_field(name), value, b"\r\n")
    if request.body or request.method != b"GET":
        parts.append(b"content-length: %d\r\n" % len(request.body))
        lines += 1
    parts.append(b"\r\n")
    head = b"".join(parts)
    if len(head) - len(head.translate(None, b"\r\n\0")) != 2 * lines or b" " in request.path:
        raise ValueError("a request's method, path and headers hold no CR, LF or NUL, and its path no space")
    return head + request.body


@lru_cache(maxsize=256)  # names are few, and asked for in every request
def _field(name: bytes) -> bytes:
    if not name or not _TOKEN.issuperset(name):
        raise ValueError(f"not a header name: {name!r}")
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"the transport sets {name.decode()} itself")
    return name + b": "


class ResponseParser:
    """Cuts what one connection brings into responses, one ``expect`` each.

    After ``feed``: ``head_complete`` with ``status`` and ``headers``; ``take_body`` for the bytes of body it brought;
    ``complete`` at the end, and then ``reusable`` tells whether another request may follow. Interim responses (1xx)
    and trailers are passed over.
    """

    def __init__(self, head_bytes: int) -> None:
        self._head_bytes = head_bytes
        self._parser = HttpResponseParser(self)
        self.expect(bodiless=False)

    def expect(self, *, bodiless: bool) -> None:
        """Begin the next response; ``bodiless`` when it answers HEAD."""
        self._bodiless = bodiless
        self._pieces: list[bytes] = []
        self._quiet_bytes = 0  # since the last byte of body
        self._length_known = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_complete = False
        self.complete = False
        self.reusable = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises ``UpstreamMalformed``; the connection is of no use after it."""
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.reusable = False
            if not self.complete:
                raise self._explained(error) from None
        if self._pieces:
            self._quiet_bytes = 0
        elif self._quiet_bytes > self._head_bytes and not self.complete:
            raise self._too_long()

    def take_body(self) -> bytes:
        """The bytes of body since the last time."""
        pieces = self._pieces
        if not pieces:
            return b""
        self._pieces = []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def eof(self) -> bool:
        """The peer has sent its last byte: whether that completes the response (a body without a stated length)."""
        if self.head_complete and not self._length_known:
            self.complete = True
        return self.complete

    # --- httptools' callbacks ---

    def on_message_begin(self) -> None:
        """Whatever follows a complete response was not asked for."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the head; a trailer changes nothing."""
        if self.head_complete:
            return
        name = name.lower()
        self.headers.append((name, value))
        if name in _FRAMING:
            self._frame(name, value)

    def on_headers_complete(self) -> None:
        """Decide by the status whether this was the head that was waited for."""
        if self.complete:
            return
        if self._quiet_bytes > self._head_bytes and self._measured_head() > self._head_bytes:
            raise self._too_long()
        status = self._parser.get_status_code()
        if status == _SWITCHING_PROTOCOLS:
            raise self._malformed("a protocol switch that nobody asked for")
        if status < _FINAL:  # interim: the answer is still to come
            self.headers = []
            self._length_known = False
            return
        self.status = status
        self.head_complete = True
        self.reusable = self._parser.should_keep_alive()
        if self._bodiless:
            self.complete, self.reusable = True, False

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of body."""
        if not self.complete:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The response is whole, unless it was an interim one."""
        if self.head_complete:
            self.complete = True

    # --- within ---

    def _frame(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            self._length_known = True
            return
        value = value.strip().lower()
        if name == b"transfer-encoding":
            if value != b"chunked" or self._length_known:
                raise self._malformed("a transfer encoding other than chunked")
            self._length_known = True
        elif value not in (b"", b"identity"):
            raise self._malformed("a content encoding that nobody asked for")

    def _measured_head(self) -> int:
        return sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _explained(self, error: Exception) -> UpstreamMalformed:
        cause = error.__context__
        return cause if isinstance(cause, UpstreamMalformed) else self._malformed("a response that is not HTTP/1.1")

    def _too_long(self) -> UpstreamMalformed:
        return self._malformed(f"more than {self._head_bytes} bytes of headers")

    def _malformed(self, what: str) -> UpstreamMalformed:
        return UpstreamMalformed(f"The provider sent {what}.")
