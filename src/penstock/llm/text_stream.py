"""Streams as a program reads them: the text part by part and, once they have ended, how it came about.

A stream that nobody knows any more closes itself: its generator ends with it, and so must not know it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterator
from contextlib import suppress

from msgspec import Struct

from penstock.core.errors import Unavailable
from penstock.llm.generation import Generation
from penstock.llm.loop_thread import LoopThread


class Told(Struct):
    """What a generator of parts says in the end."""

    generation: Generation | None = None


class AsyncTextStream(AsyncIterator[str]):
    """What ``LLM.astream`` gives. Raises what breaks it off."""

    def __init__(self, parts: AsyncGenerator[str, None], told: Told) -> None:
        self._parts = parts
        self._told = told

    @property
    def generation(self) -> Generation | None:
        """What has come of it, once it has ended: well, cut, or closed early. ``None`` before, and without an answer."""
        return self._told.generation

    def __anext__(self) -> Awaitable[str]:
        return self._parts.__anext__()

    async def aclose(self) -> None:
        """Read no more, and free its connection."""
        await self._parts.aclose()


class TextStream(Iterator[str]):
    """What ``LLM.stream`` gives: the same, for code that does not await."""

    def __init__(self, stream: AsyncTextStream, thread: LoopThread) -> None:
        self._stream = stream
        self._thread = thread
        self._parts = _read(stream, thread)

    @property
    def generation(self) -> Generation | None:
        """As that of ``AsyncTextStream``."""
        return self._stream.generation

    def __next__(self) -> str:
        return next(self._parts)

    def close(self) -> None:
        """Read no more, and free its connection."""
        with suppress(Unavailable):  # the LLM was closed before, and all that it did
            self._thread.run(self._stream.aclose())
        self._parts.close()


def _read(stream: AsyncTextStream, thread: LoopThread) -> Generator[str, None, None]:
    try:
        while (part := thread.run(_next(stream))) is not None:
            yield part
    finally:
        thread.leave(stream.aclose())


async def _next(stream: AsyncTextStream) -> str | None:
    return await anext(stream, None)
