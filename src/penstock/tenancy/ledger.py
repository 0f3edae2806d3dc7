"""Tenants' money around one call: warned of, held, written down, settled. All amounts are integer nano-USD."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from penstock.core.call import Call
from penstock.core.ports import Budgets, Clock, Log, Reservation

_DAY_S = 86_400


class Intent(Struct, tag_field="event_type", tag="llm_intent"):
    """Written down before a call may cost money; ``time`` is Unix seconds."""

    call_id: str
    tenant_id: str
    reserved_nano_usd: int
    time: float


class Ledger:
    """Budgets and log as one; ``strict``: an intent is to be ``written`` before anyone is asked.

    ``on_alert(tenant, spent, held, limit)`` is called once a UTC day for a tenant that goes on after 80 % is spent:
    settled, that is. What calls in flight hold may all come back.
    """

    def __init__(
        self,
        budgets: Budgets,
        log: Log,
        *,
        wall_clock: Clock,
        on_alert: Callable[[str, int, int, int], None],
        strict: bool = False,
    ) -> None:
        self._budgets = budgets
        self._log = log
        self._wall_clock = wall_clock
        self._on_alert = on_alert
        self.strict = strict
        self._alerted_on: dict[str, int] = {}

    def hold(self, tenant: str, amount: int, limit: int | None) -> Reservation | None:
        """Reserve ``amount`` of the day's ``limit`` from what is at hand; ``None`` when it does not fit."""
        held = self._budgets.reserve(tenant, amount, limit)
        if limit is not None and amount:
            self._look(tenant, limit)
        return held

    async def borrow(self, tenant: str, amount: int, limit: int) -> Reservation | None:
        """Reserve ``amount`` of the day's ``limit`` wherever it is; ``None`` when it does not fit.

        Raises ``StoreFailed`` when nobody can tell.
        """
        held = await self._budgets.borrow(tenant, amount, limit)
        self._look(tenant, limit)
        return held

    def nothing(self, tenant: str) -> Reservation:
        """A reservation for a call that will cost nothing."""
        return Reservation(tenant, int(self._wall_clock() // _DAY_S), 0)

    def intend(self, call: Call, held: Reservation) -> int:
        """Write down that a call is about to cost money; the record's number. Raises ``StoreFailed``."""
        return self._log.append(Intent(call.call_id, call.identity.tenant, held.amount_nano_usd, self._wall_clock()))

    async def written(self, sequence: int) -> None:
        """Wait until that record is on the disk. Raises ``StoreFailed``."""
        await self._log.flushed(sequence)

    def settle(self, held: Reservation, cost: int) -> None:
        """Replace what was held by the cost."""
        self._budgets.settle(held, cost)

    def left(self, tenant: str, limit: int) -> int:
        """What the day's ``limit`` still has room for."""
        return max(0, limit - self._budgets.spent_nano_usd(tenant))

    def until_reset_s(self) -> float:
        """Seconds to the next UTC midnight."""
        return _DAY_S - self._wall_clock() % _DAY_S

    def _look(self, tenant: str, limit: int) -> None:
        spent = self._budgets.settled_nano_usd(tenant)
        if spent * 5 < limit * 4:
            return
        day = int(self._wall_clock() // _DAY_S)
        if self._alerted_on.get(tenant) != day:
            self._alerted_on[tenant] = day
            self._on_alert(tenant, spent, self._budgets.spent_nano_usd(tenant) - spent, limit)
