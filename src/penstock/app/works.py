"""``Works``: what outlives a reload in a process that serves. Log, counters, budgets, cache, metrics, connections."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from penstock.app.standings import Standings
from penstock.app.views import View
from penstock.caching import ExactCache
from penstock.caching.memory import CacheBounds
from penstock.config import Settings
from penstock.core.errors import StoreFailed
from penstock.core.ports import Admissions, Budgets, Counters, Log, Origin, Shelf
from penstock.resilience import Shadows
from penstock.stores.shelf import ShelfBounds
from penstock.telemetry import FailingTargets, Metrics, Totals
from penstock.telemetry.logs import Logger
from penstock.transport import HttpTransport, Proxies

VERSION = version("penstock")


class Journal(Log, Protocol):
    """A log that can say how far it is."""

    @property
    def sequence(self) -> int:
        """The number of the last record appended."""

    @property
    def writable(self) -> bool:
        """False once nothing can be appended any more."""


class Shared(Protocol):
    """State that calls of all workers change: this process' own, or asked of the process that owns it."""

    @property
    def log(self) -> Journal:
        """Where every call is written down."""

    @property
    def budgets(self) -> Budgets:
        """Tenants' money."""

    @property
    def addresses(self) -> Counters:
        """Hits of callers that have shown no key, by their address."""

    @property
    def admissions(self) -> Admissions:
        """Calls in flight."""

    @property
    def shelf(self) -> Shelf:
        """Answers that callers may go on from."""

    def alert(self, tenant: str, spent: int, held: int, limit: int) -> None:
        """Tell the operator that a tenant's day is nearly spent, once a day. Nano-USD."""


class Works:
    """One for each process that serves. ``workers`` of them share what the config allows the cache."""

    def __init__(self, settings: Settings, pepper: bytes, shared: Shared, logger: Logger, proxies: Proxies) -> None:
        cache, workers = settings.store.cache, settings.server.workers
        self.logger = logger
        self.pepper = pepper
        self.proxies = proxies
        self.log = shared.log
        self.budgets = shared.budgets
        self.addresses = shared.addresses
        self.admissions = shared.admissions
        self.shelf = shared.shelf
        self.alert = shared.alert
        self.cache = ExactCache(
            time.monotonic,
            CacheBounds(
                max_entries=-(-cache.max_entries // workers),  # rounded up: 0 alone turns it off
                max_bytes=cache.max_bytes // workers,
                max_entry_bytes=cache.max_entry_bytes,
                ttl_s=cache.ttl_s,
            ),
        )
        self.metrics = Metrics()
        self.failing = FailingTargets(logger)
        self.shadows = Shadows()
        # Those of the config in force.
        self.standings: Standings | None = None
        self._transports: dict[tuple[Any, ...], HttpTransport] = {}

    def transport(self, *, ca_file: Path | None, named_origins: frozenset[Origin], verify: bool) -> HttpTransport:
        """Connections to providers: the same ones after a reload that changed neither trust nor addresses."""
        changed_at = ca_file.stat().st_mtime_ns if ca_file is not None else 0
        key = (ca_file, changed_at, named_origins, verify)
        if key not in self._transports:
            self._transports[key] = HttpTransport(
                ca_file=None if ca_file is None else str(ca_file),
                verify=verify,
                named_origins=named_origins,
                proxies=self.proxies,
            )
        return self._transports[key]

    def totals(self) -> Totals:
        """What this process has counted, and how its targets stand."""
        totals = self.metrics.totals()
        if self.standings is not None:
            self.standings.add_to(totals)
        return totals

    def views(self) -> dict[str, View]:
        """What this process knows of each target."""
        return {} if self.standings is None else self.standings.views()

    def lose(self, error: StoreFailed) -> None:
        """Tell of an audit event that could not be written."""
        self.metrics.lose_audit(error)
        self.logger.error("audit event lost", error=error.code, reason=error.message)

    async def aclose(self) -> None:
        """Give up copies of calls, and drop the connections to providers."""
        await self.shadows.aclose()
        for transport in self._transports.values():
            await transport.aclose()


def shelf_bounds(settings: Settings) -> ShelfBounds:
    """How much is kept for callers to come back for, and for how long."""
    kept = settings.store.responses
    return ShelfBounds(kept.retention_s, kept.max_bytes, kept.max_tenant_bytes, kept.max_entry_bytes)
