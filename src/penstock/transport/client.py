"""``HttpTransport``: the front of it all, one lane per origin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any, TypeAlias

from penstock.core.ports import Endpoint, Origin
from penstock.transport.dialing import Dialer, refusal
from penstock.transport.lane import Lane
from penstock.transport.limits import TransportLimits
from penstock.transport.message import RequestHead
from penstock.transport.names import Lookup, Names, system_lookup
from penstock.transport.proxies import Proxies
from penstock.transport.reasons import Unreachable
from penstock.transport.response import Response
from penstock.transport.tls import client_context
from penstock.transport.tunnel import ASKS_FOR_PASSWORD

_DEFAULT_LIMITS = TransportLimits()
_NO_PROXIES = Proxies()

_Send: TypeAlias = Callable[..., Coroutine[Any, Any, Response]]


class HttpTransport:
    """Implements ``core.ports.Transport``.

    ``ca_file`` holds CA certificates (PEM) trusted beside the system's; ``verify`` is off in development alone;
    ``named_origins`` are those that may have private addresses; ``lookup`` resolves names. Raises ``OSError`` when
    ``ca_file`` cannot be read. Redirects are never followed; nothing is sent twice, except after a kept-alive
    connection was closed before one byte of the answer.
    """

    def __init__(
        self,
        limits: TransportLimits = _DEFAULT_LIMITS,
        *,
        ca_file: str | None = None,
        verify: bool = True,
        named_origins: frozenset[Origin] = frozenset(),
        proxies: Proxies = _NO_PROXIES,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._limits = limits
        self._proxies = proxies
        self._dialer = Dialer(
            client_context(ca_file, verify=verify),
            Names(lookup, monotonic),
            named_origins=named_origins,
            proxies=proxies,
            limits=limits,
        )
        self._lanes: dict[Origin, Lane] = {}
        self._closed = False

    def bind(self, endpoint: Endpoint) -> _Send:
        """See ``core.ports.Transport.bind``."""
        origin = endpoint.origin
        lane = self._lanes.get(origin) or self._lane(origin)
        proxy = self._proxies.proxy_for(origin)
        if proxy is None or origin.scheme == "https":
            return partial(lane.send, RequestHead(endpoint))
        return partial(_forwarded, partial(lane.send, RequestHead(proxy.forwarding(endpoint))))

    async def aclose(self) -> None:
        """See ``core.ports.Transport.aclose``; what waits or comes later is refused."""
        self._closed = True
        for lane in self._lanes.values():
            lane.close()
        await asyncio.sleep(0)  # the loop closes sockets in its next turn

    def _lane(self, origin: Origin) -> Lane:
        lane = self._lanes[origin] = Lane(origin, self._limits, self._dialer)
        if self._closed:
            lane.close()
        return lane


async def _forwarded(send: _Send, body: bytes, lines: bytes = b"") -> Response:
    """An answer that a proxy passes on, or gives itself."""
    response = await send(body, lines)
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        response.close()
        raise refusal(Unreachable(ASKS_FOR_PASSWORD, permanent=True))
    return response
