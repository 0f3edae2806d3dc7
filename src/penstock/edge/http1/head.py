"""``Head``: request line and headers, read and checked before anything acts on them."""

from __future__ import annotations

import httptools
from msgspec import Struct

from penstock.core.errors import InvalidRequest, MethodNotAllowed

# Two readers of one of these may choose different values: that is how requests are smuggled past a gateway.
_ONCE = frozenset(
    {b"api-key", b"authorization", b"content-length", b"content-type", b"host", b"transfer-encoding", b"x-api-key"}
)


class Head(Struct, frozen=True):
    """A request up to its body. Header names are lower case; of a repeated header ``headers`` has the first.

    ``body_bytes`` is the announced length, ``None`` when the body is chunked. ``peer`` is host and port.
    """

    method: bytes
    path: bytes
    query: bytes
    version: str
    fields: list[tuple[bytes, bytes]]
    headers: dict[bytes, bytes]
    body_bytes: int | None
    keep_alive: bool
    peer: tuple[str, int] | None

    @property
    def has_body(self) -> bool:
        """Whether anything follows the head."""
        return self.body_bytes != 0

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for our word before it sends the body."""
        return (
            self.body_bytes != 0
            and self.version == "1.1"
            and self.headers.get(b"expect", b"").lower() == b"100-continue"
        )


def read_head(
    parser: httptools.HttpRequestParser,
    target: bytes,
    fields: list[tuple[bytes, bytes]],
    peer: tuple[str, int] | None,
) -> Head:
    """Check what the parser, at the end of a head, lets through. Raises ``InvalidRequest`` or ``MethodNotAllowed``."""
    version = parser.get_http_version()
    headers = dict(fields)
    if len(headers) != len(fields):
        headers = _first_of_each(fields)
    if version == "1.1":
        if b"host" not in headers:
            raise InvalidRequest("An HTTP/1.1 request needs a Host header.")
    elif version != "1.0":
        raise InvalidRequest("Speak HTTP/1.1 or HTTP/1.0.")
    body_bytes: int | None = 0
    if b"content-length" in headers:
        body_bytes = int(headers[b"content-length"])
    elif b"transfer-encoding" in headers:
        if version == "1.0" or headers[b"transfer-encoding"].strip().lower() != b"chunked":
            raise InvalidRequest("The only transfer-encoding served is 'chunked', on HTTP/1.1.")
        body_bytes = None
    method = parser.get_method()
    path, _, query = target.partition(b"?")
    if not target.startswith(b"/") or target.find(b"#") >= 0 or method == b"CONNECT":
        path, query = _split_url(method, target)
    # An upgrade is never taken up: the request is answered as it stands and the connection closed.
    keep_alive = version == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()
    return Head(method, path, query, version, fields, headers, body_bytes, keep_alive, peer)


def _first_of_each(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        if headers.setdefault(name, value) is not value and name in _ONCE:
            raise InvalidRequest(f"Send the header '{name.decode('ascii')}' once.")
    return headers


def _split_url(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    if method == b"CONNECT":
        raise MethodNotAllowed("This is not a forward proxy: CONNECT is not served.")
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        raise InvalidRequest("The request target is not a path or an absolute URL.") from None
    return url.path or b"/", url.query or b""
