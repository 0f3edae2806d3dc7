"""``HttpTransport``: the front of it all, one lane per origin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from penstock.core.ports import Endpoint, Origin
from penstock.transport.dialing import Dialer
from penstock.transport.lane import Lane
from penstock.transport.limits import TransportLimits
from penstock.transport.message import RequestHead
from penstock.transport.response import Response

_DEFAULT_LIMITS = TransportLimits()


class HttpTransport:
    """Implements ``core.ports.Transport``.

    ``ca_file`` holds CA certificates (PEM) trusted beside the system's; ``named_origins`` are those that may have
    private addresses. Raises ``OSError`` when ``ca_file`` cannot be read. Redirects are never followed; nothing is
    sent twice, except after a kept-alive connection was closed before one byte of the answer.
    """

    def __init__(
        self,
        limits: TransportLimits = _DEFAULT_LIMITS,
        *,
        ca_file: str | None = None,
        named_origins: frozenset[Origin] = frozenset(),
    ) -> None:
        self._limits = limits
        self._dialer = Dialer(ca_file=ca_file, named_origins=named_origins, connect_s=limits.connect_s)
        self._lanes: dict[Origin, Lane] = {}
        self._closed = False

    def bind(self, endpoint: Endpoint) -> Callable[[bytes], Coroutine[Any, Any, Response]]:
        """See ``core.ports.Transport.bind``."""
        lane = self._lanes.get(endpoint.origin) or self._lane(endpoint.origin)
        return partial(lane.send, RequestHead(endpoint))

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
