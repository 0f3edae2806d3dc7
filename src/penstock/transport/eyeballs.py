"""Happy eyeballs (RFC 8305): several addresses, one connection, and no long wait for one that does not answer."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import chain, zip_longest
from typing import Any

DELAY_S = 0.25  # RFC 8305, section 8: the recommended delay between two attempts


def interleaved(addresses: list[str]) -> list[str]:
    """The families in turn, the resolver's favourite first (section 4)."""
    first = [address for address in addresses if _family(address) == _family(addresses[0])]
    second = [address for address in addresses if _family(address) != _family(addresses[0])]
    return [address for address in chain(*zip_longest(first, second)) if address is not None]


class Schedule:
    """Which address to try when (section 5): one after the other, and at once after a failure. Pure.

    Times are monotonic seconds.
    """

    def __init__(self, addresses: list[str], delay_s: float) -> None:
        self._left = deque(interleaved(addresses))
        self._delay_s = delay_s
        self._due_s = 0.0

    def wait_s(self, now_s: float) -> float | None:
        """How long until ``next``; ``None`` when no address is left."""
        return max(0.0, self._due_s - now_s) if self._left else None

    def next(self, now_s: float) -> str:
        """The address to try now."""
        self._due_s = now_s + self._delay_s
        return self._left.popleft()

    def failed(self) -> None:
        """An attempt has failed: the next need not wait."""
        self._due_s = 0.0


async def first_connected(
    addresses: list[str], connect: Callable[[str], Coroutine[Any, Any, socket.socket]]
) -> socket.socket:
    """The first socket that connects; every other attempt is cancelled and its socket closed.

    Raises the ``OSError`` of the last attempt to fail when all have.
    """
    loop = asyncio.get_running_loop()
    schedule = Schedule(addresses, DELAY_S)
    attempts: set[asyncio.Task[socket.socket]] = set()
    try:
        while True:
            wait_s = schedule.wait_s(loop.time())
            if wait_s == 0:
                attempts.add(loop.create_task(connect(schedule.next(loop.time()))))
                continue
            done, _ = await asyncio.wait(attempts, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                attempts.discard(attempt)
                error = attempt.exception()
                if error is None:
                    return attempt.result()
                schedule.failed()
                if not attempts and wait_s is None:
                    raise error
    finally:
        for attempt in attempts:
            _leave(attempt)


async def connected(address: str, port: int) -> socket.socket:
    """A TCP connection. Raises ``OSError``."""
    # asyncio sets TCP_NODELAY on a socket that says its protocol's number.
    sock = socket.socket(_family(address), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _leave(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancel() and not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()  # connected in the same moment as the winner
