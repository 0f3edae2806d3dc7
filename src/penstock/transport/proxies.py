"""Which proxy an origin is reached through, from the variables that curl and Python's urllib read. Pure.

https://everything.curl.dev/usingcurl/proxies/env and https://docs.python.org/3/library/urllib.request.html (2026-11-21)
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from penstock.core.ports import Endpoint, Origin
from penstock.transport.addresses import literal
from penstock.transport.message import host_header

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class ProxyInvalid(ValueError):
    """``variable`` holds no address of a proxy. What it holds is not told: a password may be in it."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable} is no address of an HTTP proxy")
        self.variable = variable
        self.suggestion = "write it like http://user:password@proxy.example.com:3128; https and socks are not spoken"


class Proxy(Struct, frozen=True):
    """Where a proxy listens, and what ``Proxy-Authorization`` it is given."""

    host: str
    port: int
    authorization: bytes | None = None

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """For the proxy alone."""
        return () if self.authorization is None else ((b"proxy-authorization", self.authorization),)

    def forwarding(self, endpoint: Endpoint) -> Endpoint:
        """How a proxy is asked to pass on a request to an ``http`` origin: with the whole URL (RFC 9112, 3.2.2)."""
        target = b"http://" + host_header(endpoint.origin) + endpoint.path
        return Endpoint(endpoint.origin, endpoint.method, target, (*endpoint.headers, *self.headers))


class _Exemption(Struct, frozen=True):
    """One entry of NO_PROXY: a name with all below it or a block of addresses, for one port or for all."""

    name: str
    network: _Network | None
    port: int | None

    @classmethod
    def of(cls, entry: str) -> _Exemption:
        host, colon, port = entry.rpartition(":")
        if not (colon and port.isdecimal() and (":" not in host or host.endswith("]"))):
            host, port = entry, ""
        host = host.strip("[]").removeprefix("*").strip(".").lower()
        try:
            network = ipaddress.ip_network(host, strict=False)
        except ValueError:
            network = None
        return cls(host, network, int(port) if port else None)

    def covers(self, origin: Origin) -> bool:
        if self.port is not None and self.port != origin.port:
            return False
        address = literal(origin.host)
        if address is not None:
            return self.network is not None and ipaddress.ip_address(address) in self.network
        host = origin.host.rstrip(".").lower()
        return host == self.name or host.endswith("." + self.name)


class Proxies:
    """What ``proxy_for`` decides by. An origin on this machine is reached directly always, as Go's client does it."""

    def __init__(self, http: Proxy | None = None, https: Proxy | None = None, bypass: str = "") -> None:
        self._by_scheme = {"http": http, "https": https}
        entries = bypass.replace(",", " ").split()
        self._exempt = [_Exemption.of(entry) for entry in entries if entry != "*"]
        self._off = "*" in entries

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Proxies:
        """From ``http_proxy``, ``https_proxy`` and ``no_proxy``, each also in capitals. Raises ``ProxyInvalid``."""
        return cls(_proxy("http_proxy", env), _proxy("https_proxy", env), _given("no_proxy", env)[1])

    @property
    def shown(self) -> dict[str, str]:
        """Each scheme that has a proxy, and where that is; no password."""
        return {scheme: str(proxy) for scheme, proxy in self._by_scheme.items() if proxy is not None}

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """The proxy to go through; ``None`` for none."""
        proxy = self._by_scheme[origin.scheme]
        if proxy is None or self._off or _is_here(origin.host):
            return None
        return None if any(exemption.covers(origin) for exemption in self._exempt) else proxy


def _is_here(host: str) -> bool:
    address = literal(host)
    return host == "localhost" if address is None else ipaddress.ip_address(address).is_loopback


def _given(name: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The variable and its value; small letters come before capitals, even when they are empty."""
    variable = name if name in env else name.upper()
    return variable, env.get(variable, "").strip()


def _proxy(name: str, env: Mapping[str, str]) -> Proxy | None:
    variable, value = _given(name, env)
    if not value:
        return None
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host, port, user = url.hostname, url.port or 80, unquote(url.username or "")
        credentials = f"{user}:{unquote(url.password or '')}".encode()
    except ValueError:
        raise ProxyInvalid(variable) from None
    if url.scheme != "http" or not host or url.path.strip("/") or url.query or url.fragment or ":" in user:
        raise ProxyInvalid(variable)
    return Proxy(host, port, None if url.username is None else b"Basic " + b64encode(credentials))
