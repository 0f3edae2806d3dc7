"""``SegmentLog``: the tamper-evident, append-only log, written by one thread as group commits.

``append`` only encodes and queues. The thread collects for up to ``commit_s``, then writes, seals and syncs the group
(see ``seals.py``). One failed write ends the log: every later append raises, nothing is tried again, because after a
failed sync nobody knows what is on the disk.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from penstock.core.errors import StoreFailed
from penstock.stores import seals
from penstock.stores.lock import ProcessLock
from penstock.stores.recovery import Recovered, recover
from penstock.stores.seals import Batch, Position
from penstock.stores.segment_file import SegmentWriter, read_again, read_batch

_DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024
_FULL = "The gateway's ledger is behind its disk: retry in a moment."
FAILED = "The gateway's ledger cannot be written: calls stop until an operator has looked at its disk."
_CLOSED = "The gateway is shutting down."


class SegmentLog:
    """``Log`` on segment files in ``directory``; opening it recovers what the last process left.

    ``on_failure`` is called once, on the writer's thread, with what broke. ``sync`` puts a file's data on the disk.
    Raises ``StoreFailed`` when the log cannot be continued or another process has it.
    """

    QUEUE_RECORDS = 100_000
    # A disk that takes longer than this to write one group is as good as dead.
    FLUSH_S = 10.0

    def __init__(
        self,
        directory: Path,
        key: bytes,
        *,
        commit_s: float = 0.02,
        segment_bytes: int = _DEFAULT_SEGMENT_BYTES,
        on_failure: Callable[[Exception], None] | None = None,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self._directory = directory
        self._key = key
        self._commit_s = commit_s
        self._on_failure = on_failure
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = ProcessLock(directory / "lock")
        try:
            recovered = recover(directory, key)
            self._writer = SegmentWriter(directory, key, recovered.end, segment_bytes=segment_bytes, sync=sync)
        except BaseException:
            self._lock_file.release()
            raise
        self._sequence = recovered.end.sequence
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._waiters: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._refusal: str | None = None
        self._closing = False
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._write, name="penstock-log", daemon=True)
        self._thread.start()
        self._tell(recovered)

    @property
    def sequence(self) -> int:
        """The number of the last record appended."""
        return self._sequence

    @property
    def end(self) -> Position:
        """Just behind the last group on the disk."""
        return self._writer.end

    @property
    def behind(self) -> bool:
        """Whether half the queue is taken: whoever can wait should."""
        return len(self._pending) > self.QUEUE_RECORDS // 2

    @property
    def writable(self) -> bool:
        """False once a write has failed or the log is closed."""
        return self._refusal is None

    def append(self, record: Struct | dict[str, Any]) -> int:
        """Queue a record and return its number; from any thread.

        Raises ``StoreFailed`` after a failed write, after ``close``, and while the queue is full.
        """
        return self.append_line(seals.one_line(record))

    def append_line(self, line: bytes) -> int:
        """``append`` of a record that is one line of JSON already (see ``seals.one_line``)."""
        with self._lock:
            if self._refusal is not None:
                raise StoreFailed(self._refusal)
            pending = self._pending
            if not pending:
                self._wake.set()
            elif len(pending) >= self.QUEUE_RECORDS:
                raise StoreFailed(_FULL)
            pending.append(line)
            self._sequence = sequence = self._sequence + 1
            return sequence

    async def flushed(self, sequence: int) -> None:
        """Wait until that record is on the disk, without waiting for the group to fill. Raises ``StoreFailed``."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if sequence <= self._writer.end.sequence:
                return
            if self._refusal is not None:
                raise StoreFailed(self._refusal)
            self._waiters.append((sequence, loop, done))
            self._hurry.set()
        try:
            async with asyncio.timeout(self.FLUSH_S):
                await done
        except TimeoutError:
            raise StoreFailed(_FULL) from None

    def read(self, after: Position) -> Batch | None:
        """Some of what is on the disk behind ``after``, proved; ``None`` when there is nothing. Blocks on files.

        Raises ``StoreFailed`` when it was changed or cannot be read.
        """
        return read_batch(self._directory, self._key, after, self._writer.end)

    def read_again(self, after: Position, end_offset: int) -> Batch:
        """A batch that ``read`` gave before, by where it begins and ends. Proves, blocks and raises as ``read`` does."""
        return read_again(self._directory, self._key, after, end_offset)

    def close(self) -> None:
        """Write what is queued, then let go of the files. Blocks, ``FLUSH_S`` at most; may be called twice."""
        with self._lock:
            self._closing = True
            self._refusal = self._refusal or _CLOSED
            self._wake.set()
            self._hurry.set()
        self._thread.join(self.FLUSH_S)
        self._lock_file.release()

    # --- the writer's thread ---

    def _write(self) -> None:
        try:
            while self._collect():
                with self._lock:
                    lines, self._pending = self._pending, []
                    if not self._closing:
                        self._wake.clear()
                        self._hurry.clear()
                if lines:
                    self._writer.commit(lines)
                    self._release_waiters()
            self._writer.close()
        except Exception as error:  # noqa: BLE001 - whatever ends this thread must be seen by every append
            self._fail(error)

    def _collect(self) -> bool:
        """Wait for a group; false when the log is closed and all is written."""
        self._wake.wait()
        self._hurry.wait(self._commit_s)
        return bool(self._pending) or not self._closing

    def _release_waiters(self) -> None:
        with self._lock:
            done = self._writer.end.sequence
            ready = [waiter for waiter in self._waiters if waiter[0] <= done]
            self._waiters = [waiter for waiter in self._waiters if waiter[0] > done]
        for _, loop, future in ready:
            _resolve(loop, future, None)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._refusal = FAILED
            self._pending.clear()
            waiters, self._waiters = self._waiters, []
        for _, loop, future in waiters:
            _resolve(loop, future, StoreFailed(FAILED))
        with suppress(OSError):
            self._writer.close()
        if self._on_failure is not None:
            self._on_failure(error)

    def _tell(self, recovered: Recovered) -> None:
        """A torn end that was set apart is part of the story."""
        if recovered.torn_bytes:
            self.append(
                {
                    "event_type": "log_recovered",
                    "time": time.time(),
                    "torn_bytes": recovered.torn_bytes,
                    "torn_file": recovered.torn_file,
                }
            )


def _resolve(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None], error: StoreFailed | None) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop closed before its log: nobody waits any more
        return
