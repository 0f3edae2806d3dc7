"""``Way``: how a deployment is asked in one dialect; ``Exchange`` goes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.errors import PenstockError, UpstreamError
from penstock.core.ports import Headers, HttpResponse, Send
from penstock.providers.relay import Relay, StreamReader

BODY_LIMIT_BYTES = 64 * 1024 * 1024
ERROR_LIMIT_BYTES = 1024 * 1024

Explain: TypeAlias = Callable[[int, Headers, bytes], PenstockError]


class Way(Protocol):
    """What one kind of call is at a deployment. Paths are relative to the account's address."""

    @property
    def path(self) -> str:
        """Where an answer in one piece is asked for."""

    @property
    def stream_path(self) -> str:
        """Where a stream is asked for."""

    @property
    def passes_lines(self) -> bool:
        """Whether header lines that belong to the caller's body (``Call.lines``) mean something there."""

    def encode(self, call: Call) -> bytes:
        """The body of the request. Raises the caller's mistakes."""

    def decode(self, body: bytes, call: Call) -> Answer:
        """An answer in one piece. Raises ``UpstreamMalformed``."""

    def reader(self, call: Call) -> StreamReader:
        """What makes the caller's events of the provider's stream."""


class Exchange:
    """Asks along one way: ``send`` for an answer in one piece, ``open_stream`` for a stream."""

    __slots__ = ("_explain", "_open_stream", "_send", "_way")

    def __init__(self, way: Way, send: Send, open_stream: Send, explain: Explain) -> None:
        self._way = way
        self._send = send
        self._open_stream = open_stream
        self._explain = explain

    async def __call__(self, call: Call) -> Answer:
        """The answer at its first content. Raises why there is none."""
        way = self._way
        lines = call.lines if way.passes_lines else b""
        body = way.encode(call)
        reader = way.reader(call) if call.stream else None  # before there is a response that an error would leave open
        response = await (self._send if reader is None else self._open_stream)(body, lines)
        if not 200 <= response.status < 300:  # noqa: PLR2004 - success
            raise await self._refusal(response)
        if reader is not None:
            return await _stream(response, call, reader)
        return way.decode(await response.read(BODY_LIMIT_BYTES), call)

    async def _refusal(self, response: HttpResponse) -> PenstockError:
        try:
            body = await response.read(ERROR_LIMIT_BYTES)
        except UpstreamError:
            body = b""  # the status alone says enough
        return self._explain(response.status, response.headers, body)


async def _stream(response: HttpResponse, call: Call, reader: StreamReader) -> Answer:
    handed_on = False
    try:
        relay = Relay(reader, response, call.dialect)
        await relay.first_content
        handed_on = True
    finally:
        if not handed_on:
            response.close()
    return relay.answer
