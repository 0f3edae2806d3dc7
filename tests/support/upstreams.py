"""A transport that answers from a script, for tests of provider adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.core.ports import Endpoint, Headers, Receiver, Send

CHUNKED: Headers = ((b"transfer-encoding", b"chunked"),)


class ScriptedResponse:
    """A response that a test plays by hand: ``push``, ``end``, ``fail``."""

    def __init__(self, status: int = 200, body: bytes = b"", headers: Headers = CHUNKED) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.receiver: Receiver | None = None
        self.attached = asyncio.Event()
        self.gone = asyncio.Event()
        self.flow: list[str] = []
        self.unreadable: Exception | None = None

    @property
    def closed(self) -> bool:
        return self.gone.is_set()

    async def read(self, limit_bytes: int) -> bytes:
        assert limit_bytes > 0
        self.close()
        if self.unreadable is not None:
            raise self.unreadable
        return self.body

    def attach(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.attached.set()

    def pause(self) -> None:
        self.flow.append("pause")

    def resume(self) -> None:
        self.flow.append("resume")

    def close(self) -> None:
        self.gone.set()

    def push(self, *data: bytes) -> None:
        """One read for each of ``data``."""
        assert self.receiver is not None
        for read in data:
            self.receiver.body_received(read)

    def end(self) -> None:
        assert self.receiver is not None
        self.receiver.body_ended()

    def fail(self, error: Exception) -> None:
        assert self.receiver is not None
        self.receiver.body_failed(error)


class ScriptedTransport:
    """Gives out ``responses`` in order and keeps the requests: where each went, and its body."""

    def __init__(self, responses: Sequence[ScriptedResponse]) -> None:
        self.responses = list(responses)
        self.requests: list[tuple[Endpoint, bytes]] = []
        self.lines: list[bytes] = []

    def bind(self, endpoint: Endpoint) -> Send:
        async def send(body: bytes, lines: bytes = b"", /) -> ScriptedResponse:
            self.requests.append((endpoint, body))
            self.lines.append(lines)
            return self.responses.pop(0)

        return send

    async def aclose(self) -> None:
        self.responses.clear()
