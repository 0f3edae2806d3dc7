"""``Deferred``: an ASGI app that is made when its first request comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope


class Deferred:
    """Calls ``make`` once, on a thread: what is being streamed goes on meanwhile, and early requests wait."""

    def __init__(self, make: Callable[[], ASGI3Application]) -> None:
        self._make = make
        self._made: asyncio.Task[ASGI3Application] | None = None

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Hand the request to the app."""
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(self._make))
        # A client that goes away must not take the app from those who wait with it.
        app = await asyncio.shield(self._made)
        await app(scope, receive, send)
