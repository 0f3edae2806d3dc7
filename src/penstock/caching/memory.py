"""The exact cache in memory: bounded in entries, bytes, time, and in each tenant's share of both."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from penstock.core.ports import Clock

# What an entry takes beside its value: two keys, two table slots, the entry itself (measured, rounded up).
_ENTRY_BYTES = 400


class CacheBounds(Struct, frozen=True, kw_only=True):
    """How much may be kept. ``tenant_share`` (0 to 1) is the most that one tenant may hold of entries and of bytes."""

    max_entries: int = 10_000
    max_bytes: int = 32 * 1024 * 1024
    max_entry_bytes: int = 256 * 1024
    ttl_s: float = 3600.0
    tenant_share: float = 0.5


class _Entry(Struct, frozen=True):
    value: bytes
    expires_at_s: float

    @property
    def size_bytes(self) -> int:
        return len(self.value) + _ENTRY_BYTES


class _Namespace:
    """One tenant's entries, the least recently used first."""

    __slots__ = ("entries", "size_bytes")

    def __init__(self) -> None:
        self.entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self.size_bytes = 0


class ExactCache:
    """Values by tenant and key. A tenant over its share loses its own oldest; a full cache loses the oldest of all."""

    def __init__(self, clock: Clock, bounds: CacheBounds) -> None:
        self.bounds = bounds
        self._clock = clock
        self._namespaces: dict[str, _Namespace] = {}
        self._order: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._order)

    @property
    def size_bytes(self) -> int:
        """Bytes held, keys and tables included."""
        return self._size_bytes

    def get(self, tenant: str, key: bytes) -> bytes | None:
        """The value, or ``None`` when there is none or it is too old."""
        namespace = self._namespaces.get(tenant)
        if namespace is None or (entry := namespace.entries.get(key)) is None:
            return None
        if entry.expires_at_s <= self._clock():
            self._drop(tenant, key)
            return None
        namespace.entries.move_to_end(key)
        self._order.move_to_end((tenant, key))
        return entry.value

    def put(self, tenant: str, key: bytes, value: bytes) -> bool:
        """Keep a value in place of an older one; false when it is larger than an entry may be."""
        bounds = self.bounds
        entry = _Entry(value, self._clock() + bounds.ttl_s)
        if len(value) > bounds.max_entry_bytes or entry.size_bytes > bounds.max_bytes * bounds.tenant_share:
            return False
        namespace = self._namespaces.get(tenant)
        if namespace is None:
            namespace = self._namespaces[tenant] = _Namespace()
        elif key in namespace.entries:
            self._remove(tenant, namespace, key)
        namespace.entries[key] = entry
        namespace.size_bytes += entry.size_bytes
        self._order[tenant, key] = None
        self._size_bytes += entry.size_bytes
        self._shrink(tenant, namespace)
        return True

    def _shrink(self, tenant: str, namespace: _Namespace) -> None:
        bounds = self.bounds
        most_entries = max(1, int(bounds.max_entries * bounds.tenant_share))
        most_bytes = bounds.max_bytes * bounds.tenant_share
        while len(namespace.entries) > most_entries or namespace.size_bytes > most_bytes:
            self._drop(tenant, next(iter(namespace.entries)))
        while len(self._order) > bounds.max_entries or self._size_bytes > bounds.max_bytes:
            self._drop(*next(iter(self._order)))

    def _drop(self, tenant: str, key: bytes) -> None:
        namespace = self._namespaces[tenant]
        self._remove(tenant, namespace, key)
        if not namespace.entries:
            del self._namespaces[tenant]

    def _remove(self, tenant: str, namespace: _Namespace, key: bytes) -> None:
        size_bytes = namespace.entries.pop(key).size_bytes
        namespace.size_bytes -= size_bytes
        self._size_bytes -= size_bytes
        del self._order[tenant, key]
