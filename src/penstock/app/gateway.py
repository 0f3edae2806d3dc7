"""``RunningGateway``: the composed gateway as edges see it, and what a reload swaps."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

from penstock.app.compose import Parts, compose
from penstock.app.works import VERSION, Works
from penstock.config import ConfigError, Problem, Settings, load_settings
from penstock.core.answer import Answer
from penstock.core.call import Call, Identity
from penstock.core.errors import InvalidParameter, NotFound, Unauthenticated, Unavailable
from penstock.core.policy import Policy
from penstock.core.ports import AuditPage, AuditQuery, Fault
from penstock.providers import FAULT_KINDS, KINDS, Simulated
from penstock.telemetry import QuotaUse
from penstock.tenancy import tenant_window


class RunningGateway:
    """Implements ``core.ports.Gateway``. ``reload`` replaces the parts between two calls; calls in flight keep theirs."""

    def __init__(self, parts: Parts, works: Works) -> None:
        self._parts = parts
        self._works = works
        self._started_with = parts.settings
        self._started_at_s = time.monotonic()
        self.generation = 1
        self.draining = False
        works.metrics.quota = self._quotas

    # --- edges ---

    @property
    def policy(self) -> Policy:
        """Tiers, tenants, routes and targets in force."""
        return self._parts.policy

    @property
    def ready(self) -> bool:
        """False from the first sign of shutdown on, and while the log cannot be written."""
        return not self.draining and self._works.log.writable

    @property
    def keyless(self) -> bool:
        """The demo on loopback."""
        return self._parts.settings.server.keyless_loopback

    @property
    def debug(self) -> bool:
        """Whether ``/debug`` exists."""
        return self._parts.settings.server.debug

    def authenticate(self, key: str | None) -> Identity:
        """Prove a key. Raises ``Unauthenticated``."""
        try:
            return self._parts.keys.authenticate(key)
        except Unauthenticated:
            self._works.metrics.auth_failures += 1
            raise

    def answer(self, call: Call) -> Awaitable[Answer]:
        """The pipeline. Raises ``PenstockError``."""
        if self.draining:
            raise Unavailable("The gateway is shutting down: ask again, and another will answer.", retry_after_s=1.0)
        return self._parts.handler(call)

    async def committed(self) -> None:
        """Wait until all that is recorded is on the disk, where ``durability: strict`` asks for that."""
        if self._parts.settings.store.durability == "strict":
            await self._works.log.flushed(self._works.log.sequence)

    async def audit(self, query: AuditQuery) -> AuditPage:
        """A page of audit events, newest first."""
        return await self._works.owner.query(query)

    def metrics(self) -> bytes:
        """Prometheus text."""
        from penstock.telemetry.exposition import render  # noqa: PLC0415 - 4 MB that only a scrape needs

        return render(self._works.metrics)

    def set_fault(self, provider: str, fault: Fault | None) -> None:
        """Make a simulated provider fail, or mend it. Raises ``NotFound`` and ``InvalidParameter``."""
        known = {name: each for name, each in self._parts.providers.items() if isinstance(each, Simulated)}
        if provider not in known:
            raise NotFound(
                f"No simulated provider is named '{provider[:100]}'. There are: {', '.join(sorted(known)) or 'none'}.",
                param="name",
            )
        try:
            known[provider].set_fault(fault)
        except ValueError as error:
            raise InvalidParameter(str(error), param="kind") from None

    async def health(self) -> dict[str, Any]:
        """What an operator wants to see."""
        settings = self._parts.settings
        return {
            "version": VERSION,
            "ready": self.ready,
            "uptime_seconds": round(time.monotonic() - self._started_at_s, 3),
            "config": {"generation": self.generation, "digest": settings.digest},
            "store": dict(self._works.detail()),
            "calls_in_flight": dict(self._works.in_flight),
            "targets": {
                alias: {"provider": target.provider, "model": target.model_id}
                for alias, target in self.policy.targets.items()
            },
            "routes": sorted(self.policy.routes),
            "prompts": [f"{prompt.prompt_id} {prompt.version}" for prompt in self._parts.prompts.prompts],
        }

    # --- the operator ---

    @property
    def calls_in_flight(self) -> int:
        """Calls that have no end yet."""
        return self._works.metrics.in_flight

    @property
    def digest(self) -> str:
        """SHA-256 of the config in force."""
        return self._parts.settings.digest

    def reload(self, config: Path, env: Mapping[str, str]) -> list[str]:
        """Take a changed config into use for the next call; the settings that wait for a restart.

        Raises ``ConfigError``, and then nothing has changed.
        """
        old = self._parts
        self.generation += 1
        settings = load_settings(config, env, kinds=KINDS, fault_kinds=FAULT_KINDS)
        _refuse_restart(settings, self._started_with)
        waiting = _restart_settings(settings, self._started_with)
        if waiting:
            self._works.logger.warning("in force after a restart", settings=waiting)
        self._parts = compose(settings, self._works, old)
        self._works.record(
            "config_reloaded", generation=self.generation, old_digest=old.settings.digest, digest=settings.digest
        )
        return waiting

    def refused(self, error: ConfigError) -> None:
        """Write down a reload that changed nothing."""
        self._works.record("config_refused", generation=self.generation, problems=len(error.problems))

    def _quotas(self) -> list[QuotaUse]:
        """Every limit that has a figure now."""
        rows: list[QuotaUse] = []
        for tenant, tier_name in self.policy.tenants.items():
            tier = self.policy.tiers[tier_name]
            if tier.daily_budget_nano_usd is not None:
                spent = self._works.budgets.spent_nano_usd(tenant)
                rows.append(QuotaUse(tenant, "day_usd", spent / 1e9, tier.daily_budget_nano_usd / 1e9))
            requests = self._works.counters.used(tenant_window(tenant, tier))
            rows.append(QuotaUse(tenant, "minute_requests", requests, tier.requests_per_minute))
            if tier.concurrent_requests is not None:
                rows.append(
                    QuotaUse(tenant, "concurrent", self._works.in_flight.get(tenant, 0), tier.concurrent_requests)
                )
        return rows


def _refuse_restart(new: Settings, old: Settings) -> None:
    """What was checked against the address and the store must be what is served from them."""
    fixed = {
        "server.host": (new.server.host, old.server.host),
        "server.port": (new.server.port, old.server.port),
        "server.environment": (new.server.environment, old.server.environment),
        "store.url": (new.store.url, old.store.url),
        "store.pepper": (new.store.pepper, old.store.pepper),
    }
    problems = [
        Problem(0, 0, name, "this cannot change in a running gateway", "put it back, or restart")
        for name, (wanted, held) in fixed.items()
        if wanted != held
    ]
    if problems:
        raise ConfigError(problems)


def _restart_settings(new: Settings, old: Settings) -> list[str]:
    """Settings that are read at the start alone, and that have changed."""
    pairs = {("server", name): (value, getattr(old.server, name)) for name, value in new.server}
    pairs |= {("store", name): (value, getattr(old.store, name)) for name, value in new.store}
    live = {"debug", "keyless_loopback", "durability"}
    return sorted(".".join(path) for path, (wanted, held) in pairs.items() if wanted != held and path[1] not in live)
