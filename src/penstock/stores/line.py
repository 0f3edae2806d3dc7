"""``Line``: a few at once at one place, some more in line for it, and nobody there for long."""

from __future__ import annotations

import asyncio

from penstock.core.errors import StoreFailed

_FULL = "The gateway's store is behind its disk: retry in a moment."


class Line:
    """``leave`` once for each ``enter`` that has returned."""

    def __init__(self, at_once: int, waiting: int = 512) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._room = waiting

    async def enter(self, limit_s: float) -> None:
        """Take a place, or wait ``limit_s`` for one. Raises ``StoreFailed`` when the line is full or does not move."""
        if self._places.locked() and not self._room:
            raise StoreFailed(_FULL)
        self._room -= 1
        try:
            async with asyncio.timeout(limit_s):
                await self._places.acquire()
        except TimeoutError:
            raise StoreFailed(_FULL) from None
        finally:
            self._room += 1

    def leave(self) -> None:
        """Let the next one in."""
        self._places.release()
