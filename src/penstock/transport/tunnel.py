"""CONNECT (RFC 9110, 9.3.6): a proxy's connection to an origin, before a byte of TLS has gone through it."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus

from penstock.core.errors import UpstreamMalformed
from penstock.core.ports import Origin
from penstock.transport.message import ResponseParser
from penstock.transport.proxies import Proxy
from penstock.transport.reasons import Unreachable

ASKS_FOR_PASSWORD = "its proxy asks for another user and password. Give them in the proxy's address"  # noqa: S105 - words

_STRANGE = "its proxy does not answer as an HTTP proxy does"
_END = b"\r\n\r\n"
_READ_BYTES = 4096
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


async def open_tunnel(sock: socket.socket, origin: Origin, proxy: Proxy, *, head_bytes: int) -> None:
    """Have ``proxy``, connected to by ``sock``, pass on everything from now on. The caller bounds the time.

    Raises ``Unreachable`` and ``OSError``, also when something follows the proxy's head: in TLS the client speaks first.
    """
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, _request(origin, proxy))
    parser = ResponseParser(head_bytes)
    parser.expect(bodiless=True)
    tail = b""
    while not parser.head_complete:
        data = await loop.sock_recv(sock, _READ_BYTES)
        if not data:
            raise Unreachable("its proxy closed the connection")
        tail = (tail + data)[-len(_END) :]
        try:
            parser.feed(data)
        except UpstreamMalformed:
            raise Unreachable(_STRANGE) from None
    status = parser.status
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise Unreachable(ASKS_FOR_PASSWORD, permanent=True)
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        refused = status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSING
        raise Unreachable(f"its proxy answered with status {status}", permanent=refused)
    if tail != _END:
        raise Unreachable(_STRANGE)


def _request(origin: Origin, proxy: Proxy) -> bytes:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    target = b"%b:%d" % (host.encode("ascii" if host.isascii() else "idna"), origin.port)
    lines = [b"CONNECT %b HTTP/1.1" % target, b"host: " + target]
    lines += [b"%b: %b" % header for header in proxy.headers]
    return b"\r\n".join((*lines, b"", b""))
