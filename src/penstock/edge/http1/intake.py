"""``Intake``: bytes in, heads and bodies out, within bounds."""

from __future__ import annotations

import re
from typing import Protocol

import httptools

from penstock.core.errors import (
    BodyTooLarge,
    HeadTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    PenstockError,
    Unavailable,
)
from penstock.edge.http1.head import Head, read_head
from penstock.edge.http1.limits import HttpLimits
from penstock.edge.http1.repeated import RepeatedHead

_MALFORMED = "The request is not well-formed HTTP/1.1."
_UNKNOWN = "No path here has such a method: use GET, HEAD or POST, as /docs says for each."
# A sound request line, but for the method, which the parser does not know (tokens: RFC 9110, section 5.6.2).
_UNKNOWN_METHOD = re.compile(rb"(?!GET |HEAD |POST )[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/1\.[01]\r\n")


class Listener(Protocol):
    """Takes requests piece by piece, in order."""

    def head_started(self) -> None:
        """The first byte of a request has come."""

    def head_read(self, head: Head) -> None:
        """The head is complete; ``body_ended`` follows, unless the intake is stopped."""

    def body_read(self, piece: bytes) -> None:
        """Take the next piece of the body. Raises ``Unavailable`` when there is no room for it."""

    def body_ended(self) -> None:
        """The request is complete."""

    def refused(self, error: PenstockError) -> None:
        """The request cannot be read; nothing follows."""


class Intake:
    """One llhttp parser per connection: it refuses the smuggling shapes, this class adds the bounds.

    Callbacks never raise: an intake that has heard enough is deaf.
    """

    def __init__(self, listener: Listener, limits: HttpLimits, peer: tuple[str, int] | None) -> None:
        self.in_head = False
        self._listener = listener
        self._max_head_bytes = limits.head_bytes
        self._max_headers = limits.headers_count
        self._max_body_bytes = limits.body_bytes
        self._peer = peer
        self._parser = httptools.HttpRequestParser(self)
        self._deaf = False
        self._keep_alive = True
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        # A head is measured only where it could be over the bound.
        self._measuring = False
        self._body_bytes = 0
        # Bytes fed since the parser last got anywhere: half a header, a long chunk extension, endless trailers.
        self._stuck_bytes = 0
        self._moved = False
        # Between two requests the next may be a repeated one.
        self._between = True
        self._heads_read = 0
        self._head: Head | None = None
        self._repeated = RepeatedHead()

    def feed(self, data: bytes | memoryview) -> None:
        """Parse ``data``, split anywhere; may call the listener many times."""
        if self._deaf:
            return
        whole = data if self._between and isinstance(data, bytes) else None
        if whole is not None and self._take_repeated(whole):
            return
        heads_read = self._heads_read
        self._measuring = self.in_head or len(data) > self._max_head_bytes // 2
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay_http(data[upgrade.args[0] :])
            return
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserInvalidMethodError:
            unknown = _UNKNOWN_METHOD.match(data)
            self._refuse(MethodNotAllowed(_UNKNOWN) if unknown else InvalidRequest(_MALFORMED))
        except httptools.HttpParserError:
            self._refuse(InvalidRequest(_MALFORMED))
        if self._moved:
            self._moved = False
            self._stuck_bytes = 0
            if whole and self._between and self._head is not None and self._heads_read == heads_read + 1:
                self._repeated.learn(whole, self._head)
            return
        self._stuck_bytes += len(data)
        if self._stuck_bytes > self._max_head_bytes:
            self._refuse(self._head_too_large())

    def stop(self) -> None:
        """Parse nothing more."""
        self._deaf = True

    def close(self) -> None:
        """Let go of the parser, which holds this object."""
        self._deaf = True
        del self._parser

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        """A request starts."""
        if self._deaf:
            return
        self.in_head = self._moved = True
        self._between = False
        self._target = b""
        self._fields = []
        self._body_bytes = 0
        self._listener.head_started()

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header, or a trailer."""
        if self.in_head:  # trailers are dropped
            # llhttp leaves the blanks behind a value (RFC 9110, 5.5: no part of it) and has refused other white space.
            self._fields.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._deaf:
            return
        if len(self._fields) > self._max_headers or (self._measuring and self._measure() > self._max_head_bytes):
            self._refuse(self._head_too_large())
            return
        try:
            head = read_head(self._parser, self._target, self._fields, self._peer)
        except InvalidRequest as error:
            self._refuse(error)
            return
        self._head = head
        self._heads_read += 1
        self._keep_alive = head.keep_alive
        self.in_head = False
        self._moved = True
        self._listener.head_read(head)

    def on_body(self, body: bytes) -> None:
        """A piece of the body, out of its chunks."""
        if self._deaf:
            return
        self._moved = True
        self._body_bytes += len(body)
        if self._body_bytes > self._max_body_bytes:
            self._refuse(BodyTooLarge(f"The body is over the limit of {self._max_body_bytes} bytes: send less."))
            return
        try:
            self._listener.body_read(body)
        except Unavailable as error:
            self._refuse(error)

    def on_message_complete(self) -> None:
        """The request is whole."""
        # llhttp ends an upgrade request at its head, even one with a body: that is read in _stay_http.
        if self._deaf:
            return
        if not self._keep_alive:
            if self._parser.should_upgrade() and self._body_follows():
                return
            self._deaf = True
        self._moved = self._between = True
        self._listener.body_ended()

    # --- within ---

    def _take_repeated(self, data: bytes) -> bool:
        """Tell of a whole request as the parser would, if it is one that needs no parser."""
        repeated = self._repeated.read(data)
        if repeated is None or len(repeated[1]) > self._max_body_bytes:
            return False
        head, body = repeated
        listener = self._listener
        listener.head_started()
        listener.head_read(head)
        try:
            listener.body_read(body)
        except Unavailable as error:
            self._refuse(error)
        if not self._deaf:
            listener.body_ended()
        self._stuck_bytes = 0
        return True

    def _measure(self) -> int:
        return len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._fields)

    def _body_follows(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
            for name, value in self._fields
        )

    def _stay_http(self, rest: bytes | memoryview) -> None:
        """Read the body of an upgrade request: clients that offer h2c send it without waiting for our choice."""
        if self._deaf:
            return
        framing = b"".join(
            [b"%b: %b\r\n" % field for field in self._fields if field[0] in (b"content-length", b"transfer-encoding")]
        )
        self._parser = httptools.HttpRequestParser(self)
        self._deaf = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
        self._deaf = False
        self.feed(rest)

    def _head_too_large(self) -> HeadTooLarge:
        return HeadTooLarge(
            f"Request line and headers are over the limit of {self._max_head_bytes} bytes or {self._max_headers} headers."
        )

    def _refuse(self, error: PenstockError) -> None:
        if not self._deaf:
            self._deaf = True
            self._listener.refused(error)
