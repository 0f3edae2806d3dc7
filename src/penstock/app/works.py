"""``Works``: what outlives a reload. Log, index, counters, budgets, cache, metrics, connections to providers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from penstock.caching import ExactCache
from penstock.caching.memory import CacheBounds
from penstock.config import Settings, load_pepper, subkey
from penstock.core.errors import StoreFailed
from penstock.core.ports import Origin
from penstock.stores.budgets import DayBudgets
from penstock.stores.memory import MemoryCounters
from penstock.stores.owner import Owner
from penstock.stores.segments import SegmentLog
from penstock.stores.sqlite import SqliteStore
from penstock.telemetry import FailingTargets, Metrics
from penstock.telemetry.logs import Logger
from penstock.transport import HttpTransport, Proxies

VERSION = version("penstock")


class Works:
    """Opened once in the process that owns the store; ``aclose`` leaves everything on the disk."""

    def __init__(
        self,
        settings: Settings,
        pepper: bytes,
        log: SegmentLog,
        store: SqliteStore,
        logger: Logger,
        proxies: Proxies,
    ) -> None:
        cache = settings.store.cache
        self.logger = logger
        self.pepper = pepper
        self.proxies = proxies
        self.log = log
        self.store = store
        self.owner = Owner(log, store, on_error=self._index_failed, on_progress=self._index_grows)
        self.budgets = DayBudgets(time.time)
        self.counters = MemoryCounters(time.monotonic)
        self.in_flight: dict[str, int] = {}
        self.cache = ExactCache(
            time.monotonic,
            CacheBounds(
                max_entries=cache.max_entries,
                max_bytes=cache.max_bytes,
                max_entry_bytes=cache.max_entry_bytes,
                ttl_s=cache.ttl_s,
            ),
        )
        self.metrics = Metrics(version=VERSION)
        self.failing = FailingTargets(logger)
        self._transports: dict[tuple[Any, ...], HttpTransport] = {}

    @classmethod
    async def open(cls, settings: Settings, logger: Logger, proxies: Proxies) -> Works:
        """Take the store for this process. Raises ``StoreFailed`` and ``ConfigError``."""
        pepper = load_pepper(settings)
        store = SqliteStore(settings.store.url)
        await store.open()
        try:
            log = SegmentLog(
                settings.store.log_directory, subkey(pepper, "audit log"), on_failure=partial(_log_failed, logger)
            )
        except BaseException:
            await store.aclose()
            raise
        works = cls(settings, pepper, log, store, logger, proxies)
        try:
            await works.owner.start()
            works.budgets = DayBudgets(time.time, await works.owner.spent_today())
        except BaseException:
            await works.aclose()
            raise
        return works

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

    def record(self, event_type: str, **facts: Any) -> None:
        """Put an event that is no call into the audit log. A log that fails is told of, not raised."""
        try:
            self.log.append({"event_type": event_type, "time": time.time(), **facts})
        except StoreFailed as error:
            self.lose(error)

    def lose(self, error: StoreFailed) -> None:
        """Tell of an audit event that could not be written."""
        self.metrics.lose_audit(error)
        self.logger.error("audit event lost", error=error.code, reason=error.message)

    def detail(self) -> Mapping[str, Any]:
        """What health says of the store."""
        return {
            "writable": self.log.writable,
            "log_sequence": self.log.sequence,
            "cache_entries": len(self.cache),
            "cache_bytes": self.cache.size_bytes,
        }

    def _index_failed(self, error: StoreFailed) -> None:
        self.logger.error("audit index is behind", error=error.code, reason=error.message)

    def _index_grows(self, indexed: int, records: int) -> None:
        self.logger.info("audit index is being built", indexed=indexed, records=records)

    async def aclose(self) -> None:
        """Stop, with everything that was appended on the disk and indexed."""
        for transport in self._transports.values():
            await transport.aclose()
        await self.owner.aclose()
        self.log.close()
        await self.store.aclose()


def _log_failed(logger: Logger, error: Exception) -> None:
    logger.error("log cannot be written", error=type(error).__name__, cure="look at the disk, then restart")
