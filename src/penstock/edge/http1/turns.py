"""``Turns``: the exchanges of one connection, answered in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeAlias

from penstock.core.errors import BodyTooLarge, PenstockError
from penstock.edge.http1.asgi import AsgiApp, AsgiExchange
from penstock.edge.http1.exchange import Exchange, FaceExchange, Refusal
from penstock.edge.http1.face import Face
from penstock.edge.http1.head import Head
from penstock.edge.http1.rendering import error_reply
from penstock.edge.http1.wire import Wire

Faces: TypeAlias = Mapping[tuple[bytes, bytes], Face]


class Turns:
    """Admits heads, gives each exchange its turn and says when a turn is over. The listener of an ``Intake``."""

    def __init__(self, faces: Faces, app: AsgiApp, body_bytes: int, changed: Callable[[], None]) -> None:
        self.wire: Wire
        self._faces = faces
        self._app = app
        self._body_bytes = body_bytes
        # Called when another deadline applies, or held bytes may be parsed.
        self._changed = changed
        self._exchanges: deque[Exchange] = deque()
        # The last of the exchanges, while its body is still coming.
        self._arriving: Exchange | None = None
        self._advancing = False

    @property
    def current(self) -> Exchange | None:
        """The exchange whose turn it is."""
        return self._exchanges[0] if self._exchanges else None

    @property
    def busy(self) -> bool:
        """Whether a whole request is being answered: nothing more is parsed meanwhile."""
        return bool(self._exchanges) and self._exchanges[0].received

    def drop(self) -> None:
        """The client is gone."""
        self._arriving = None
        for exchange in self._exchanges:
            exchange.drop()
        self._exchanges.clear()

    def advance(self) -> None:
        """Go on with the next exchange where the current one is over."""
        if self._advancing:
            return
        self._advancing = True
        while self._exchanges and not self.wire.closing:
            exchange = self._exchanges[0]
            if not exchange.begun:
                if self.wire.write_paused:  # nobody reads the answers before it
                    break
                exchange.begin()
            if not exchange.answered or (exchange.keep_alive and not exchange.received):
                break
            self._exchanges.popleft()
            self._app.server_state.total_requests += 1
            if not exchange.keep_alive:
                self.wire.close(unread=not exchange.received)
        self._advancing = False
        self._changed()

    # --- what the intake reads ---

    def head_started(self) -> None:
        """Give the head its time, unless others come first."""
        if not self._exchanges:
            self._changed()

    def head_read(self, head: Head) -> None:
        """Decide who answers, before a byte of the body is read."""
        exchange = self._arriving = self._admit(head)
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            self.advance()

    def body_read(self, piece: bytes) -> None:
        """Hand it to the exchange it belongs to."""
        if self._arriving is not None:
            self._arriving.take(piece)

    def body_ended(self) -> None:
        """The exchange can be answered once its turn has come."""
        exchange, self._arriving = self._arriving, None
        if exchange is not None:
            exchange.complete()
            if exchange is self.current:
                self._changed()

    def refused(self, error: PenstockError) -> None:
        """Answer with the error after whatever came before, then close."""
        exchange, self._arriving = self._arriving, None
        if exchange is None:
            reply = error_reply(error)
        elif exchange.started:
            self.wire.abort()
            return
        else:
            reply = exchange.refusal(error)
            exchange.drop()
            self._exchanges.pop()
        self._exchanges.append(Refusal(self.wire, reply))
        self.advance()

    # --- within ---

    def _admit(self, head: Head) -> Exchange:
        face = self._faces.get((head.method, head.path))
        try:
            if head.body_bytes is not None and head.body_bytes > self._body_bytes:
                raise BodyTooLarge(f"The body is over the limit of {self._body_bytes} bytes: send less.")
            if face is None:
                return AsgiExchange(self.wire, self._app, head)
            return FaceExchange(self.wire, face, head, face.authorize(head))
        except PenstockError as error:
            reply = error_reply(error) if face is None else face.render_error(error, head)
            return Refusal(self.wire, reply, keep_alive=head.keep_alive and not head.has_body)
