"""``Channel``: messages both ways over one Unix socket between two processes of one gateway.

A frame is four bytes of length (little-endian) and a msgpack list of ``[number, message]``; number 0 expects no answer.
All that is said in one turn of the loop is one frame and one write. What is said arrives in its order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import Raw, Struct

from penstock.core.errors import PenstockError, StoreFailed
from penstock.stores.remote.messages import Failed, Message, Reply

# What a message of a type is answered with, at once or later.
Handlers: TypeAlias = Mapping[type, Callable[[Any], Any]]

_LENGTH_BYTES = 4
GONE = "A part of the gateway is being restarted: retry in a moment."
_LATE = "A part of the gateway does not answer: retry in a moment."
_INTERNAL = "The gateway failed to answer: its log says why."
_DECODER = msgspec.msgpack.Decoder(list[tuple[int, Message]])
_ENCODER = msgspec.msgpack.Encoder()


class _Asked(Struct):
    """An ask that waits for its answer for so many looks at it.

    Looks, not seconds: a process that was itself stopped finds its answers in the socket, and they are not late.
    """

    value: Any
    looks: float
    future: asyncio.Future[Any]
    on_reply: Callable[[Any], Any] | None
    undo: Callable[[Any], None] | None


class Channel(asyncio.Protocol):
    """One end. ``handlers`` answer what the other end says; ``on_lost`` is called once when it is gone.

    ``on_failed`` is told of an exception that a handler should not have raised.
    """

    # The other end is not reading any more when so much waits for it.
    BACKLOG_BYTES = 64 * 1024 * 1024
    WATCH_S = 1.0

    def __init__(
        self, handlers: Handlers, *, on_lost: Callable[[], None], on_failed: Callable[[Exception], None]
    ) -> None:
        self._handlers = handlers
        self._on_lost = on_lost
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[tuple[int, Message]] = []
        self._received = b""
        self._asked: dict[int, _Asked] = {}
        self._number = 0
        self._watch: asyncio.TimerHandle | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self.paused = False
        self.lost = False

    # --- saying ---

    def tell(self, message: Message) -> None:
        """Say something that has no answer. Said to nobody when the other end is gone."""
        self._say(0, message)

    async def ask(
        self,
        message: Message,
        value: Any,
        *,
        limit_s: float = 5.0,
        on_reply: Callable[[Any], Any] | None = None,
        undo: Callable[[Any], None] | None = None,
    ) -> Any:
        """Say something and wait for its answer, of the type ``value``. Raises ``StoreFailed`` if none comes in ``limit_s``.

        ``on_reply`` is called as the answer arrives, before any later message is looked at, and makes the result of it.
        ``undo`` gets a result that nobody waits for any more.
        """
        if self.lost:
            raise StoreFailed(GONE)
        if self.full:
            raise StoreFailed(_LATE)
        self._number += 1
        future: asyncio.Future[Any] = self._loop.create_future()
        self._asked[self._number] = _Asked(value, 1 + limit_s / self.WATCH_S, future, on_reply, undo)
        self._say(self._number, message)
        if self._watch is None:
            self._watch = self._loop.call_later(self.WATCH_S, self._look)
        try:
            return await future
        except asyncio.CancelledError:
            if undo is not None and not future.cancelled() and future.exception() is None:  # it came at the same time
                undo(future.result())
            raise

    @property
    def full(self) -> bool:
        """Whether the other end has stopped reading."""
        return self._transport is not None and self._transport.get_write_buffer_size() > self.BACKLOG_BYTES

    def pause(self) -> None:
        """Stop listening to the other end."""
        self.paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Listen again."""
        self.paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Say what is left to say, then hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _say(self, number: int, message: Message) -> None:
        if self.lost:
            return
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append((number, message))

    def _flush(self) -> None:
        if self._transport is None:  # it is said when there is somebody to hear it
            return
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and not self._transport.is_closing():
            frame = bytearray(_LENGTH_BYTES)
            _ENCODER.encode_into(outgoing, frame, _LENGTH_BYTES)
            frame[:_LENGTH_BYTES] = (len(frame) - _LENGTH_BYTES).to_bytes(_LENGTH_BYTES, "little")
            self._transport.write(frame)

    def _look(self) -> None:
        """Give up on answers that are overdue, and look again while there are any."""
        self._watch = None
        for asked in self._asked.values():
            asked.looks -= 1
            # The ask stays known: its answer may still change something here.
            if asked.looks <= 0 and not asked.future.done():
                asked.future.set_exception(StoreFailed(_LATE))
        if self._asked:
            self._watch = self._loop.call_later(self.WATCH_S, self._look)

    # --- hearing ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take apart what has come."""
        received = self._received + data if self._received else data
        start, end = 0, len(received)
        while end - start >= _LENGTH_BYTES:
            body = start + _LENGTH_BYTES
            after = body + int.from_bytes(received[start:body], "little")
            if after > end:
                break
            for number, message in _DECODER.decode(received[body:after]):
                self._hear(number, message)
            start = after
        self._received = received[start:]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Whoever waits for an answer is told."""
        if self.lost:
            return
        self.lost = True
        if self._watch is not None:
            self._watch.cancel()
        for asked in self._asked.values():
            if not asked.future.done():
                asked.future.set_exception(StoreFailed(GONE))
        self._asked.clear()
        for task in self._answering:
            task.cancel()
        self._on_lost()

    def _hear(self, number: int, message: Message) -> None:
        if isinstance(message, Reply):
            self._take(message)
            return
        if isinstance(message, Failed):
            asked = self._asked.pop(message.number, None)
            if asked is not None and not asked.future.done():
                asked.future.set_exception(StoreFailed(message.reason))
            return
        try:
            answer = self._handlers[type(message)](message)
        except Exception as error:  # noqa: BLE001 - one message that goes wrong must not take the others with it
            self._fail(number, error)
            return
        if isinstance(answer, Coroutine):
            task = self._loop.create_task(self._answer(number, answer))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif number:
            self._reply(number, answer)

    def _take(self, reply: Reply) -> None:
        asked = self._asked.pop(reply.number, None)
        if asked is None:
            return
        result = msgspec.msgpack.decode(reply.value, type=asked.value)
        wanted = not asked.future.done()
        if asked.on_reply is not None:
            result = asked.on_reply(result)
        if wanted:
            asked.future.set_result(result)
        elif asked.undo is not None:
            asked.undo(result)

    async def _answer(self, number: int, answer: Coroutine[Any, Any, Any]) -> None:
        try:
            value = await answer
        except Exception as error:  # noqa: BLE001 - the other end waits for an answer
            self._fail(number, error)
        else:
            if number:
                self._reply(number, value)

    def _reply(self, number: int, value: object) -> None:
        self._say(0, Reply(number, Raw(_ENCODER.encode(value))))

    def _fail(self, number: int, error: Exception) -> None:
        known = isinstance(error, PenstockError)
        if not known:
            self._on_failed(error)
        if number:
            self._say(0, Failed(number, error.message if isinstance(error, PenstockError) else _INTERNAL))
