"""``Flights``: every call ends in time, or when the client is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from penstock.core.answer import Answer, Outcome
from penstock.core.errors import DeadlineExceeded, PenstockError, Unavailable

T = TypeVar("T")

# What is cancelled gives back what it holds; that takes a few turns of the loop, and never waits for a provider.
_LANDING_S = 5.0


class Flights:
    """Those of one client."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()
        self._landed = asyncio.Event()
        self._streams: set[Answer] = set()
        self._closed = False

    async def bounded(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """What ``work`` returns or raises. Raises ``DeadlineExceeded``, and ``Unavailable`` once this is closed."""
        if self._closed:
            work.close()
            raise _closed()
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                self._limits.add(limit)
                return await work
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._why(timeout_s) from None
        finally:
            self._limits.discard(limit)
            if not self._limits:
                self._landed.set()

    def bound(self, stream: Answer, until_s: float, timeout_s: float) -> None:
        """End ``stream`` at ``until_s`` of the loop's time, when its ``timeout_s`` are over, if it has not ended."""
        timer = asyncio.get_running_loop().call_at(until_s, stream.end, Outcome("error", _late(timeout_s)))
        self._streams.add(stream)

        def landed(_: Outcome) -> None:
            timer.cancel()
            self._streams.discard(stream)

        stream.on_close(landed)

    async def aclose(self) -> None:
        """End what is under way, and wait until it has ended."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.end(Outcome("error", _closed()))
        self._landed.clear()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0.0)
        if self._limits:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LANDING_S):
                    await self._landed.wait()

    def _why(self, timeout_s: float) -> PenstockError:
        return _closed() if self._closed else _late(timeout_s)


def _late(timeout_s: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"There was no whole answer within the {timeout_s:g} s of `timeout_s`.")


def _closed() -> Unavailable:
    return Unavailable("The client is closed: ask while its `async with` block runs.")
