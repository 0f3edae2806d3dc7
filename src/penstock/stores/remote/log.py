"""``Log`` of a worker: records go to the process that owns the segments."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from penstock.core.errors import StoreFailed
from penstock.stores.remote.channel import GONE, Channel
from penstock.stores.remote.messages import Flush, Record, Refuse
from penstock.stores.seals import one_line

_FULL = "The gateway's ledger is behind its disk: retry in a moment."
_FLUSH_S = 10.0


class RemoteLog:
    """Says each record to the owner of the log, which commits groups of all workers together."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._sequence = 0
        self._refusal: str | None = None

    @property
    def sequence(self) -> int:
        """How many records this worker has appended."""
        return self._sequence

    @property
    def writable(self) -> bool:
        """False once the owner is gone or cannot write."""
        return self._refusal is None and not self._channel.lost

    def append(self, record: Struct | dict[str, Any]) -> int:
        """Say a record, and return its number among this worker's. Raises ``StoreFailed``."""
        if self._refusal is not None:
            raise StoreFailed(self._refusal)
        if self._channel.lost:
            raise StoreFailed(GONE)
        if self._channel.full:
            raise StoreFailed(_FULL)
        self._channel.tell(Record(one_line(record)))
        self._sequence += 1
        return self._sequence

    async def flushed(self, sequence: int) -> None:  # noqa: ARG002 - all that was said before is waited for
        """Wait until that record is on the disk. Raises ``StoreFailed``."""
        if self._refusal is not None:
            raise StoreFailed(self._refusal)
        await self._channel.ask(Flush(), None, limit_s=_FLUSH_S)

    def refuse(self, message: Refuse) -> None:
        """The owner cannot write: nothing is appended any more."""
        self._refusal = message.reason
