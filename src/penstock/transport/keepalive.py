"""Probes of a silent connection, by the kernel."""

from __future__ import annotations

import socket

# A gateway between forgets a silent connection, AWS's after 350 s, in the middle of a long answer; a dead peer is known
# after 2 minutes. https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html (2026-11-21)
_TIMES = [
    (getattr(socket, name), value)
    for name, value in {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}.items()
    if hasattr(socket, name)  # not on every system
]


def probe_when_silent(sock: socket.socket) -> None:
    """Have the kernel ask the peer from a minute's silence on, and close the connection to one that is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _TIMES:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
