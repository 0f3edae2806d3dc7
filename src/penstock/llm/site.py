"""``Site``: one model at one place, as a handler in whichever event loop asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from time import monotonic

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.plan import Target
from penstock.core.policy import Care
from penstock.core.ports import Transport
from penstock.llm.place import Connect
from penstock.resilience import Attempts, Breaker, Bulkhead, RetryBudget, Signal, Standing


class Site:
    """A ``Handler``. Connections belong to one event loop and end with it, and so does what is known of the target.

    ``connect`` makes a loop's transport, ``bind`` the target's backend over it. What a loop that has ended knew of the
    target, the next one begins with: a program may call ``asyncio.run`` for each call. Raises what ``connect`` and
    ``bind`` raise.
    """

    def __init__(self, target: Target, care: Care, connect: Connect, bind: Callable[[Transport], Handler]) -> None:
        self.target = target
        self._care = care
        self._connect = connect
        self._bind = bind
        # For the first loop: what is wrong with address, key or certificates is told now.
        self._made: tuple[Transport, Handler] | None = self._make()
        self._open: dict[asyncio.AbstractEventLoop, tuple[Handler, AsyncGenerator[Handler, None]]] = {}
        self._left: list[Standing] = []

    async def __call__(self, call: Call) -> Answer:
        """Answer in the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            life = self._live(loop)
            self._open[loop] = await anext(life), life
        handler, _ = self._open[loop]
        return await handler(call)

    async def aclose(self) -> None:
        """Drop the running loop's connections; a later call opens new ones."""
        opened = self._open.get(asyncio.get_running_loop())
        if opened is not None:
            await opened[1].aclose()

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Handler, None]:
        """Yields the loop's handler, and ends with the loop: ``asyncio.run`` closes generators before that."""
        standing = self._left.pop() if self._left else self._new_standing()
        made, self._made = self._made, None
        transport, backend = made or self._make()
        try:
            yield Attempts(standing, backend)
        finally:
            self._open.pop(loop, None)
            self._left.append(standing)
            await transport.aclose()

    def _make(self) -> tuple[Transport, Handler]:
        transport = self._connect()
        return transport, self._bind(transport)

    def _new_standing(self) -> Standing:
        care, target = self._care, self.target
        breaker = Breaker(care.breaker)
        return Standing(
            target=target,
            clock=monotonic,
            breaker=breaker,
            retries=RetryBudget(share=care.retry_share, floor=care.retry_floor),
            signal=Signal(breaker.gate),
            bulkhead=None if care.bulkhead is None else Bulkhead(target.alias, care.bulkhead),
        )
