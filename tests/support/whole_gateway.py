"""The composed gateway in the test's own loop, so that a test can count what it leaves behind."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from penstock.app.compose import compose
from penstock.app.gateway import RunningGateway
from penstock.app.owned import LocalControl, OwnedStore
from penstock.app.works import Works
from penstock.config import load_pepper, load_settings
from penstock.core.ports import AuditQuery
from penstock.edge.faces import MANNERS, ModelFace
from penstock.providers import FAULT_KINDS, KINDS
from penstock.resilience import Standing
from penstock.telemetry import build_logger
from penstock.transport import Proxies
from support.http1 import Served, serving

_SETTLED_S = 2.0
_PAGE = 500


class Whole:
    """A gateway from its edge to its provider, served on loopback."""

    def __init__(
        self, served: Served, gateway: RunningGateway, owned: OwnedStore, works: Works, log: io.StringIO
    ) -> None:
        self.served = served
        self.log = log
        self.gateway = gateway
        self._owned = owned
        self._works = works
        self._tasks = asyncio.all_tasks()

    async def events(self) -> list[dict[str, Any]]:
        """The audit events of calls that are over, newest first."""
        page = await self._owned.audit(AuditQuery(limit=_PAGE))
        found = page.events
        while page.next_cursor is not None:
            page = await self._owned.audit(AuditQuery(limit=_PAGE, cursor=page.next_cursor))
            found += page.events
        return [event for event in found if event["event_type"] == "llm_request_completed"]

    def standing(self, alias: str) -> Standing:
        """What is known of one target."""
        assert self._works.standings is not None
        return self._works.standings[alias]

    async def left(self) -> dict[str, Any]:
        """What calls have left behind, once they had a moment to end: empty when all is well."""
        found = await self._left()
        try:
            async with asyncio.timeout(_SETTLED_S):
                while found:
                    await asyncio.sleep(0.01)
                    found = await self._left()
        except TimeoutError:
            pass
        return found

    async def _left(self) -> dict[str, Any]:
        billed = sum(event["cost_nano_usd"] for event in await self.events() if event["tenant_id"] == "acme")
        state = {
            "calls in flight": self.gateway.calls_in_flight,
            "calls in flight by tenant": sum(self._owned.admissions.in_flight.values()),
            "calls in bulkheads": sum(self._works.totals().bulkheads.values()),
            "money held": self._owned.budgets.spent_nano_usd("acme") - billed,
            "tasks": asyncio.all_tasks() - self._tasks - {asyncio.current_task()},
            "errors logged": '"level": "error"' in self.log.getvalue() or "Traceback" in self.log.getvalue(),
        }
        return {name: value for name, value in state.items() if value}


@asynccontextmanager
async def whole_gateway(folder: Path, config: str, **env: str) -> AsyncIterator[Whole]:
    """Serve ``config``, with its store in ``folder``; ``env`` holds the secrets it names."""
    path = folder / "penstock.yaml"
    path.write_text(config)
    store = f"sqlite:///{folder}/penstock.db"
    settings = load_settings(path, env | {"PENSTOCK_STORE_URL": store}, kinds=KINDS, fault_kinds=FAULT_KINDS)
    log = io.StringIO()
    logger = build_logger(log, style="json")
    pepper = load_pepper(settings)
    owned = await OwnedStore.open(settings, pepper, logger)
    works = Works(settings, pepper, owned, logger, Proxies.of({}))
    try:
        gateway = RunningGateway(compose(settings, works), works, LocalControl(owned, works))
        faces = {(b"POST", manner.endpoint.encode()): ModelFace(gateway, manner) for manner in MANNERS}
        async with serving(paths=faces) as served:
            yield Whole(served, gateway, owned, works, log)
    finally:
        await works.aclose()
        await owned.aclose()
