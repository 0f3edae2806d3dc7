"""``Client``: asks a gateway, in this process or over HTTP, with the same methods and the same answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Self, TypeAlias, Unpack

from penstock.client.blocking import BlockingClient
from penstock.client.flights import Flights
from penstock.client.question import Asks, compose_question
from penstock.client.stream import Stream
from penstock.client.told import Way
from penstock.llm.generation import Generation
from penstock.llm.request import Prompt

# Opens the way to a gateway, and closes it.
OpenWay: TypeAlias = Callable[[], AbstractAsyncContextManager[Way]]


class Client:
    """A gateway to ask. Made by ``from_config`` or ``connect``, and open within ``async with``, in one event loop.

    A prompt is a question, or messages as chat completions take them; what may be asked beside it says ``Asks``. The
    methods raise ``PenstockError``, of the same classes either way.
    """

    def __init__(self, open_way: OpenWay) -> None:
        self._open_way = open_way
        self._opened: tuple[Way, Flights] | None = None
        self._exits = AsyncExitStack()

    @classmethod
    def from_config(cls, path: str | Path, *, tenant: str | None = None, store_url: str | None = None) -> Self:
        """The whole gateway of a config file in this process, asked as ``tenant``: no server, no key.

        ``tenant`` may be left out where the config has one alone; ``store_url`` takes the place of the config's
        ``store.url``. Opening it raises ``ConfigError``, ``StoreFailed``, and ``UnknownTenant``.
        """
        from penstock.client.inside import inside  # noqa: PLC0415 - config, database and all: only who runs one pays

        return cls(partial(inside, Path(path), tenant, store_url))

    @classmethod
    def connect(cls, url: str, *, api_key: str | None = None, ca_file: str | None = None) -> Self:
        """The gateway that listens at ``url``, such as ``http://127.0.0.1:8000``.

        ``ca_file`` holds certificates (PEM) to trust beside the system's. Raises ``ValueError`` for what is no such
        URL or key. Nothing is sent before the first call.
        """
        from penstock.client.remote import Remote  # noqa: PLC0415 - HTTP and TLS: only who speaks them pays

        return cls(Remote.at(url, api_key, ca_file))

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise RuntimeError("this client is open already")
        async with AsyncExitStack() as exits:
            way, flights = await exits.enter_async_context(self._open_way()), Flights()
            exits.push_async_callback(flights.aclose)
            self._exits = exits.pop_all()
        self._opened = way, flights
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End what is under way, and close the gateway or the connections to it. May be called twice."""
        await self._exits.aclose()

    async def generate(self, prompt: Prompt | None = None, **asks: Unpack[Asks]) -> Generation:
        """The whole answer."""
        way, flights = self._way()
        question = compose_question(prompt, asks, stream=False)
        told = await flights.bounded(way.ask(question), question.timeout_s)
        return told.generation(told.answer.body or b"")

    def stream(self, prompt: Prompt | None = None, **asks: Unpack[Asks]) -> Stream:
        """The answer's text, part by part as it comes; see ``Stream``."""
        way, flights = self._way()
        question = compose_question(prompt, asks, stream=True)
        return Stream(lambda: way.ask(question), flights, question.timeout_s)

    def blocking(self) -> BlockingClient:
        """This client, not opened yet, for code without an event loop: open that one with ``with``."""
        return BlockingClient(self)

    def _way(self) -> tuple[Way, Flights]:
        if self._opened is None:
            raise RuntimeError("open the client first: async with Client.connect(...) as client")
        return self._opened
