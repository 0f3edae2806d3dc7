"""From an origin to a connection: name, permitted addresses, TCP, a proxy's tunnel, TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from penstock.core.errors import UpstreamError, UpstreamMisconfigured, UpstreamUnavailable
from penstock.core.ports import Origin
from penstock.transport.addresses import literal, permitted
from penstock.transport.connection import Connection
from penstock.transport.eyeballs import connected, first_connected
from penstock.transport.keepalive import probe_when_silent
from penstock.transport.limits import TransportLimits
from penstock.transport.names import Names
from penstock.transport.proxies import Proxies, Proxy
from penstock.transport.reasons import Unreachable, reason_of
from penstock.transport.tls import ResumingContext
from penstock.transport.tunnel import open_tunnel

# Arguments of the loop's ``create_connection``: where to connect to, or what is connected already.
_Place: TypeAlias = dict[str, Any]


class Dialer:
    """Opens connections. ``named_origins`` are those whose addresses may be private, because the operator said so."""

    def __init__(
        self,
        context: ResumingContext,
        names: Names,
        *,
        named_origins: frozenset[Origin],
        proxies: Proxies,
        limits: TransportLimits,
    ) -> None:
        self._context = context
        self._names = names
        self._named_origins = named_origins
        self._proxies = proxies
        self._limits = limits

    async def dial(self, origin: Origin, make: Callable[[], Connection]) -> Connection:
        """An open connection. Raises ``UpstreamUnavailable`` and ``UpstreamMisconfigured``."""
        proxy = self._proxies.proxy_for(origin)
        try:
            async with asyncio.timeout(self._limits.connect_s):
                place = await (self._direct(origin) if proxy is None else self._through(proxy, origin))
                return await self._open(origin, place, make)
        except TimeoutError:
            through = "" if proxy is None else " through its proxy"
            error = Unreachable(f"no connection{through} within {self._limits.connect_s:g} s")
        except OSError as failure:
            error = Unreachable(reason_of(failure))
        except Unreachable as failure:
            raise refusal(failure) from None
        self._names.doubt(origin.host if proxy is None else proxy.host)
        raise refusal(error)

    # --- TCP ---

    async def _direct(self, origin: Origin) -> _Place:
        addresses = await self._permitted(origin.host, named=origin in self._named_origins)
        if len(addresses) == 1:  # the loop connects for half the price of a race: 100 us against 200
            return {"host": addresses[0], "port": origin.port}
        return {"sock": await self._race(origin.host, addresses, origin.port)}

    async def _through(self, proxy: Proxy, origin: Origin) -> _Place:
        """What stands behind the origin's name is for the proxy to know; an address can be judged here."""
        address = literal(origin.host)
        if address is not None:
            permitted([address], named=origin in self._named_origins)
        try:
            addresses = await self._permitted(proxy.host, named=True)
            sock = await self._race(proxy.host, addresses, proxy.port)
        except (OSError, Unreachable) as error:
            self._names.doubt(proxy.host)
            raise Unreachable(f"its proxy cannot be reached: {reason_of(error)}") from None
        if origin.scheme == "https":
            try:
                await open_tunnel(sock, origin, proxy, head_bytes=self._limits.head_bytes)
            except BaseException:
                sock.close()
                raise
        return {"sock": sock}

    async def _race(self, host: str, addresses: list[str], port: int) -> socket.socket:
        async def connect(address: str) -> socket.socket:
            sock = await connected(address, port)
            self._names.prefer(host, address)
            return sock

        return await first_connected(addresses, connect)

    async def _permitted(self, host: str, *, named: bool) -> list[str]:
        """Checked with every use: an answer that has changed, or was kept, opens no private address."""
        address = literal(host)
        return permitted([address] if address is not None else await self._names.addresses(host), named=named)

    # --- TLS ---

    async def _open(self, origin: Origin, place: _Place, make: Callable[[], Connection]) -> Connection:
        """Have the loop take it from here; certificate and SNI go by the origin's name, whoever carries the bytes."""
        secure = origin.scheme == "https"
        connection = make()
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: connection,
                **place,
                ssl=self._context if secure else None,
                server_hostname=origin.host if secure else None,
            )
        except BaseException:
            connection.abort()
            self._context.forget(origin.host)
            raise
        if not connection.lost:
            probe_when_silent(transport.get_extra_info("socket"))
        return connection


def refusal(error: Unreachable) -> UpstreamError:
    """What a caller is told: whether asking again can help, and why not."""
    kind = UpstreamMisconfigured if error.permanent else UpstreamUnavailable
    return kind(f"The provider cannot be reached: {error.reason}.")
