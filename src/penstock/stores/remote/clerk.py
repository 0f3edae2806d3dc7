"""``Clerk``: the owner's side of one worker. Answers what it asks, and makes good what it leaves when it dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from penstock.core.errors import StoreFailed
from penstock.core.ports import Admission, Shelf, Verdict
from penstock.stores.memory import MemoryAdmissions, MemoryCounters
from penstock.stores.remote import messages as m
from penstock.stores.remote.channel import Channel, Handlers
from penstock.stores.remote.lender import Account, Lender
from penstock.stores.segments import FAILED, SegmentLog


class OwnedState(Protocol):
    """What the owner has."""

    @property
    def log(self) -> SegmentLog:
        """The log."""

    @property
    def addresses(self) -> MemoryCounters:
        """Hits of callers that have shown no key."""

    @property
    def admissions(self) -> MemoryAdmissions:
        """Calls in flight."""

    @property
    def shelf(self) -> Shelf:
        """Answers that callers may go on from."""


class Clerk:
    """``on_loss`` is told of every record that could not be appended."""

    def __init__(self, state: OwnedState, lender: Lender, *, on_loss: Callable[[StoreFailed], None]) -> None:
        self._state = state
        self._lender = lender
        self._on_loss = on_loss
        self._channel: Channel | None = None
        self._slots: Counter[str] = Counter()
        self._waiting: asyncio.Task[None] | None = None
        self._refused = False
        self.account: Account = {}

    @property
    def handlers(self) -> Handlers:
        """By the type of message."""
        return {
            m.Record: self._record,
            m.Flush: self._flush,
            m.Admit: self._admit,
            m.Leave: self._leave,
            m.Count: self._count,
            m.Borrow: lambda message: self._lender.lend(self.account, message),
            m.Hold: lambda message: self._lender.hold(self.account, message),
            m.Settle: lambda message: self._lender.settle(self.account, message),
            m.Return: lambda message: self._lender.give_back(self.account, message),
            m.Keep: lambda message: self._state.shelf.keep(message.tenant, message.key, message.value),
            m.Find: lambda message: self._state.shelf.find(message.tenant, message.key),
            m.Forget: lambda message: self._state.shelf.forget(message.tenant, message.key),
        }

    def listen(self, channel: Channel) -> None:
        """Begin; ``channel`` has this clerk's handlers."""
        self._channel = channel

    def lose(self) -> None:
        """The worker is gone: its slots are free, and what its calls held is spent."""
        for tenant, held in self._slots.items():
            for _ in range(held):
                self._state.admissions.leave(tenant)
        self._slots.clear()
        self._lender.lose(self.account)
        if self._waiting is not None:
            self._waiting.cancel()

    def look(self) -> None:
        """Tell the worker when nothing can be logged any more, once: it may not have tried yet."""
        if not self._refused and not self._state.log.writable and self._channel is not None:
            self._refused = True
            self._channel.tell(m.Refuse(FAILED))

    def _record(self, message: m.Record) -> None:
        log = self._state.log
        try:
            log.append_line(message.line)
        except StoreFailed as error:
            self._on_loss(error)
            self.look()
            return
        if log.behind and self._waiting is None and self._channel is not None:
            # What the worker says from here on waits in its socket, and in the end its appends are refused.
            self._channel.pause()
            self._waiting = asyncio.create_task(self._wait(self._channel))

    async def _wait(self, channel: Channel) -> None:
        log = self._state.log
        try:
            while log.behind and log.writable:
                with suppress(StoreFailed):  # a disk that is slow may come back; one that failed is told of
                    await log.flushed(log.sequence)
            self.look()
        finally:
            self._waiting = None
            channel.resume()

    async def _flush(self, _message: m.Flush) -> None:
        await self._state.log.flushed(self._state.log.sequence)

    def _admit(self, message: m.Admit) -> Admission:
        admission = self._state.admissions.enter(message.tenant, message.most, message.hits)
        if admission.admitted:
            self._slots[message.tenant] += 1
        return admission

    def _leave(self, message: m.Leave) -> None:
        if self._slots[message.tenant]:
            self._slots[message.tenant] -= 1
            self._state.admissions.leave(message.tenant)

    def _count(self, message: m.Count) -> list[Verdict]:
        return self._state.addresses.count(message.hits)
