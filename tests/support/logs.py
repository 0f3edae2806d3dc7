"""A log that keeps records in a list, or fails."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec import Struct

from penstock.core.errors import StoreFailed


class ListLog:
    """``records`` in order; with ``broken`` set, ``append`` raises. ``flushed`` waits until ``disk`` is set."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.broken = False
        self.disk = asyncio.Event()
        self.waiting = asyncio.Event()

    def append(self, record: Struct | dict[str, Any]) -> int:
        """Keep the record."""
        if self.broken:
            raise StoreFailed("The ledger cannot be written.")
        self.records.append(record if isinstance(record, dict) else msgspec.to_builtins(record))
        return len(self.records)

    async def flushed(self, sequence: int) -> None:
        """Wait for the disk."""
        assert 0 < sequence <= len(self.records)
        self.waiting.set()
        await self.disk.wait()
        if self.broken:
            raise StoreFailed("The ledger cannot be written.")
