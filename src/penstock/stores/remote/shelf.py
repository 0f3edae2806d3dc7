"""``Shelf`` of a worker: what is kept lies with the owner, so that every worker finds it."""

from __future__ import annotations

from typing import Any

from penstock.stores.line import Line
from penstock.stores.remote.channel import Channel
from penstock.stores.remote.messages import Find, Forget, Keep
from penstock.stores.shelf import ShelfBounds, is_key

# Values are large: the channel is there for every call's records and limits, too.
_AT_ONCE = 8


class RemoteShelf:
    """Asks the owner, which has the same ``bounds``."""

    # Somebody waits so long for others' values to pass, and so long for the owner.
    LIMIT_S = 5.0

    def __init__(self, channel: Channel, bounds: ShelfBounds) -> None:
        self._channel = channel
        self._bounds = bounds
        self._line = Line(_AT_ONCE)

    @property
    def most_bytes(self) -> int:
        """The largest value that is kept; 0 where nothing is."""
        return self._bounds.most_bytes

    async def keep(self, tenant: str, key: str, value: bytes) -> bool:
        """Put ``value`` under ``key``; whether it was kept."""
        return self._bounds.fit(key, value) and bool(await self._ask(Keep(tenant, key, value), bool))

    async def find(self, tenant: str, key: str) -> bytes | None:
        """What was kept under ``key``."""
        if not is_key(key):
            return None
        value: bytes | None = await self._ask(Find(tenant, key), bytes | None)
        return value

    async def forget(self, tenant: str, key: str) -> bool:
        """Remove what was kept under ``key``; whether it was there."""
        return is_key(key) and bool(await self._ask(Forget(tenant, key), bool))

    async def _ask(self, message: Keep | Find | Forget, value: Any) -> Any:
        await self._line.enter(self.LIMIT_S)
        try:
            return await self._channel.ask(message, value, limit_s=self.LIMIT_S)
        finally:
            self._line.leave()
