"""Budgets of one process: the owner of its tenants' money for the current UTC day."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.ports import Clock, Reservation

_DAY_S = 86_400


class DayBudgets:
    """``Budgets`` for a single process; ``spent`` is what the log says of today.

    A reservation that is open at midnight settles in the day it was made, so it burdens the new day with nothing.
    """

    def __init__(self, wall_clock: Clock, spent: Mapping[str, int] | None = None) -> None:
        self._wall_clock = wall_clock
        self._settled = dict(spent or {})
        self._held: dict[str, int] = {}
        self._begin_day()

    def reserve(self, tenant: str, amount_nano_usd: int, limit_nano_usd: int | None) -> Reservation | None:
        """Hold ``amount_nano_usd`` of today's limit; ``None`` when it does not fit. Nothing always fits."""
        settled = self.settled_nano_usd(tenant)
        held = self._held.get(tenant, 0) + amount_nano_usd
        if limit_nano_usd is not None and amount_nano_usd and settled + held > limit_nano_usd:
            return None
        self._held[tenant] = held
        return Reservation(tenant, self._day, amount_nano_usd)

    async def borrow(self, tenant: str, amount_nano_usd: int, limit_nano_usd: int) -> Reservation | None:
        """``reserve``: there is no money elsewhere."""
        return self.reserve(tenant, amount_nano_usd, limit_nano_usd)

    def settle(self, reservation: Reservation, cost_nano_usd: int) -> None:
        """Replace a reservation by what was really spent, on the day that it was made. Once for each."""
        tenant = reservation.tenant
        settled = self.settled_nano_usd(tenant)
        if reservation.day == self._day:
            self._settled[tenant] = settled + cost_nano_usd
            self._held[tenant] = self._held.get(tenant, 0) - reservation.amount_nano_usd

    def spent_nano_usd(self, tenant: str) -> int:
        """Settled and reserved of the current UTC day."""
        return self.settled_nano_usd(tenant) + self._held.get(tenant, 0)

    def settled_nano_usd(self, tenant: str) -> int:
        """What calls of the current UTC day have really cost."""
        # A wall clock that steps back over midnight must not give a tenant its day again.
        if self._wall_clock() >= self._over_at_s:
            self._begin_day()
            self._settled.clear()
            self._held.clear()
        return self._settled.get(tenant, 0)

    def _begin_day(self) -> None:
        self._day = int(self._wall_clock() // _DAY_S)
        self._over_at_s = (self._day + 1) * _DAY_S
