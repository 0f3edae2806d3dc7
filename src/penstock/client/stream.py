"""``Stream``: a streamed answer, part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

from penstock.client.assembly import Assembly
from penstock.client.flights import Flights
from penstock.client.told import Told
from penstock.core.answer import CANCEL
from penstock.llm.generation import Generation
from penstock.llm.inbox import Inbox

_FRAME = len(b"data: ")


class Stream:
    """An asynchronous iterator over the text of the first choice, or its refusal. It asks when it is first read.

    It raises what breaks it off, and it never ends well unless the answer did: then ``result`` is the whole answer. One
    that nobody reads to its end is closed by ``async with``, by ``aclose`` or when it is dropped, and the call with it.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Told]], flights: Flights, timeout_s: float) -> None:
        self._ask = ask
        self._flights = flights
        self._timeout_s = timeout_s
        self._told: Told | None = None
        self._inbox: Inbox | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False
        self._assembly = Assembly()
        self._result: Generation | None = None

    @property
    def result(self) -> Generation:
        """The whole answer. Raises ``RuntimeError`` before the stream has ended well."""
        if self._result is None:
            raise RuntimeError("a stream has its result once it was read to its end")
        return self._result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        if self._over:
            raise StopAsyncIteration
        try:
            inbox = self._inbox or await self._begin()
            while (event := await inbox.take()) is not None:
                if event.raw and (text := self._assembly.add(event.raw[_FRAME:])):
                    return text
            if self._told is not None:
                self._result = self._told.generation(self._assembly.body)
        except BaseException:
            self._close()
            raise
        self._close()
        raise StopAsyncIteration

    async def _begin(self) -> Inbox:
        self._loop = loop = asyncio.get_running_loop()
        until_s = loop.time() + self._timeout_s
        self._told = told = await self._flights.bounded(self._ask(), self._timeout_s)
        self._flights.bound(told.answer, until_s, self._timeout_s)
        self._inbox = inbox = Inbox(told.answer)
        return inbox

    async def aclose(self) -> None:
        """Give up what has not been read."""
        self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    def __del__(self) -> None:
        loop, told = self._loop, self._told
        if not self._over and told is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(told.answer.close, CANCEL)

    def _close(self) -> None:
        self._over = True
        if self._told is not None:
            self._told.answer.close(CANCEL)
