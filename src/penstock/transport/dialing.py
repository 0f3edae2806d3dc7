"""From an origin to a connection: name, permitted addresses, TCP, a proxy's tunnel, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial

from penstock.core.errors import UpstreamError, UpstreamMisconfigured, UpstreamUnavailable
from penstock.core.ports import Origin
from penstock.transport.addresses import literal, permitted
from penstock.transport.connection import Connection
from penstock.transport.eyeballs import connected, first_connected
from penstock.transport.limits import TransportLimits
from penstock.transport.names import Names
from penstock.transport.proxies import Proxies, Proxy
from penstock.transport.reasons import Unreachable, reason_of
from penstock.transport.tls import ResumingContext
from penstock.transport.tunnel import open_tunnel


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
                sock = await (self._direct(origin) if proxy is None else self._through(proxy, origin))
                return await self._open(origin, sock, make)
        except TimeoutError:
            through = "" if proxy is None else " through its proxy"
            error = Unreachable(f"no connection{through} within {self._limits.connect_s:g} s")
        except (OSError, Unreachable) as failure:
            error = Unreachable(reason_of(failure), permanent=getattr(failure, "permanent", False))
        raise refusal(error)

    # --- TCP ---

    async def _direct(self, origin: Origin) -> socket.socket:
        return await self._connect(origin.host, origin.port, named=origin in self._named_origins)

    async def _through(self, proxy: Proxy, origin: Origin) -> socket.socket:
        """What stands behind the origin's name is for the proxy to know; an address can be judged here."""
        address = literal(origin.host)
        if address is not None:
            permitted([address], named=origin in self._named_origins)
        try:
            sock = await self._connect(proxy.host, proxy.port, named=True)
        except (OSError, Unreachable) as error:
            raise Unreachable(f"its proxy cannot be reached: {reason_of(error)}") from None
        if origin.scheme == "https":
            try:
                await open_tunnel(sock, origin, proxy, head_bytes=self._limits.head_bytes)
            except BaseException:
                sock.close()
                raise
        return sock

    async def _connect(self, host: str, port: int, *, named: bool) -> socket.socket:
        address = literal(host)
        addresses = await self._names.addresses(host) if address is None else [address]
        # Checked with every use: an answer that has changed, or was kept, opens no private address.
        try:
            return await first_connected(permitted(addresses, named=named), partial(connected, port=port))
        except OSError:
            self._names.doubt(host)
            raise

    # --- TLS ---

    async def _open(self, origin: Origin, sock: socket.socket, make: Callable[[], Connection]) -> Connection:
        """Hand ``sock`` over to the loop; certificate and SNI go by the origin's name, whoever carries the bytes."""
        secure = origin.scheme == "https"
        connection = make()
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=sock,
                ssl=self._context if secure else None,
                server_hostname=origin.host if secure else None,
            )
        except BaseException as error:
            connection.abort()
            if isinstance(error, ssl.SSLError):
                self._context.forget(origin.host)
            raise
        return connection


def refusal(error: Unreachable) -> UpstreamError:
    """What a caller is told: whether asking again can help, and why not."""
    kind = UpstreamMisconfigured if error.permanent else UpstreamUnavailable
    return kind(f"The provider cannot be reached: {error.reason}.")
