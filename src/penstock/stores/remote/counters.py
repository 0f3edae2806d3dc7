"""``Counters`` and ``Admissions`` of a worker: every hit is counted where those of all workers are, in one round trip.

Asked for, not leased: a limit is exact, and what many calls ask in one turn of the loop is one message.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.ports import Admission, Hit, Verdict
from penstock.stores.remote.channel import Channel
from penstock.stores.remote.messages import Admit, Count, Leave


class RemoteCounters:
    """Hits counted by the owner."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def hit(self, key: str, limit: int, window_s: float) -> Verdict:
        """Count one hit if the window still has room. Raises ``StoreFailed``."""
        return (await self.hit_all((Hit(key, limit, window_s),)))[0]

    async def hit_all(self, hits: Sequence[Hit]) -> list[Verdict]:
        """Count one hit in every window, or in none. Raises ``StoreFailed``."""
        verdicts: list[Verdict] = await self._channel.ask(Count(tuple(hits)), list[Verdict])
        return verdicts


class RemoteAdmissions:
    """Slots held with the owner, which frees those of a worker that dies."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def admit(self, tenant: str, most: int | None, hits: Sequence[Hit]) -> Admission:
        """Take a slot and count every hit, or do neither. Raises ``StoreFailed``."""

        def undo(admission: Admission) -> None:
            if admission.admitted:
                self.leave(tenant)

        admission: Admission = await self._channel.ask(Admit(tenant, most, tuple(hits)), Admission, undo=undo)
        return admission

    def leave(self, tenant: str) -> None:
        """Give a slot back."""
        self._channel.tell(Leave(tenant))
