"""How much of anything the transport may hold, and how long it may wait."""

from __future__ import annotations

from msgspec import Struct


class TransportLimits(Struct, frozen=True, kw_only=True):
    """Bounds per origin and per connection.

    ``max_waiting_per_origin`` requests wait up to ``wait_s`` for one of ``max_connections_per_origin``; beyond that
    they are refused at once. A kept-alive connection that is lost within ``stale_s`` of its use had been closed by its
    peer; lost later, the peer has worked on the request, which is not sent again. ``connect_s`` covers name, TCP and TLS together. ``head_bytes`` bounds a response's head
    and, after it, whatever comes without bringing any body (chunk extensions, trailers). The time to a head and the
    size of a body are the caller's to bound.
    """

    max_connections_per_origin: int = 4096
    max_waiting_per_origin: int = 4096
    wait_s: float = 5.0
    connect_s: float = 5.0
    keep_alive_s: float = 30.0
    stale_s: float = 1.0
    head_bytes: int = 64 * 1024
