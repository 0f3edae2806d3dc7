"""How much a shelf holds, and ``MemoryShelf``: one that is gone with its process."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from penstock.core.ports import Clock

# What an entry takes on a disk beside its value, about.
ENTRY_BYTES = 4096
_KEY_CHARACTERS = 256


class ShelfBounds(Struct, frozen=True):
    """Each entry counts ``ENTRY_BYTES`` beside its value. With a ``retention_s`` of 0 nothing is kept."""

    retention_s: float
    max_bytes: int
    max_tenant_bytes: int
    max_entry_bytes: int

    @property
    def most_bytes(self) -> int:
        """The largest value that is kept; 0 where nothing is."""
        room = min(self.max_entry_bytes, self.max_tenant_bytes - ENTRY_BYTES, self.max_bytes - ENTRY_BYTES)
        return max(0, room) if self.retention_s > 0 else 0

    def fit(self, key: str, value: bytes) -> bool:
        """Whether they may be kept."""
        return is_key(key) and 0 < len(value) <= self.most_bytes


def is_key(key: str) -> bool:
    """Whether something can be kept under ``key``: callers may ask for anything."""
    return len(key) <= _KEY_CHARACTERS and key.isascii()


class MemoryShelf:
    """``Shelf`` of one process. ``clock`` is wall time."""

    def __init__(self, bounds: ShelfBounds, clock: Clock) -> None:
        self._bounds = bounds
        self._clock = clock
        # The oldest first, each with the time from which on it is too old.
        self._entries: dict[tuple[str, str], tuple[float, bytes]] = {}
        self._held: Counter[str] = Counter()

    @property
    def most_bytes(self) -> int:
        """The largest value that is kept; 0 where nothing is."""
        return self._bounds.most_bytes

    async def keep(self, tenant: str, key: str, value: bytes) -> bool:
        """Put ``value`` under ``key``; whether it was kept."""
        if not self._bounds.fit(key, value):
            return False
        self._remove((tenant, key))
        size = ENTRY_BYTES + len(value)
        while self._held[tenant] + size > self._bounds.max_tenant_bytes:
            self._remove(next(entry for entry in self._entries if entry[0] == tenant))
        while self._held.total() + size > self._bounds.max_bytes:
            self._remove(next(iter(self._entries)))
        self._held[tenant] += size
        self._entries[tenant, key] = (self._clock() + self._bounds.retention_s, value)
        return True

    async def find(self, tenant: str, key: str) -> bytes | None:
        """What was kept under ``key``."""
        until_s, value = self._entries.get((tenant, key), (0.0, b""))
        if until_s > self._clock():
            return value
        self._remove((tenant, key))
        return None

    async def forget(self, tenant: str, key: str) -> bool:
        """Remove what was kept under ``key``; whether it was there."""
        return await self.find(tenant, key) is not None and self._remove((tenant, key))

    def _remove(self, entry: tuple[str, str]) -> bool:
        if entry not in self._entries:
            return False
        self._held[entry[0]] -= ENTRY_BYTES + len(self._entries.pop(entry)[1])
        return True
