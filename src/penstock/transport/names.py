"""What a name stands for, kept for a bounded time of our own: ``getaddrinfo`` tells no TTL.

Whoever uses an address checks it (``addresses.py``), kept or not.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec import Struct

from penstock.core.ports import Clock
from penstock.transport.reasons import Unreachable

Lookup: TypeAlias = Callable[[str], Awaitable[list[str]]]
_Outcome: TypeAlias = list[str] | OSError | UnicodeError

FRESH_S = 30.0  # an answer is used without asking again
STALE_S = 300.0  # and this much longer while the resolver fails (RFC 8767)
_PATIENCE_S = 0.5  # how long the resolver may take while an old answer is at hand
_MAX_NAMES = 1024
_NO_SUCH_NAME = (socket.EAI_NONAME, socket.EAI_NODATA)


class _Known(Struct):
    addresses: list[str]
    fresh_until_s: float
    stale_until_s: float


async def system_lookup(name: str) -> list[str]:
    """The system's answer, in its order (RFC 6724). Raises ``OSError`` and ``UnicodeError``."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Names:
    """Asks ``lookup`` once for however many wait; ``clock`` gives monotonic seconds."""

    def __init__(self, lookup: Lookup, clock: Clock) -> None:
        self._lookup = lookup
        self._clock = clock
        self._known: dict[str, _Known] = {}  # the oldest first
        self._asking: dict[str, asyncio.Task[_Outcome]] = {}

    async def addresses(self, name: str) -> list[str]:
        """The addresses of a name. Raises ``Unreachable``."""
        known, now_s = self._known.get(name), self._clock()
        if known is not None and now_s < known.fresh_until_s:
            return known.addresses
        asking = self._asking.get(name) or self._ask(name)
        usable = known is not None and now_s < known.stale_until_s
        await asyncio.wait({asking}, timeout=_PATIENCE_S if usable else None)  # it goes on, whoever leaves
        outcome = asking.result() if asking.done() else None
        if isinstance(outcome, list):
            return outcome
        if known is not None and usable and not _is_final(outcome):
            return known.addresses
        raise Unreachable(_reason(outcome))

    def doubt(self, name: str) -> None:
        """None of its addresses could be connected to: ask again before the next attempt."""
        known = self._known.get(name)
        if known is not None:
            known.fresh_until_s = self._clock()

    def prefer(self, name: str, address: str) -> None:
        """This one connected first: try it first for as long as the answer is kept (RFC 8305, section 4)."""
        known = self._known.get(name)
        if known is not None and address in known.addresses:
            known.addresses = [address, *(each for each in known.addresses if each != address)]

    # --- within ---

    def _ask(self, name: str) -> asyncio.Task[_Outcome]:
        task = self._asking[name] = asyncio.create_task(self._answer(name))
        return task

    async def _answer(self, name: str) -> _Outcome:
        try:
            addresses = await self._lookup(name)
        except (OSError, UnicodeError) as error:
            if _is_final(error):
                self._known.pop(name, None)
            return error
        finally:
            del self._asking[name]
        self._keep(name, addresses)
        return addresses

    def _keep(self, name: str, addresses: list[str]) -> None:
        self._known.pop(name, None)
        fresh_until_s = self._clock() + FRESH_S
        self._known[name] = _Known(addresses, fresh_until_s, fresh_until_s + STALE_S)
        if len(self._known) > _MAX_NAMES:
            del self._known[next(iter(self._known))]


def _is_final(outcome: OSError | UnicodeError | None) -> bool:
    """Whether this says that there is no such name, rather than that nobody could be asked."""
    return isinstance(outcome, UnicodeError) or (outcome is not None and outcome.errno in _NO_SUCH_NAME)


def _reason(outcome: OSError | UnicodeError | None) -> str:
    if isinstance(outcome, UnicodeError):
        return "its address is not a host name"
    return "name not found" if _is_final(outcome) else "the name cannot be resolved now"
