"""``Lender``: the owner's side of budgets that workers lease. It refuses only when no worker has money to spare."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec import Struct

from penstock.core.ports import Budgets, Reservation
from penstock.stores.remote.messages import Borrow, Hold, Lease, Return, Settle

# A slice is this many times what was asked for, so that most calls need not ask.
_CALLS_IN_A_SLICE = 32
# And at most this share of what is left, for each worker.
_SHARE = 8

Account: TypeAlias = dict[str, "_Grant"]
# Asks every other worker for what it can spare of a tenant's money; returns when all have answered.
RecallFrom: TypeAlias = Callable[[Account, str], Awaitable[None]]


class _Grant(Struct):
    """What one worker has of one tenant's day: free, and held by calls."""

    day: int
    free: int = 0
    held: int = 0


class Lender:
    """Leases ``budgets`` to workers, each with an ``Account`` (an empty dict at first) that says what it has.

    All of a lease is reserved in ``budgets``, so whatever workers do together stays within the day's limit.
    """

    def __init__(self, budgets: Budgets, recall: RecallFrom) -> None:
        self._budgets = budgets
        self._recall = recall

    async def lend(self, account: Account, asked: Borrow) -> Lease:
        """A lease of what was asked for and something ahead, or of nothing."""
        taken = self._take(asked)
        if taken is None:
            await self._recall(account, asked.tenant)
            taken = self._take(asked)
        if taken is not None:
            self._grant(account, asked.tenant, taken.day).free += taken.amount_nano_usd
        tenant, settled = asked.tenant, self._budgets.settled_nano_usd(asked.tenant)
        spent = self._budgets.spent_nano_usd(tenant)
        if taken is None:
            return Lease(0, 0, settled, spent)
        # What the worker has free is not spent; it counts its own reservations from here.
        return Lease(taken.day, taken.amount_nano_usd, settled, spent - account[tenant].free)

    def hold(self, account: Account, message: Hold) -> None:
        """A call of that worker holds money."""
        if message.leased:
            grant = account.get(message.tenant)
            if grant is not None and grant.day == message.day:
                grant.free -= message.amount
                grant.held += message.amount
            return
        taken = self._budgets.reserve(message.tenant, message.amount, None)
        if taken is None:
            return
        if taken.day == message.day:
            self._grant(account, message.tenant, message.day).held += message.amount
        else:  # midnight has come in between
            self._budgets.settle(taken, 0)

    def settle(self, account: Account, message: Settle) -> None:
        """A call of that worker is over."""
        self._budgets.settle(Reservation(message.tenant, message.day, message.amount), message.cost)
        grant = account.get(message.tenant)
        if grant is not None and grant.day == message.day:
            grant.held -= message.amount

    def give_back(self, account: Account, message: Return) -> None:
        """That worker can spare money."""
        self._budgets.settle(Reservation(message.tenant, message.day, message.amount), 0)
        grant = account.get(message.tenant)
        if grant is not None and grant.day == message.day:
            grant.free -= message.amount

    def lose(self, account: Account) -> None:
        """That worker died: what its calls held is spent, what was free is not."""
        for tenant, grant in account.items():
            self._budgets.settle(Reservation(tenant, grant.day, grant.free), 0)
            self._budgets.settle(Reservation(tenant, grant.day, grant.held), grant.held)
        account.clear()

    def _take(self, asked: Borrow) -> Reservation | None:
        room = asked.limit - self._budgets.spent_nano_usd(asked.tenant)
        ahead = min(room // _SHARE, asked.amount * _CALLS_IN_A_SLICE)
        return self._budgets.reserve(asked.tenant, max(asked.amount, ahead), asked.limit)

    def _grant(self, account: Account, tenant: str, day: int) -> _Grant:
        grant = account.get(tenant)
        if grant is None or grant.day != day:
            grant = account[tenant] = _Grant(day)
        return grant
