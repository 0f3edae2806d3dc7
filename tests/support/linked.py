"""Two processes of one gateway in one loop: channels that hear each other in later turns, as over a socket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from penstock.core.ports import Clock, Shelf
from penstock.stores.budgets import DayBudgets
from penstock.stores.memory import MemoryAdmissions, MemoryCounters
from penstock.stores.remote import messages as m
from penstock.stores.remote.budgets import LeasedBudgets
from penstock.stores.remote.channel import Channel, Handlers
from penstock.stores.remote.clerk import Clerk
from penstock.stores.remote.counters import RemoteAdmissions, RemoteCounters
from penstock.stores.remote.lender import Account, Lender
from penstock.stores.remote.log import RemoteLog
from penstock.stores.remote.shelf import RemoteShelf
from penstock.stores.segments import SegmentLog
from support.logs_on_disk import KEY
from support.shelves import BOUNDS, memory_shelf


class _Wire(asyncio.Transport):
    """What is written at one end is heard at the other in a later turn; nothing while that one is paused."""

    def __init__(self, loop: asyncio.AbstractEventLoop, there: Channel) -> None:
        super().__init__()
        self._loop = loop
        self._there = there
        self._waiting: list[bytes] = []
        self._closing = False
        self.back: _Wire | None = None
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._waiting.append(bytes(data))
        self._loop.call_soon(self.deliver)

    def deliver(self) -> None:
        while self._waiting and self.back is not None and not self.back.paused:
            self._there.data_received(self._waiting.pop(0))

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._waiting))

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        if self.back is not None:
            self._loop.call_soon(self.back.deliver)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._cut)

    def _cut(self) -> None:
        self.deliver()
        self._there.connection_lost(None)


def link(one: Channel, other: Channel) -> None:
    """Connect two channels."""
    loop = asyncio.get_running_loop()
    there, back = _Wire(loop, other), _Wire(loop, one)
    there.back, back.back = back, there
    one.connection_made(there)
    other.connection_made(back)


def make_channel(handlers: Handlers, on_lost: Callable[[], None] = lambda: None) -> Channel:
    """A channel; a handler that fails fails the test, in the loop's own way."""

    def fail(error: Exception) -> None:
        raise error

    return Channel(handlers, on_lost=on_lost, on_failed=fail)


class LinkedWorker:
    """A worker's ports, linked to an owner's."""

    def __init__(self, owner: LinkedOwner, clock: Clock) -> None:
        self.clerk = Clerk(owner, owner.lender, on_loss=owner.lost.append)
        self.theirs = make_channel(self.clerk.handlers, self.clerk.lose)
        self.channel = make_channel({m.Recall: self._recall, m.Refuse: self._refuse})
        link(self.channel, self.theirs)
        self.clerk.listen(self.theirs)
        self.log = RemoteLog(self.channel)
        self.budgets = LeasedBudgets(self.channel, clock)
        self.counters = RemoteCounters(self.channel)
        self.admissions = RemoteAdmissions(self.channel)
        self.shelf = RemoteShelf(self.channel, BOUNDS)

    def _recall(self, message: m.Recall) -> None:
        self.budgets.recall(message)

    def _refuse(self, message: m.Refuse) -> None:
        self.log.refuse(message)


class LinkedOwner:
    """The state that workers share. Without ``folder`` there is no log."""

    def __init__(self, clock: Clock, folder: Path | None = None, *, sync: Callable[[int], None] = os.fdatasync) -> None:
        self._clock = clock
        self._log = None if folder is None else SegmentLog(folder, KEY, sync=sync)
        self.lost: list[Exception] = []
        self.addresses = MemoryCounters(clock)
        self.admissions = MemoryAdmissions(MemoryCounters(clock))
        self.budgets = DayBudgets(clock)
        self.shelf: Shelf = memory_shelf(clock)
        self.lender = Lender(self.budgets, self._recall)
        self.workers: list[LinkedWorker] = []

    @property
    def log(self) -> SegmentLog:
        """Where records go."""
        assert self._log is not None
        return self._log

    def worker(self) -> LinkedWorker:
        """One more."""
        worker = LinkedWorker(self, self._clock)
        self.workers.append(worker)
        return worker

    def kill(self, worker: LinkedWorker) -> None:
        """A worker is gone, with what it had not said yet."""
        self.workers.remove(worker)
        worker.theirs.connection_lost(None)
        worker.channel.connection_lost(None)

    async def _recall(self, account: Account, tenant: str) -> None:
        for worker in self.workers:
            if worker.clerk.account is not account:
                await worker.theirs.ask(m.Recall(tenant), None)
