"""``RunningGateway``: the composed gateway as edges see it, and what a reload swaps."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any

from penstock.app.compose import Parts, compose
from penstock.app.control import Control
from penstock.app.views import View
from penstock.app.works import VERSION, Works
from penstock.config import Settings
from penstock.core.answer import Answer
from penstock.core.call import Call, Identity
from penstock.core.errors import InvalidParameter, NotFound, Unauthenticated, Unavailable
from penstock.core.gather import Turn
from penstock.core.policy import Policy
from penstock.core.ports import AuditPage, AuditQuery, Fault, Shelf
from penstock.providers import Simulated
from penstock.telemetry import Totals


class RunningGateway:
    """Implements ``core.ports.Gateway``. ``reload`` replaces the parts between two calls; calls in flight keep theirs."""

    def __init__(self, parts: Parts, works: Works, control: Control) -> None:
        self._parts = parts
        self._works = works
        works.standings = parts.standings
        self._control = control
        self._turn = Turn(works.metrics, alone=0)  # the call that has ended is not counted any more
        self._started_at_s = time.monotonic()
        self.generation = 1
        self.draining = False

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

    @property
    def shelf(self) -> Shelf:
        """Answers that callers may go on from."""
        return self._works.shelf

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
        """Wait until all that is recorded is on the disk, where ``durability: strict`` asks for that.

        Otherwise give a turn away, so that calls that ended together are answered together.
        """
        if self._parts.settings.store.durability == "strict":
            await self._works.log.flushed(self._works.log.sequence)
        else:
            await self._turn

    async def audit(self, query: AuditQuery) -> AuditPage:
        """A page of audit events, newest first."""
        return await self._control.audit(query)

    async def metrics(self) -> bytes:
        """Prometheus text, of all workers."""
        return await self._control.metrics(self.policy)

    async def set_fault(self, provider: str, fault: Fault | None) -> None:
        """Make a simulated provider fail in every worker, or mend it. Raises ``NotFound`` and ``InvalidParameter``."""
        self.set_own_fault(provider, fault)
        await self._control.spread_fault(provider, fault)

    def set_own_fault(self, provider: str, fault: Fault | None) -> None:
        """``set_fault`` in this process alone."""
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
        if fault is None:
            self._parts.standings.mended(provider)

    async def health(self) -> dict[str, Any]:
        """What an operator wants to see."""
        detail = await self._control.detail()
        settings = self._parts.settings
        return {
            "version": VERSION,
            "ready": self.ready,
            "uptime_seconds": round(time.monotonic() - self._started_at_s, 3),
            "config": {"generation": self.generation, "digest": settings.digest},
            "cache": {"entries": len(self._works.cache), "bytes": self._works.cache.size_bytes},
            **detail,
            "targets": {
                # Another process may not have taken the same config yet.
                alias: {"provider": target.provider, "model": target.model_id, **detail["targets"].get(alias, {})}
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

    def totals(self) -> Totals:
        """What this process has counted."""
        return self._works.totals()

    def views(self) -> dict[str, View]:
        """What this process knows of each target."""
        return self._works.views()

    @property
    def settings(self) -> Settings:
        """The config in force."""
        return self._parts.settings

    def prepare(self, settings: Settings) -> Parts:
        """Build what ``settings`` ask for, beside what is in force. Raises ``ConfigError``."""
        return compose(settings, self._works, self._parts)

    def take(self, parts: Parts, generation: int) -> None:
        """Use ``parts`` from the next call on."""
        self._parts = parts
        self._works.standings = parts.standings
        self.generation = generation
