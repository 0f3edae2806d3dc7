"""From an origin to a connection: name, permitted addresses, TCP, TLS."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable

from penstock.core.errors import UpstreamUnavailable
from penstock.core.ports import Origin
from penstock.transport.addresses import permitted_addresses
from penstock.transport.connection import Connection
from penstock.transport.tls import tls_reason, verified_context

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "the connection was closed while it was being opened",
    errno.ENETUNREACH: "no route to it from here",
    errno.EHOSTUNREACH: "no route to it from here",
    errno.EMFILE: "the gateway has no open files left",
    errno.ENFILE: "the gateway has no open files left",
}


class Dialer:
    """Opens connections. ``named_origins`` are those whose addresses may be private, because the operator said so."""

    def __init__(self, *, ca_file: str | None, named_origins: frozenset[Origin], connect_s: float) -> None:
        self._context = verified_context(ca_file)
        self._named_origins = named_origins
        self._connect_s = connect_s

    async def dial(self, origin: Origin, make: Callable[[], Connection]) -> Connection:
        """An open connection to the first permitted address that takes one. Raises ``UpstreamUnavailable``."""
        try:
            async with asyncio.timeout(self._connect_s):
                addresses = await permitted_addresses(origin, named=origin in self._named_origins)
                return await self._connect(origin, addresses, make)
        except TimeoutError:
            raise UpstreamUnavailable(
                f"The provider cannot be reached: no connection within {self._connect_s:g} s."
            ) from None
        except OSError as error:
            raise UpstreamUnavailable(f"The provider cannot be reached: {_reason(error)}.") from None

    async def _connect(self, origin: Origin, addresses: list[str], make: Callable[[], Connection]) -> Connection:
        for address in addresses[:-1]:
            try:
                return await self._connect_to(origin, address, make)
            except OSError:
                continue
        return await self._connect_to(origin, addresses[-1], make)

    async def _connect_to(self, origin: Origin, address: str, make: Callable[[], Connection]) -> Connection:
        # The checked address is the one connected to; certificate and SNI go by the name.
        secure = origin.scheme == "https"
        connection = make()
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                address,
                origin.port,
                ssl=self._context if secure else None,
                server_hostname=origin.host if secure else None,
            )
        except BaseException:
            connection.abort()
            raise
        return connection


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return tls_reason(error)
    return _REASONS.get(error.errno or 0, "the connection could not be opened")
