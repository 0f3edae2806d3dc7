"""``Exchange``: one request and its response on a connection; here those of the data plane and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from penstock.core.answer import DISCONNECT, Answer, Event, Outcome
from penstock.core.errors import PenstockError, Unavailable
from penstock.edge.faults import fault, log_fault
from penstock.edge.headers import header_fields
from penstock.edge.http1.face import Face, Reply, StreamReply
from penstock.edge.http1.head import Head
from penstock.edge.http1.rendering import CONTINUE, LAST_CHUNK, chunk
from penstock.edge.http1.room import BodyRoom
from penstock.edge.http1.wire import Wire


class Exchange(Protocol):
    """One request, in its turn.

    ``begun``: its turn has come. ``received``: the body is complete. ``answered``: the response
    has been written. Of a refusal ``received`` stays false when a body would have followed.
    """

    begun: bool
    received: bool
    answered: bool
    keep_alive: bool

    @property
    def started(self) -> bool:
        """Whether a response head is on the wire."""

    def begin(self) -> None:
        """Take the turn; may answer at once."""

    def take(self, piece: bytes) -> None:
        """Take the next piece of the body. Raises ``Unavailable`` when there is no room for it."""

    def complete(self) -> None:
        """The body is whole."""

    def refusal(self, error: PenstockError) -> Reply:
        """How this exchange's path says an error about its body."""

    def pause(self) -> None:
        """The client is slow."""

    def resume(self) -> None:
        """The client has caught up."""

    def drop(self) -> None:
        """The client is gone, or the request has been refused after all: nothing more is written."""


class Refusal:
    """A request that is answered with an error without being looked at further."""

    def __init__(self, wire: Wire, reply: Reply, *, keep_alive: bool = False) -> None:
        self.begun = self.received = self.started = self.answered = False
        self.keep_alive = keep_alive
        self._wire = wire
        self._reply = reply

    def begin(self) -> None:
        """Write the error; a connection that goes on waits for the end of the request first."""
        self.begun = True
        if self.received or not self.keep_alive:
            self._write()

    def take(self, piece: bytes) -> None:
        """Drop it."""

    def complete(self) -> None:
        """Write the error, now that the request is whole."""
        self.received = True
        if self.begun and not self.answered:
            self._write()

    def refusal(self, error: PenstockError) -> Reply:  # noqa: ARG002 - the first error stands
        """What is being said already."""
        return self._reply

    def pause(self) -> None:
        """Nothing to hold back."""

    def resume(self) -> None:
        """Nothing was held back."""

    def drop(self) -> None:
        """Nothing runs."""

    def _write(self) -> None:
        self.started = self.answered = True
        self._wire.write_reply(self._reply, keep_alive=self.keep_alive)
        self._wire.answered()


