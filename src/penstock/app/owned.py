"""``OwnedStore``: log, index, budgets, counters and kept answers, in the one process of this host that owns them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from penstock.app.views import shown
from penstock.app.works import VERSION, Works, shelf_bounds
from penstock.config import Settings, load_pepper, subkey
from penstock.core.errors import StoreFailed
from penstock.core.policy import Policy
from penstock.core.ports import AuditPage, AuditQuery, Fault
from penstock.stores.budgets import DayBudgets
from penstock.stores.memory import MemoryAdmissions, MemoryCounters
from penstock.stores.owner import Owner
from penstock.stores.segments import SegmentLog
from penstock.stores.sqlite import SqliteStore
from penstock.stores.sqlite_shelf import SqliteShelf
from penstock.telemetry import Gauges, QuotaUse
from penstock.telemetry.logs import Logger
from penstock.tenancy import tenant_window
from penstock.transport import Proxies


class OwnedStore:
    """Opened once; ``aclose`` leaves everything on the disk."""

    def __init__(self, log: SegmentLog, store: SqliteStore, settings: Settings, logger: Logger) -> None:
        self.log = log
        self.budgets = DayBudgets(time.time)
        self.counters = MemoryCounters(time.monotonic)
        self.admissions = MemoryAdmissions(self.counters)
        # Apart from the tenants': addresses without end must not make it forget a tenant's window.
        self.addresses = MemoryCounters(time.monotonic, 10_000)
        self.owner = Owner(log, store, on_error=self._index_failed, on_progress=self._index_grows)
        self.shelf = SqliteShelf(
            settings.store.responses_file, shelf_bounds(settings), on_error=partial(_sweep_failed, logger)
        )
        # Events that are no calls and could not be appended.
        self.lost = 0
        self._store = store
        self._logger = logger

    @classmethod
    async def open(cls, settings: Settings, pepper: bytes, logger: Logger) -> OwnedStore:
        """Take the store for this process. Raises ``StoreFailed``."""
        store = SqliteStore(settings.store.url)
        await store.open()
        try:
            log = SegmentLog(
                settings.store.log_directory, subkey(pepper, "audit log"), on_failure=partial(_log_failed, logger)
            )
        except BaseException:
            await store.aclose()
            raise
        owned = cls(log, store, settings, logger)
        try:
            await owned.owner.start()
            owned.budgets = DayBudgets(time.time, await owned.owner.spent_today())
            owned.shelf.start()
        except BaseException:
            await owned.aclose()
            raise
        return owned

    def record(self, event_type: str, **facts: Any) -> None:
        """Put an event that is no call into the audit log. A log that fails is told of, not raised."""
        try:
            self.log.append({"event_type": event_type, "time": time.time(), **facts})
        except StoreFailed as error:
            self.lose(error)

    def lose(self, error: StoreFailed) -> None:
        """Tell of an event that could not be appended."""
        self.lost += 1
        self._logger.error("audit event lost", error=error.code, reason=error.message)

    def alert(self, tenant: str, spent: int, held: int, limit: int) -> None:
        """Tell the operator that a tenant's day is nearly spent. Nano-USD."""
        self._logger.warning(
            "budget nearly spent", tenant=tenant, spent_usd=spent / 1e9, held_usd=held / 1e9, limit_usd=limit / 1e9
        )

    async def audit(self, query: AuditQuery) -> AuditPage:
        """A page of audit events, newest first."""
        return await self.owner.query(query)

    def detail(self) -> dict[str, Any]:
        """What health says of the store, and of the calls that hold slots."""
        return {
            "store": {"writable": self.log.writable, "log_sequence": self.log.sequence},
            "calls_in_flight": dict(self.admissions.in_flight),
        }

    def quota(self, policy: Policy) -> list[QuotaUse]:
        """Every limit that has a figure now."""
        rows: list[QuotaUse] = []
        for tenant, tier_name in policy.tenants.items():
            tier = policy.tiers[tier_name]
            if tier.daily_budget_nano_usd is not None:
                spent = self.budgets.spent_nano_usd(tenant)
                rows.append(QuotaUse(tenant, "day_usd", spent / 1e9, tier.daily_budget_nano_usd / 1e9))
            requests = self.counters.used(tenant_window(tenant, tier))
            rows.append(QuotaUse(tenant, "minute_requests", requests, tier.requests_per_minute))
            if tier.concurrent_requests is not None:
                held = self.admissions.in_flight.get(tenant, 0)
                rows.append(QuotaUse(tenant, "concurrent", held, tier.concurrent_requests))
        return rows

    def _index_failed(self, error: StoreFailed) -> None:
        self._logger.error("audit index is behind", error=error.code, reason=error.message)

    def _index_grows(self, indexed: int, records: int) -> None:
        self._logger.info("audit index is being built", indexed=indexed, records=records)

    async def aclose(self) -> None:
        """Stop, with everything that was appended on the disk and indexed."""
        await self.owner.aclose()
        self.log.close()
        await self._store.aclose()
        await self.shelf.aclose()  # the last: what the ledger needs does not wait for it


class LocalControl:
    """``Control`` of a gateway that is one process."""

    def __init__(self, owned: OwnedStore, works: Works) -> None:
        self._owned = owned
        self._works = works
        self._started_at_s = time.monotonic()

    async def audit(self, query: AuditQuery) -> AuditPage:
        """A page of audit events, newest first."""
        return await self._owned.audit(query)

    async def metrics(self, policy: Policy) -> bytes:
        """Prometheus text."""
        from penstock.telemetry.exposition import render  # noqa: PLC0415 - 4 MB that only a scrape needs

        totals = self._works.totals()
        totals.audit_lost += self._owned.lost
        uptime_s = time.monotonic() - self._started_at_s
        return render(totals, Gauges(version=VERSION, uptime_s=uptime_s, quota=self._owned.quota(policy)))

    async def detail(self) -> dict[str, Any]:
        """Store, calls in flight and targets."""
        return {**self._owned.detail(), "targets": shown([self._works.views()])}

    async def spread_fault(self, provider: str, fault: Fault | None) -> None:
        """Nobody else needs to know."""


@asynccontextmanager
async def working(settings: Settings, logger: Logger, proxies: Proxies) -> AsyncIterator[tuple[OwnedStore, Works]]:
    """Store and works of a gateway that is one process. Raises ``ConfigError`` and ``StoreFailed``."""
    pepper = load_pepper(settings)
    owned = await OwnedStore.open(settings, pepper, logger)
    try:
        works = Works(settings, pepper, owned, logger, proxies)
        try:
            yield owned, works
        finally:
            await works.aclose()
    finally:
        await owned.aclose()


def _sweep_failed(logger: Logger, error: StoreFailed) -> None:
    reason = error.message if error.__cause__ is None else str(error.__cause__)
    logger.error("kept answers that are too old cannot be removed", error=error.code, reason=reason)


def _log_failed(logger: Logger, error: Exception) -> None:
    logger.error("log cannot be written", error=type(error).__name__, cure="look at the disk, then restart")
