"""Which connection to use, whether to open one or to wait. Pure: no I/O, no clock, no task.

Every open connection holds a slot, and so does one being opened. A slot that becomes free goes to the first waiter
before anyone else can see it, so nobody overtakes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from enum import Enum
from typing import Generic, Protocol, TypeVar


class Waiter(Protocol):
    """Stands in the queue; ``done`` once it has given up."""

    def done(self) -> bool:
        """Whether nothing can be handed to it any more."""


C = TypeVar("C", bound=Hashable)
W = TypeVar("W", bound=Waiter)


class Admission(Enum):
    """What a request without an idle connection has to do."""

    OPEN = "open"
    WAIT = "wait"
    REFUSE = "refuse"


class Pool(Generic[C, W]):
    """The connections of one origin. Times are monotonic seconds."""

    def __init__(self, *, max_connections: int, max_waiting: int, keep_alive_s: float) -> None:
        self._max_connections = max_connections
        self._max_waiting = max_waiting
        self._keep_alive_s = keep_alive_s
        self._open: set[C] = set()
        self._opening = 0
        self._idle: dict[C, float] = {}  # connection -> idle since; the newest is used first, so that the rest expire
        self._waiting: deque[W] = deque()

    @property
    def slots(self) -> int:
        """Connections open or being opened."""
        return len(self._open) + self._opening

    @property
    def idle(self) -> int:
        """Connections that nobody uses."""
        return len(self._idle)

    def connections(self) -> list[C]:
        """Every open connection, used or idle."""
        return list(self._open)

    # --- a request comes ---

    def reuse(self, now_s: float) -> C | None:
        """The connection that was used last, if it is still within its keep-alive time."""
        if not self._idle:
            return None
        connection, since_s = self._idle.popitem()
        if now_s - since_s < self._keep_alive_s:
            return connection
        self._idle[connection] = since_s
        return None

    def admit(self) -> Admission:
        """Take a slot to open a connection in, or say that there is none. Asked after ``reuse`` and ``expire``."""
        if self.slots < self._max_connections:
            self._opening += 1
            return Admission.OPEN
        if len(self._waiting) >= self._max_waiting:
            self._waiting = deque(waiter for waiter in self._waiting if not waiter.done())
        return Admission.WAIT if len(self._waiting) < self._max_waiting else Admission.REFUSE

    def wait(self, waiter: W) -> None:
        """Queue up, after ``admit`` has said so."""
        self._waiting.append(waiter)

    # --- a connection comes or goes ---

    def opened(self, connection: C) -> None:
        """The slot that ``admit`` or ``replace`` took holds this connection now."""
        self._opening -= 1
        self._open.add(connection)

    def not_opened(self) -> W | None:
        """The slot is free again; returns the waiter who holds it from now on and has to open a connection in it."""
        self._opening -= 1
        return self._pass_slot_on()

    def replace(self, connection: C) -> None:
        """Drop a connection and keep its slot for a fresh one."""
        self._open.discard(connection)
        self._opening += 1

    def release(self, connection: C, now_s: float) -> W | None:
        """The connection can be used again; returns the waiter who uses it next, or keeps it idle."""
        waiter = self._first_waiter() if self._waiting else None
        if waiter is None:
            self._idle[connection] = now_s
        return waiter

    def discard(self, connection: C) -> W | None:
        """The connection is gone, if it was here; returns the waiter who holds its slot from now on."""
        if connection not in self._open:
            return None
        self._open.remove(connection)
        self._idle.pop(connection, None)
        return self._pass_slot_on()

    def expire(self, now_s: float) -> list[C]:
        """Take out the connections that were idle for too long; the caller closes them."""
        expired: list[C] = []
        for connection, since_s in self._idle.items():
            if now_s - since_s < self._keep_alive_s:
                break
            expired.append(connection)
        for connection in expired:
            del self._idle[connection]
            self._open.remove(connection)
        return expired

    # --- within ---

    def _pass_slot_on(self) -> W | None:
        waiter = self._first_waiter()
        if waiter is not None:
            self._opening += 1
        return waiter

    def _first_waiter(self) -> W | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None
