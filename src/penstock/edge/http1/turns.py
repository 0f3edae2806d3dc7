"""``Turns``: the exchanges of one connection, answered in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TypeAlias

from penstock.core.errors import BodyTooLarge, PenstockError
from penstock.edge.http1.asgi import AsgiApp, AsgiExchange
from penstock.edge.http1.exchange import Exchange, FaceExchange, Refusal
from penstock.edge.http1.face import Face
from penstock.edge.http1.head import Head
from penstock.edge.http1.rendering import error_reply
from penstock.edge.http1.room import BodyRoom, no_room
from penstock.edge.http1.wire import Wire

Faces: TypeAlias = Mapping[tuple[bytes, bytes], Face]


class Turns:
    """Admits heads, and gives each exchange its turn when told to ``advance``. The listener of an ``Intake``.

    ``current``: the exchange whose turn it is. ``busy``: its request is whole and being answered, so nothing more is
    parsed. ``changed``: something was read since this was last set back; another deadline may apply.
    """

    def __init__(self, faces: Faces, app: AsgiApp, body_bytes: int, room: BodyRoom) -> None:
        self.wire: Wire
        self.current: Exchange | None = None
        self.busy = self.changed = False
        self._faces = faces
        self._app = app
        self._body_bytes = body_bytes
        self._room = room
        self._waiting: deque[Exchange] = deque()
        # The last of the exchanges, while its body is still coming.
        self._arriving: Exchange | None = None

    def drop(self) -> None:
        """The client is gone."""
        self._arriving = None
        while self.current is not None:
            self.current.drop()
            self._next()

    def advance(self) -> None:
        """Go on with the next exchange where the current one is over. Not to be called from within."""
        wire = self.wire
        while (exchange := self.current) is not None and not wire.closing:
            if not exchange.begun:
                if wire.write_paused:  # nobody reads the answers before it
                    return
                exchange.begin()
            if not exchange.answered or (exchange.keep_alive and not exchange.received):
                return
            self._next()
            self._app.server_state.total_requests += 1
            if not exchange.keep_alive:
                wire.close(unread=not exchange.received)

    # --- what the intake reads ---

    def head_started(self) -> None:
        """Give the head its time, unless others come first."""
        self.changed = True

    def head_read(self, head: Head) -> None:
        """Decide who answers, before a byte of the body is read."""
        self.changed = True
        exchange = self._arriving = self._admit(head)
        if self.current is None:
            self.current = exchange
        else:
            self._waiting.append(exchange)

    def body_read(self, piece: bytes) -> None:
        """Hand it to the exchange it belongs to. Raises ``Unavailable`` when there is no room for it."""
        if self._arriving is not None:
            self._arriving.take(piece)

    def body_ended(self) -> None:
        """The exchange can be answered once its turn has come."""
        exchange, self._arriving = self._arriving, None
        if exchange is not None:
            exchange.complete()
            if exchange is self.current:
                self.busy = self.changed = True

    def refused(self, error: PenstockError) -> None:
        """Answer with the error after whatever came before, then close."""
        self.changed = True
        exchange, self._arriving = self._arriving, None
        if exchange is None:
            reply = error_reply(error)
        elif exchange.started:
            self.wire.abort()
            return
        else:
            reply = exchange.refusal(error)
            exchange.drop()
        refusal = Refusal(self.wire, reply)
        if exchange is not None and self._waiting:
            self._waiting[-1] = refusal
        elif exchange is not None or self.current is None:
            self.current = refusal
        else:
            self._waiting.append(refusal)

    # --- within ---

    def _next(self) -> None:
        exchange = self.current = self._waiting.popleft() if self._waiting else None
        self.busy = exchange is not None and exchange.received

    def _admit(self, head: Head) -> Exchange:
        face = self._faces.get((head.method, head.path))
        try:
            announced_bytes = head.body_bytes or 0
            if announced_bytes > self._body_bytes:
                raise BodyTooLarge(f"The body is over the limit of {self._body_bytes} bytes: send less.")
            if face is None:
                if announced_bytes > self._app.room.free_bytes:
                    raise no_room()
                return AsgiExchange(self.wire, self._app, head)
            ticket = face.authorize(head)
            if announced_bytes > self._room.free_bytes:
                raise no_room()
            return FaceExchange(self.wire, face, head, ticket, self._room)
        except PenstockError as error:
            reply = error_reply(error) if face is None else face.render_error(error, head)
            return Refusal(self.wire, reply, keep_alive=head.keep_alive and not head.has_body)