class FaceExchange:
    """One call of the data plane, and the sink of its stream."""

    __slots__ = (
        "_answer",
        "_body",
        "_chunked",
        "_closing",
        "_face",
        "_head",
        "_room",
        "_stream_head",
        "_tail",
        "_taken_bytes",
        "_task",
        "_ticket",
        "_wire",
        "answered",
        "begun",
        "keep_alive",
        "received",
        "started",
    )

    def __init__(self, wire: Wire, face: Face, head: Head, ticket: Any, room: BodyRoom) -> None:
        self.begun = self.received = self.started = self.answered = False
        self.keep_alive = head.keep_alive
        self._wire = wire
        self._face = face
        self._head = head
        self._ticket = ticket
        self._room = room
        self._chunked = head.version == "1.1"
        self._body: bytes | bytearray = b""
        self._taken_bytes = 0
        self._stream_head = b""
        self._tail = b""
        self._closing: Callable[[], bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._answer: Answer | None = None

    # --- the request ---

    def begin(self) -> None:
        """Ask for the body if the client waits for that, or start with the one that has come."""
        self.begun = True
        if self.received:
            self._task = self._wire.spawn(self._run())
        elif not self._body and self._head.expects_continue:
            self._wire.write(CONTINUE)

    def take(self, piece: bytes) -> None:
        """Keep the piece, if there is room; a body in one piece is never copied."""
        self._room.take(len(piece))
        self._taken_bytes += len(piece)
        if not self._body:
            self._body = piece
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        self._body += piece

    def complete(self) -> None:
        """Start, if it is this exchange's turn."""
        self.received = True
        if self.begun:
            self._task = self._wire.spawn(self._run())

    def refusal(self, error: PenstockError) -> Reply:
        """The error in the face's dialect."""
        return self._face.render_error(error, self._head)

    def pause(self) -> None:
        """Hold the stream back at its source."""
        if self._answer is not None:
            self._answer.pause()

    def resume(self) -> None:
        """Let the stream run again."""
        if self._answer is not None:
            self._answer.resume()

    def drop(self) -> None:
        """Cancel the call before its first content, end the stream after it."""
        if self._task is not None:
            self._task.cancel()
            self._task.add_done_callback(self._wire.forget)  # it may not have run at all
        self._body = b""
        self._give_back()
        if self._answer is not None:
            self._answer.close(DISCONNECT)

    # --- the call ---

    async def _run(self) -> None:
        body = bytes(self._body)
        self._body = b""
        try:
            reply = await self._face.answer(self._head, self._ticket, body)
        except PenstockError as error:
            reply = self.refusal(error)
        except asyncio.CancelledError:
            # Either the client has gone, or the grace period of a shutdown is over.
            self._wire.abort()
            raise
        except Exception as error:  # noqa: BLE001 - the last resort: a face should raise PenstockErrors alone
            reply = self.refusal(fault())
            log_fault(error, dict(header_fields(reply.lines)).get(b"x-request-id", b"").decode())
        finally:
            if self._task is not None:
                self._wire.forget(self._task)
                self._task = None
        if isinstance(reply, Reply):
            self._finish(reply)
        else:
            self._stream(reply)

    def _give_back(self) -> None:
        """The body's room: a call holds its body, in whose bytes its fields stand, until its answer is over."""
        self._room.give_back(self._taken_bytes)
        self._taken_bytes = 0

    def _finish(self, reply: Reply) -> None:
        self._give_back()
        self.started = self.answered = True
        self._wire.write_reply(reply, keep_alive=self.keep_alive)
        self._wire.answered()

    def _stream(self, reply: StreamReply) -> None:
        answer = reply.answer
        if answer.outcome is not None:
            self._finish(self.refusal(answer.outcome.error or _ENDED_EARLY))
            return
        self.keep_alive = self.keep_alive and self._chunked
        self._answer = answer
        self._tail, self._closing = reply.tail, reply.closing
        self._stream_head = self._wire.stream_head(reply, keep_alive=self.keep_alive, chunked=self._chunked)
        answer.attach(self)
        if self._stream_head:
            self._send(b"")
        if self._wire.write_paused and self._answer is not None:
            answer.pause()

    # --- the sink of the stream ---

    def feed(self, events: Sequence[Event]) -> None:
        """Write these events with one write; the first takes the head along."""
        data = events[0].raw if len(events) == 1 else b"".join([event.raw for event in events])
        if data:
            self._send(chunk(data) if self._chunked else data)

    def end(self, outcome: Outcome) -> None:
        """Close the stream in its dialect; one that was cut without a word to say is cut here too."""
        self._answer = None
        self._give_back()
        if outcome.kind == "end":
            last = self._tail if self._closing is None else self._closing() + self._tail
        elif outcome.error is not None:
            last = self._face.render_broken_stream(outcome.error)
        else:
            self._wire.abort()
            return
        if self._chunked:
            last = (chunk(last) if last else b"") + LAST_CHUNK
        self._send(last)
        self.answered = True
        self._wire.answered()

    def _send(self, data: bytes) -> None:
        if self._stream_head:
            data = self._stream_head + data
            self._stream_head = b""
            self.started = True
        if data:
            self._wire.write(data)


_ENDED_EARLY = Unavailable("The answer ended before its first content reached the client; ask again.")
