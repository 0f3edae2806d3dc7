"""``Budgets`` of a worker: money leased from the owner in slices, reserved and settled without asking."""

from __future__ import annotations

from msgspec import Struct

from penstock.core.ports import Clock, Reservation
from penstock.stores.remote.channel import Channel
from penstock.stores.remote.messages import Borrow, Hold, Lease, Recall, Return, Settle

_DAY_S = 86_400


class _Account(Struct):
    """One tenant's day: money that is leased and free, and what the whole gateway has settled and spent by now."""

    free: int = 0
    settled: int = 0
    spent: int = 0
    used: bool = False  # since the last look


class LeasedBudgets:
    """Never reserves more than was leased; tells the owner of every reservation, so that a crash loses none.

    ``settled_nano_usd`` and ``spent_nano_usd`` are as the owner last said, and what this worker did since.
    """

    def __init__(self, channel: Channel, wall_clock: Clock) -> None:
        self._channel = channel
        self._wall_clock = wall_clock
        self._accounts: dict[str, _Account] = {}
        self._begin_day()

    def reserve(self, tenant: str, amount_nano_usd: int, limit_nano_usd: int | None) -> Reservation | None:
        """Hold ``amount_nano_usd`` of what is leased; ``None`` when that does not suffice. Nothing always fits."""
        account = self._account(tenant)
        if not amount_nano_usd:
            return Reservation(tenant, self._day, 0)
        if limit_nano_usd is not None:
            if amount_nano_usd > account.free:
                return None
            account.free -= amount_nano_usd
        return self._hold(account, tenant, amount_nano_usd, leased=limit_nano_usd is not None)

    async def borrow(self, tenant: str, amount_nano_usd: int, limit_nano_usd: int) -> Reservation | None:
        """Lease so much at least from the owner and hold it; ``None`` when nobody has it to spare.

        Raises ``StoreFailed``.
        """

        def keep(lease: Lease) -> Reservation | None:
            account = self._account(tenant)
            account.settled, account.spent = lease.settled, lease.spent
            if not lease.amount or lease.day != self._day:  # the owner forgets yesterday's as well
                return None
            account.free += lease.amount - amount_nano_usd
            return self._hold(account, tenant, amount_nano_usd, leased=True)

        def undo(held: Reservation | None) -> None:
            if held is not None:
                self.settle(held, 0)

        self._give_back(tenant, self._account(tenant))  # too little alone, it may suffice with what the owner has
        asked = Borrow(tenant, amount_nano_usd, limit_nano_usd)
        held: Reservation | None = await self._channel.ask(asked, Lease, on_reply=keep, undo=undo)
        return held

    def settle(self, reservation: Reservation, cost_nano_usd: int) -> None:
        """Replace a reservation by what was really spent, on the day that it was made. Once for each."""
        tenant, amount = reservation.tenant, reservation.amount_nano_usd
        account = self._account(tenant)
        if reservation.day == self._day:
            account.settled += cost_nano_usd
            account.spent += cost_nano_usd - amount
        if amount or cost_nano_usd:
            self._channel.tell(Settle(tenant, reservation.day, amount, cost_nano_usd))

    def spent_nano_usd(self, tenant: str) -> int:
        """Settled and reserved of the current UTC day."""
        return self._account(tenant).spent

    def settled_nano_usd(self, tenant: str) -> int:
        """What calls of the current UTC day have really cost."""
        return self._account(tenant).settled

    # --- the owner's side asks back ---

    def recall(self, message: Recall) -> None:
        """Give back what no call holds."""
        account = self._accounts.get(message.tenant)
        if account is not None:
            self._give_back(message.tenant, account)

    def give_back_idle(self) -> None:
        """Give back the leases of tenants that have not called since the last look."""
        for tenant, account in self._accounts.items():
            if not account.used:
                self._give_back(tenant, account)
            account.used = False

    def give_back_all(self) -> None:
        """Give back everything that no call holds: limits may have changed."""
        for tenant, account in self._accounts.items():
            self._give_back(tenant, account)

    def _give_back(self, tenant: str, account: _Account) -> None:
        if account.free:
            self._channel.tell(Return(tenant, self._day, account.free))
            account.free = 0

    def _hold(self, account: _Account, tenant: str, amount: int, *, leased: bool) -> Reservation:
        account.used = True
        account.spent += amount
        self._channel.tell(Hold(tenant, self._day, amount, leased))
        return Reservation(tenant, self._day, amount)

    def _account(self, tenant: str) -> _Account:
        if self._wall_clock() >= self._over_at_s:  # leases end with their day, here and with the owner
            self._begin_day()
            self._accounts.clear()
        account = self._accounts.get(tenant)
        if account is None:
            account = self._accounts[tenant] = _Account()
        return account

    def _begin_day(self) -> None:
        self._day = int(self._wall_clock() // _DAY_S)
        self._over_at_s = (self._day + 1) * _DAY_S
