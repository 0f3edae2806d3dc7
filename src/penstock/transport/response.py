"""A response whose head has come, and its body on the way to whoever takes it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from penstock.core.errors import PenstockError, UpstreamCut, UpstreamMalformed
from penstock.core.ports import Headers, Receiver

# What is held while nobody has said how the body is to be taken; reading stops there.
_UNCLAIMED_BYTES = 64 * 1024


class Flow(Protocol):
    """What a response needs of its connection."""

    def pause(self) -> None:
        """Stop reading from the socket."""

    def resume(self) -> None:
        """Read again."""

    def drop(self) -> None:
        """Close the socket at once and free the connection's slot."""


class Response:
    """Implements ``core.ports.HttpResponse``. The connection frees itself when the body is whole."""

    __slots__ = (
        "_ended",
        "_error",
        "_fields",
        "_flow",
        "_held",
        "_held_bytes",
        "_limit_bytes",
        "_reader",
        "_receiver",
        "status",
    )

    def __init__(self, flow: Flow, status: int, fields: Headers) -> None:
        self.status = status
        self._fields = fields
        self._flow: Flow | None = flow
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._limit_bytes = _UNCLAIMED_BYTES
        self._receiver: Receiver | None = None
        self._reader: asyncio.Future[None] | None = None
        self._error: PenstockError | None = None
        self._ended = False

    # --- the caller ---

    @property
    def headers(self) -> Headers:
        """See ``core.ports.HttpResponse.headers``; made when asked for, which a good answer's hardly ever are."""
        return [(name.lower(), value.rstrip(b" \t")) for name, value in self._fields]

    async def read(self, limit_bytes: int) -> bytes:
        """See ``core.ports.HttpResponse.read``."""
        self._limit_bytes = limit_bytes
        if self._held_bytes > limit_bytes:
            self._refuse()
        elif self._flow is not None:  # the last byte has not come
            self._reader = asyncio.get_running_loop().create_future()
            self._flow.resume()
            try:
                await self._reader
            finally:
                self._reader = None
                self.close()
        if self._error is not None:
            raise self._error
        if not self._ended:
            raise UpstreamCut("The provider's answer was closed before it was read.")
        return self._held[0] if len(self._held) == 1 else b"".join(self._held)

    def attach(self, receiver: Receiver) -> None:
        """See ``core.ports.HttpResponse.attach``; what has come already is delivered before this returns."""
        self._receiver = receiver
        if self._flow is not None:
            self._flow.resume()
        held, self._held = self._held, []
        if held:
            receiver.body_received(held[0] if len(held) == 1 else b"".join(held))
        self._settle()

    def pause(self) -> None:
        """See ``core.ports.HttpResponse.pause``."""
        if self._flow is not None:
            self._flow.pause()

    def resume(self) -> None:
        """See ``core.ports.HttpResponse.resume``."""
        if self._flow is not None:
            self._flow.resume()

    def close(self) -> None:
        """See ``core.ports.HttpResponse.close``; nothing is delivered after it."""
        self._receiver = None
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.drop()

    # --- the connection ---

    def feed(self, data: bytes, *, last: bool) -> None:
        """Take what has come of the body, if anything; with its ``last`` byte the connection is someone else's."""
        if last:
            self._flow = None
        if data and self._receiver is not None:
            self._receiver.body_received(data)
        elif data:
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes > self._limit_bytes:
                self._overflow()
        if last:
            self._ended = True
            if self._receiver is not None or self._reader is not None:
                self._settle()

    def fail(self, error: PenstockError) -> None:
        """The body will never be whole."""
        self._flow = None
        self._error = error
        self._settle()

    # --- within ---

    def _overflow(self) -> None:
        if self._reader is not None:
            self._refuse()
        else:
            self.pause()

    def _refuse(self) -> None:
        self._error = UpstreamMalformed(f"The provider sent a body of more than {self._limit_bytes} bytes.")
        self._held.clear()
        self.close()
        self._settle()

    def _settle(self) -> None:
        """Tell whoever takes the body that it is over; a receiver that has closed the response is gone by now."""
        receiver, reader = self._receiver, self._reader
        if receiver is not None and self._error is not None:
            receiver.body_failed(self._error)
        elif receiver is not None and self._ended:
            receiver.body_ended()
        if reader is not None and not reader.done():
            reader.set_result(None)
