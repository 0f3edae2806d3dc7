"""``Connection``: the asyncio protocol given to uvicorn. It keeps deadlines and the flow of bytes."""

from __future__ import annotations

import asyncio
from math import inf

from uvicorn.protocols.utils import get_remote_addr

from penstock.core.errors import PenstockError, RequestTimeout, Unavailable
from penstock.edge.http1.intake import Intake
from penstock.edge.http1.service import Service
from penstock.edge.http1.turns import Turns
from penstock.edge.http1.wire import Wire

# Bytes parsed at once: how far a flood of tiny pipelined requests can run ahead of its bound.
_SLICE_BYTES = 8 * 1024


class Connection(asyncio.Protocol):
    """One client. What comes behind a request that is being answered waits unparsed, and beyond a bound unread."""

    def __init__(self, service: Service) -> None:
        self.deadline_s = inf
        self._service = service
        self._limits = service.limits
        self._turns = Turns(service.faces, service.app, service.limits.body_bytes, service.room)
        self._held: list[bytes] = []
        self._held_bytes = 0
        # Whether one of the methods that go on is at it: what an exchange does meanwhile is seen by that one.
        self._going_on = False
        self._unsent_bytes = 0
        self._wire: Wire
        self._intake: Intake

    # --- asyncio ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # streams only
        """Take the connection, or say at once that there are too many."""
        turns = self._turns
        self._wire = turns.wire = Wire(transport, self._service.outlet, self._go_on)
        self._intake = Intake(turns, self._limits, get_remote_addr(transport))
        self._service.opened(self)
        self.deadline_s = self._service.now_s() + self._limits.head_s
        if self._service.connections_open > self._limits.connections:
            self._refuse(Unavailable("Too many connections are open; ask again shortly.", retry_after_s=1.0))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Free everything that worked for this client."""
        self._service.closed(self)
        self._wire.closing = True
        self._wire.flow.resume_writing()
        self._intake.close()
        self._turns.drop()
        self._held.clear()
        # A cycle would keep all of it until the collector comes by.
        self._wire.answered = _ignore

    def data_received(self, data: bytes) -> None:
        """Parse, or hold what is not yet due. A closing connection reads on, deaf, so that its last word arrives."""
        if self._wire.closing:
            return
        if self._turns.busy:
            self._hold(data)
        else:
            self._parse(data)

    def pause_writing(self) -> None:
        """The client does not keep up: hold back whoever writes."""
        self._wire.write_paused = True
        self._wire.flow.pause_writing()
        if self._turns.current is not None:
            self._turns.current.pause()
        self._arm()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._wire.write_paused = False
        self._wire.flow.resume_writing()
        if self._turns.current is not None:
            self._turns.current.resume()
        self._go_on()

    # --- the server ---

    def shutdown(self) -> None:
        """Finish the call that is being answered, then close."""
        current = self._turns.current
        if current is None or current.answered:
            self._wire.close()
            self._arm()
        else:
            current.keep_alive = False

    def cut(self) -> None:
        """Close without waiting for anything."""
        self._wire.abort()

    def expire(self) -> None:
        """Act on a deadline that has passed."""
        wire, turns = self._wire, self._turns
        if wire.closing or wire.write_paused:
            unsent = wire.transport.get_write_buffer_size()
            if 0 < unsent < self._unsent_bytes:  # slow, but it takes
                self._arm()
            else:
                wire.abort()
        elif turns.busy:
            self.deadline_s = inf  # the call has limits of its own; what it is set to while busy does not matter
        elif turns.current is not None:
            self._refuse(RequestTimeout(f"The body did not arrive within {self._limits.body_s:g} seconds."))
        elif self._intake.in_head:
            self._refuse(RequestTimeout(f"The headers did not arrive within {self._limits.head_s:g} seconds."))
        else:
            wire.close()
            self._arm()

    # --- within ---

    def _parse(self, data: bytes) -> None:
        turns = self._turns
        self._going_on = True
        if len(data) <= _SLICE_BYTES:
            self._intake.feed(data)
            turns.advance()
        else:
            view = memoryview(data)
            for start in range(0, len(data), _SLICE_BYTES):
                if turns.busy:
                    self._hold(data[start:])
                    break
                self._intake.feed(view[start : start + _SLICE_BYTES])
                turns.advance()
                if self._wire.closing:
                    break
        self._going_on = False
        if turns.changed and (self._wire.closing or not turns.busy):
            self._settle()

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._limits.held_bytes:
            self._wire.flow.pause_reading()

    def _go_on(self) -> None:
        if not self._going_on:
            self._going_on = True
            self._turns.advance()
            self._going_on = False
            self._settle()

    def _settle(self) -> None:
        turns, wire = self._turns, self._wire
        turns.changed = False
        self._arm()
        if turns.busy or wire.closing:
            return
        if wire.flow.read_paused:  # by an app that read little of its request, or for a client that pipelined much
            wire.flow.resume_reading()
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
            self._parse(data)

    def _refuse(self, error: PenstockError) -> None:
        self._intake.stop()
        self._turns.refused(error)
        self._go_on()

    def _arm(self) -> None:
        limits, wire, turns = self._limits, self._wire, self._turns
        if wire.closing or wire.write_paused:
            self._unsent_bytes = wire.transport.get_write_buffer_size()
            wait_s = limits.write_s if self._unsent_bytes else limits.linger_s
        elif turns.current is not None:
            wait_s = limits.body_s
        elif self._intake.in_head:
            wait_s = limits.head_s
        else:
            wait_s = limits.keep_alive_s
        self.deadline_s = self._service.now_s() + wait_s


def _ignore() -> None:
    """What is answered now has nobody to go on with."""
