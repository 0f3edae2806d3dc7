"""Which addresses may be connected to. Pure."""

from __future__ import annotations

import ipaddress

from penstock.transport.reasons import Unreachable

# Metadata and platform endpoints whose addresses look public: Azure's, reachable from inside its machines only
# (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16, 2026-11-21), and Oracle's
# 192.0.0.192 in the block of RFC 6890, which Python's ipaddress counts as global from 3.11.4 on.
_PLATFORM = (ipaddress.ip_network("168.63.129.16/32"), ipaddress.ip_network("192.0.0.0/24"))
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291: every IPv6 address of the open internet so far
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address


def is_public(address: str) -> bool:
    """Whether an address is of the open internet: not private, loopback, link-local, metadata or unspecified.

    An IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64) counts as itself.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _embedded(ip)
        if inner is not None:
            return is_public(str(inner))
        return ip.is_global and ip in _GLOBAL_UNICAST
    return ip.is_global and not ip.is_multicast and not any(ip in block for block in _PLATFORM)


def permitted(addresses: list[str], *, named: bool) -> list[str]:
    """Those that may be connected to; all of them when the operator ``named`` the origin. Raises ``Unreachable``."""
    allowed = addresses if named else [address for address in addresses if is_public(address)]
    if not allowed:
        raise Unreachable("its address is private. Name it in the config, as `base_url`")
    return allowed


def literal(host: str) -> str | None:
    """The address that a host is, if it is no name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64:
        return ipaddress.IPv4Address(ip.packed[-4:])
    if ip.teredo is not None:
        return ip.teredo[1]
    return ip.ipv4_mapped or ip.sixtofour
