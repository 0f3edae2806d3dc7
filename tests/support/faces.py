"""Faces that do little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from penstock.core.errors import PenstockError
from penstock.dialects.openai.errors import error_body, error_event
from penstock.edge.headers import error_lines
from penstock.edge.http1 import Head, Reply, StreamReply


class EchoFace:
    """Answers with the body it got, once ``gate`` is open."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    def authorize(self, head: Head) -> Any:
        """Let everyone in."""
        return head.path

    async def answer(self, head: Head, ticket: Any, body: bytes) -> Reply | StreamReply:
        """Echo."""
        del head, ticket
        self.bodies.append(body)
        self.asked.set()
        await self.gate.wait()
        return Reply(200, b"content-type: text/plain\r\n", body)

    def render_error(self, error: PenstockError, head: Head) -> Reply:
        """Say it in OpenAI's form."""
        del head
        return Reply(error.status, b"content-type: application/json\r\n" + error_lines(error), error_body(error))

    def render_broken_stream(self, error: PenstockError) -> bytes:
        """Say it as an event."""
        return error_event(error)


class ScriptedFace(EchoFace):
    """Answers with what ``script`` makes of the body."""

    def __init__(self, script: Callable[[bytes], Awaitable[Reply | StreamReply]]) -> None:
        super().__init__()
        self._script = script

    async def answer(self, head: Head, ticket: Any, body: bytes) -> Reply | StreamReply:
        """Follow the script."""
        del head, ticket
        return await self._script(body)
