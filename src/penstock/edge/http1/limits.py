"""Bounds of one inbound connection: bytes, counts and seconds."""

from __future__ import annotations

from msgspec import Struct


class HttpLimits(Struct, frozen=True, kw_only=True):
    """What a client may send, and how slowly.

    ``head_s`` and ``body_s`` run from the first byte of each to its last; ``write_s`` is how long a client may take
    nothing of an answer; ``held_bytes`` is how much of pipelined requests waits, unread beyond, behind the call that
    is being answered.

    ``bodies_bytes`` bounds the bodies of all connections together, from a piece's arrival until its call's answer
    is over; ``app_bodies_bytes`` those of the ASGI app, whose callers are unknown until it looks. Both count as at
    least ``body_bytes``; what is held unparsed comes on top.
    """

    head_bytes: int = 32 * 1024
    headers_count: int = 100
    body_bytes: int = 20 * 1024 * 1024
    bodies_bytes: int = 256 * 1024 * 1024
    app_bodies_bytes: int = 64 * 1024 * 1024
    held_bytes: int = 64 * 1024
    connections: int = 16_384
    head_s: float = 10.0
    body_s: float = 60.0
    keep_alive_s: float = 75.0
    write_s: float = 60.0
    linger_s: float = 2.0

    @property
    def sweep_s(self) -> float:
        """How often deadlines are looked at: a quarter of the shortest, at most half a second."""
        return min(0.5, min(self.head_s, self.body_s, self.keep_alive_s, self.write_s, self.linger_s) / 4)
