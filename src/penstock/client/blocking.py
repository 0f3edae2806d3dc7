"""``BlockingClient``: a client for code that has no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, Unpack

from penstock.client.question import Asks
from penstock.client.stream import Stream
from penstock.llm.generation import Generation
from penstock.llm.loop_thread import LoopThread
from penstock.llm.request import Prompt

if TYPE_CHECKING:
    from penstock.client.client import Client


class BlockingClient:
    """Asks through ``client``, whose loop runs in a thread of its own between ``with`` and its end. Threads may share it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._thread = LoopThread()

    def __enter__(self) -> Self:
        try:
            self._thread.run(self._client.__aenter__())
        except BaseException:
            self._thread.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._thread.run(self._client.aclose())
        finally:
            self._thread.close()

    def generate(self, prompt: Prompt | None = None, **asks: Unpack[Asks]) -> Generation:
        """See ``Client.generate``."""
        return self._thread.run(self._client.generate(prompt, **asks))

    def stream(self, prompt: Prompt | None = None, **asks: Unpack[Asks]) -> BlockingStream:
        """See ``Client.stream``."""
        return BlockingStream(self._client.stream(prompt, **asks), self._thread)


class BlockingStream:
    """An iterator over a ``Stream``; ``with``, or dropping it, gives up what has not been read."""

    def __init__(self, stream: Stream, thread: LoopThread) -> None:
        self._stream = stream
        self._thread = thread

    @property
    def result(self) -> Generation:
        """See ``Stream.result``."""
        return self._stream.result

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        part = self._thread.run(self._next())
        if part is None:
            raise StopIteration
        return part

    async def _next(self) -> str | None:
        return await anext(self._stream, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._stream.aclose())
