"""A gateway for edges under test: it does what the test scripts, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from penstock.core.answer import Answer, Outcome
from penstock.core.call import Call, Identity
from penstock.core.errors import PenstockError, Unauthenticated
from penstock.core.policy import Policy
from penstock.core.ports import AuditPage, AuditQuery, Fault
from support.calls import complete_answer, delta, finished
from support.shelves import memory_shelf

KEY = "sk-test"
POLICY = Policy(tiers={}, tenants={}, routes={}, targets={}, endpoint_requests_per_minute={})


class Upstream:
    """The source of one streaming answer, in the hands of the test."""

    def __init__(self) -> None:
        self.answer = Answer("openai", source=self)
        self.running = asyncio.Event()
        self.running.set()
        self.paused = asyncio.Event()
        self.closed = asyncio.Event()
        self.outcomes: list[Outcome] = []
        self.answer.on_close(self.outcomes.append)

    def say(self, *texts: str) -> None:
        """Feed one delta for each text."""
        self.answer.feed([delta(text) for text in texts])

    def finish(self) -> None:
        """End well."""
        self.answer.feed([finished()])
        self.answer.end()

    def fail(self, error: PenstockError) -> None:
        """Break after content."""
        self.answer.end(Outcome("error", error))

    def written_tokens(self) -> int:
        """Nobody counts."""
        return 0

    def pause(self) -> None:
        """Be told to wait."""
        self.running.clear()
        self.paused.set()

    def resume(self) -> None:
        """Be told to go on."""
        self.running.set()

    def close(self) -> None:
        """Be told to stop."""
        self.closed.set()


class FakeGateway:
    """Answers every call with ``respond``; ``calls`` are those it was asked, ``cancelled`` those given up."""

    ready = True
    keyless = False
    debug = False

    def __init__(
        self, respond: Callable[[Call], Awaitable[Answer]] | None = None, *, policy: Policy = POLICY, key: str = KEY
    ) -> None:
        self.policy = policy
        self.shelf = memory_shelf()
        self.calls: list[Call] = []
        self.cancelled: list[Call] = []
        self.asked = asyncio.Event()
        self.gave_up = asyncio.Event()
        self._respond = respond or _hello
        self._key = key

    def authenticate(self, key: str | None) -> Identity:
        """Know one key."""
        if key != self._key:
            raise Unauthenticated("Send a key that this gateway knows.")
        return Identity("acme", "app")

    async def answer(self, call: Call) -> Answer:
        """Remember the call and follow the script; refuse what could not be understood, as the pipeline does."""
        if call.invalid is not None:
            raise call.invalid
        self.calls.append(call)
        self.asked.set()
        try:
            return await self._respond(call)
        except asyncio.CancelledError:
            self.cancelled.append(call)
            self.gave_up.set()
            raise

    async def committed(self) -> None:
        """Nothing is kept here."""

    async def audit(self, query: AuditQuery) -> AuditPage:  # noqa: ARG002 - the port's signature
        """Know nothing."""
        return AuditPage([], None)

    async def metrics(self) -> bytes:
        """Count nothing."""
        return b""

    async def set_fault(self, provider: str, fault: Fault | None) -> None:
        """Have no providers."""

    async def health(self) -> dict[str, Any]:
        """Be well."""
        return {}


async def _hello(call: Call) -> Answer:
    if not call.stream:
        return complete_answer(
            b'{"id":"c1","object":"chat.completion","created":0,"model":"fast","choices":[{"index":0,"message":'
            b'{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'
        )
    upstream = Upstream()
    upstream.say("Hel", "lo")
    upstream.finish()
    return upstream.answer
