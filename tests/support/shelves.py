"""Small shelves."""

from __future__ import annotations

import time

from penstock.core.ports import Clock
from penstock.stores.shelf import MemoryShelf, ShelfBounds

BOUNDS = ShelfBounds(retention_s=100.0, max_bytes=200_000, max_tenant_bytes=100_000, max_entry_bytes=50_000)


def memory_shelf(clock: Clock = time.time) -> MemoryShelf:
    """One that is gone with the test."""
    return MemoryShelf(BOUNDS, clock)
