"""Requests as bytes and bytes as responses (RFC 9112). Pure: knows no socket."""

from __future__ import annotations

import string

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from penstock.core.errors import UpstreamMalformed
from penstock.core.ports import Endpoint, Origin

# What the transport says about itself; a caller that gives one of these would contradict it.
_OWN_HEADERS = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"connection", b"accept-encoding", b"expect", b"upgrade", b"te")
)
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~" + string.digits.encode() + string.ascii_letters.encode())  # RFC 9110, 5.6.2

# Of the names that decide what a body is: content-length, content-encoding, transfer-encoding.
_FRAMING_LENGTHS = (14, 16, 17)

_SWITCHING_PROTOCOLS = 101
_FINAL = 200  # and above: the answer itself

_DEFAULT_PORTS = {"http": 80, "https": 443}


def host_header(origin: Origin) -> bytes:
    """The ``Host`` of an origin: brackets around IPv6, no default port. Raises ``ValueError`` for what is no name."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    port = "" if origin.port == _DEFAULT_PORTS[origin.scheme] else f":{origin.port}"
    return (host + port).encode("idna" if not host.isascii() else "ascii")


class RequestHead:
    """What every request to one endpoint begins with, checked and rendered once.

    Raises ``ValueError`` for a header or path that would change the framing.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        method, path, headers = endpoint.method, endpoint.path, endpoint.headers
        host = host_header(endpoint.origin)
        parts = [method, b" ", path, b" HTTP/1.1\r\nhost: ", host, b"\r\naccept-encoding: identity\r\n"]
        for name, value in headers:
            _check_name(name)
            parts += (name, b": ", value, b"\r\n")
        self._lines = b"".join(parts)
        # Beside the headers there are three lines: the request's, host and accept-encoding.
        if len(self._lines) - len(self._lines.translate(None, b"\r\n\0")) != 2 * (len(headers) + 3) or b" " in path:
            raise ValueError("a request's method, path and headers hold no CR, LF or NUL, and its path no space")
        self._always_has_body = method != b"GET"
        self.bodiless_answer = method == b"HEAD"

    def followed_by(self, body: bytes, lines: bytes = b"") -> bytes:
        """A whole request in one piece. ``lines`` are more headers, which whoever read them has checked."""
        if body or self._always_has_body:
            return b"%b%bcontent-length: %d\r\n\r\n%b" % (self._lines, lines, len(body), body)
        return b"%b%b\r\n" % (self._lines, lines)


def _check_name(name: bytes) -> None:
    if not name or not _TOKEN.issuperset(name):
        raise ValueError(f"not a header name: {name!r}")
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"the transport sets {name.decode()} itself")


class ResponseParser:
    """Cuts what one connection brings into responses, one ``expect`` each.

    After ``feed``: ``head_complete`` with ``status`` and ``fields``; ``complete`` at the end, and then ``reusable``
    tells whether another request may follow. Interim responses (1xx) and trailers are passed over.
    """

    __slots__ = (
        "_bodiless",
        "_head_bytes",
        "_length_known",
        "_parser",
        "_pieces",
        "_quiet_bytes",
        "complete",
        "fields",
        "head_complete",
        "reusable",
        "status",
    )

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
        self.fields: list[tuple[bytes, bytes]] = []  # the headers, as they were written
        self.head_complete = False
        self.complete = False
        self.reusable = False

    def feed(self, data: bytes) -> bytes:
        """What ``data`` brings of the body. Raises ``UpstreamMalformed``; the connection is of no use after it."""
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.reusable = False
            if not self.complete:
                raise self._explained(error) from None
        pieces = self._pieces
        if pieces:
            self._quiet_bytes = 0
            self._pieces = []
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._quiet_bytes > self._head_bytes and not self.complete:
            raise self._too_long()
        return b""

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
        """Keep a header of the head, if it frames the body in a way that is taken; a trailer changes nothing."""
        if not self.head_complete:
            self.fields.append((name, value))
            if len(name) in _FRAMING_LENGTHS:
                self._check_framing(name.lower(), value)

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
            self.fields = []
            self._length_known = False
            return
        self.status = status
        self.head_complete = True
        self.reusable = self._parser.should_keep_alive() and self._version_may_stay()
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

    def _check_framing(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            self._length_known = True
        elif name == b"transfer-encoding":
            # llhttp takes no other blank behind it, and would read such a body as it stands.
            if value.strip(b" ").lower() != b"chunked" or self._length_known:
                raise self._malformed("a transfer encoding other than chunked")
            self._length_known = True
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise self._malformed("a content encoding that nobody asked for")

    def _version_may_stay(self) -> bool:
        """HTTP/1.0 knew no chunks: RFC 9112, 6.1 wants the connection of such an answer closed after it."""
        version = self._parser.get_http_version()
        if version == "1.1":
            return True
        return version == "1.0" and all(name.lower() != b"transfer-encoding" for name, _ in self.fields)

    def _measured_head(self) -> int:
        return sum(len(name) + len(value) + 4 for name, value in self.fields)

    def _explained(self, error: Exception) -> UpstreamMalformed:
        cause = error.__context__
        return cause if isinstance(cause, UpstreamMalformed) else self._malformed("a response that is not HTTP/1.1")

    def _too_long(self) -> UpstreamMalformed:
        return self._malformed(f"more than {self._head_bytes} bytes of headers")

    def _malformed(self, what: str) -> UpstreamMalformed:
        return UpstreamMalformed(f"The provider sent {what}.")
