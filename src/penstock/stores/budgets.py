"""Budgets of one process: the owner of its tenants' money for the current UTC day."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.ports import Clock

_DAY_S = 86_400


class _Balance:
    """Today's money of one tenant, and what is still open from before midnight. Nano-USD."""

    __slots__ = ("carried", "open", "reserved", "settled")

    def __init__(self, settled: int = 0) -> None:
        self.settled = settled
        self.reserved = 0
        # Amounts reserved today, and before today, that are not settled yet: how many of each.
        self.open: dict[int, int] = {}
        self.carried: dict[int, int] = {}

    def roll(self) -> None:
        """A new day: nothing is spent, and what was open belongs to the past."""
        self.settled = self.reserved = 0
        for amount, count in self.open.items():
            self.carried[amount] = self.carried.get(amount, 0) + count
        self.open = {}


class DayBudgets:
    """``Budgets`` for a single process; ``spent`` is what the log says of today.

    A reservation that is open at midnight settles in the day it was made, so it burdens the new day with nothing.
    Reservations are told apart by their amount, the older first: of two equal ones, one from either side of midnight,
    the costs may change places, while what is reserved stays right and nothing is counted twice or lost.
    """

    def __init__(self, wall_clock: Clock, spent: Mapping[str, int] | None = None) -> None:
        self._wall_clock = wall_clock
        self._day = int(wall_clock() // _DAY_S)
        self._balances = {tenant: _Balance(settled) for tenant, settled in (spent or {}).items()}

    def reserve(self, tenant: str, amount_nano_usd: int, limit_nano_usd: int) -> bool:
        """Hold ``amount_nano_usd`` of today's ``limit_nano_usd``; false when it does not fit."""
        balance = self._today(tenant)
        if balance.settled + balance.reserved + amount_nano_usd > limit_nano_usd:
            return False
        balance.reserved += amount_nano_usd
        balance.open[amount_nano_usd] = balance.open.get(amount_nano_usd, 0) + 1
        return True

    def settle(self, tenant: str, reserved_nano_usd: int, cost_nano_usd: int) -> None:
        """Replace a reservation by what was really spent; a reservation of 0 adds a cost that nothing was held for."""
        balance = self._today(tenant)
        if balance.carried and _take(balance.carried, reserved_nano_usd):
            return
        if _take(balance.open, reserved_nano_usd):
            balance.reserved -= reserved_nano_usd
        balance.settled += cost_nano_usd

    def spent_nano_usd(self, tenant: str) -> int:
        """Settled and reserved of the current UTC day."""
        balance = self._today(tenant)
        return balance.settled + balance.reserved

    def _today(self, tenant: str) -> _Balance:
        day = int(self._wall_clock() // _DAY_S)
        # A wall clock that steps back over midnight must not give a tenant its day again.
        if day > self._day:
            self._day = day
            for balance in self._balances.values():
                balance.roll()
        known = self._balances.get(tenant)
        if known is None:
            known = self._balances[tenant] = _Balance()
        return known


def _take(amounts: dict[int, int], amount: int) -> bool:
    """Remove one of ``amount``; false when there is none."""
    count = amounts.get(amount, 0)
    if count > 1:
        amounts[amount] = count - 1
    elif count == 1:
        del amounts[amount]
    return count > 0
