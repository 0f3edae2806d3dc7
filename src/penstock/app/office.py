"""``Office``: what concerns all workers of a gateway together. Answers what they ask that is not about one call."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from penstock.app.member import Member
from penstock.app.owned import OwnedStore
from penstock.app.views import shown
from penstock.app.works import VERSION
from penstock.config import ConfigError, Problem, Settings
from penstock.core.errors import StoreFailed
from penstock.core.ports import AuditPage, Fault
from penstock.stores.remote import messages as m
from penstock.stores.remote.channel import Handlers
from penstock.stores.remote.clerk import Clerk
from penstock.stores.remote.lender import Account, Lender
from penstock.telemetry import Gauges, Totals, summed
from penstock.telemetry.logs import Logger

_SCRAPE_S = 2.0
_LOOK_S = 2.0
_RECALL_S = 1.0
_PREPARE_S = 30.0
_START_S = 30.0
_DAY_S = 86_400


class Office:
    """Knows the members, the config in force and the faults that were set."""

    def __init__(self, owned: OwnedStore, settings: Settings, text: str, logger: Logger) -> None:
        self.owned = owned
        self.members: dict[int, Member] = {}
        self._logger = logger
        self._text = text
        self._generation = 1
        self._prices = dict(settings.prices)
        self._policy = settings.policy()
        self._faults: dict[str, Fault | None] = {}
        self._lender = Lender(owned.budgets, self._recall)
        self._departed = Totals()
        self._restarts = 0
        self._started_at_s = time.monotonic()
        self._alerted_on: dict[str, int] = {}
        # Nobody begins while a config is being changed.
        self._changing = asyncio.Lock()

    # --- members ---

    async def admit(self, number: int) -> Member:
        """A member that is about to be started in that place."""
        async with self._changing:
            clerk = Clerk(self.owned, self._lender, on_loss=self.owned.lose)
            self.members[number] = member = Member(number, clerk, self._handlers(), self._failed)
        return member

    def all_ready(self, count: int) -> bool:
        """Whether so many listen."""
        return sum(member.ready for member in self.members.values()) == count

    def dismiss(self, member: Member) -> None:
        """Its process is gone: what it has counted stays."""
        del self.members[member.number]
        self._departed.add(member.totals)

    def replace(self, member: Member, status: int | None, lived_s: float) -> None:
        """Tell of a worker that ended though nobody has asked the gateway to stop."""
        self._restarts += 1
        facts = {"worker": member.number, "pid": member.pid, "exit_status": status, "lived_s": round(lived_s, 1)}
        tell = self._logger.info if status == 0 else self._logger.error
        tell("worker ended, starting another", **facts)
        self.owned.record("worker_ended", **facts)

    def on_hung(self, member: Member) -> None:
        """A worker's loop stands still."""
        self._logger.error("worker does not answer, and is killed", worker=member.number, pid=member.pid)

    # --- config ---

    async def apply(self, settings: Settings, text: str, generation: int) -> None:
        """Put a config in force in every worker, or in none. Raises ``ConfigError``."""
        async with self._changing:
            members = list(self.members.values())
            await asyncio.gather(*(self._begun(member) for member in members))
            prepare = m.Prepare(text, generation, dict(settings.prices))
            answers = await asyncio.gather(*(self._prepare(member, prepare) for member in members))
            problems = {mistake for answer in answers for mistake in answer}
            if problems:
                raise ConfigError(
                    [Problem(each.line, 0, each.path, each.message, each.suggestion) for each in problems]
                )
            self._text, self._generation, self._policy = text, generation, settings.policy()
            self._prices = prepare.prices
            self._faults.clear()  # simulated providers are made anew, and whole
            for member in members:
                member.channel.tell(m.Take(generation))

    async def _begun(self, member: Member) -> None:
        try:
            async with asyncio.timeout(_START_S):
                await member.settled.wait()
        except TimeoutError:
            raise ConfigError([_busy(member)]) from None

    async def _prepare(self, member: Member, config: m.Prepare) -> list[m.Mistake]:
        try:
            mistakes: list[m.Mistake] = await member.channel.ask(config, list[m.Mistake], limit_s=_PREPARE_S)
        except StoreFailed:
            if not member.channel.lost:
                raise ConfigError([_busy(member)]) from None
            return []  # it died: the next one begins with the config then in force
        return mistakes

    # --- what workers ask ---

    def _handlers(self) -> Handlers:
        return {
            m.Begin: lambda _: m.Beginning(self._text, self._generation, self._prices, self._faults),
            m.Query: self._query,
            m.Scrape: self._scrape,
            m.Detail: self._detail,
            m.SpreadFault: self._spread_fault,
            m.Alert: self._alert,
        }

    async def _query(self, message: m.Query) -> AuditPage:
        # What another worker has answered before this was asked is then in the log.
        await self._hear_reports()
        return await self.owned.audit(message.query)

    async def _scrape(self, _message: m.Scrape) -> bytes:
        from penstock.telemetry.exposition import render  # noqa: PLC0415 - 4 MB that only a scrape needs

        await self._hear_reports()
        # Looked at only now: a worker that has died meanwhile is among the departed.
        totals = summed([self._departed, *(member.totals for member in self.members.values())])
        totals.audit_lost += self.owned.lost
        gauges = Gauges(
            version=VERSION,
            uptime_s=time.monotonic() - self._started_at_s,
            quota=self.owned.quota(self._policy),
            workers=sum(member.ready for member in self.members.values()),
            restarts=self._restarts,
        )
        return render(totals, gauges)

    async def _detail(self, _message: m.Detail) -> dict[str, Any]:
        asked = list(self.members.values())
        heard = await asyncio.gather(*(member.look(_LOOK_S) for member in asked))
        views = {member: each for member, each in zip(asked, heard, strict=True) if each is not None}
        now_s = time.monotonic()
        workers = [
            {
                "worker": member.number,
                "pid": member.pid,
                "ready": member.ready,
                "answered": member in views,
                "uptime_seconds": round(now_s - member.started_at_s, 3),
            }
            for member in self.members.values()
        ]
        return {
            **self.owned.detail(),
            "targets": shown(list(views.values())),
            "workers": workers,
            "worker_restarts": self._restarts,
        }

    async def _spread_fault(self, message: m.SpreadFault) -> None:
        self._faults[message.provider] = message.fault
        asked = [
            member.channel.ask(m.SetFault(message.provider, message.fault), None) for member in self.members.values()
        ]
        for result in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(result, StoreFailed):
                self._logger.warning("a worker has not taken a fault", reason=result.message)

    def _alert(self, message: m.Alert) -> None:
        day = int(time.time() // _DAY_S)
        if self._alerted_on.get(message.tenant) != day:
            self._alerted_on[message.tenant] = day
            self.owned.alert(message.tenant, message.spent, message.held, message.limit)

    async def _hear_reports(self) -> None:
        await asyncio.gather(*(member.report(_SCRAPE_S) for member in self.members.values()))

    async def _recall(self, account: Account, tenant: str) -> None:
        asked = [
            member.channel.ask(m.Recall(tenant), None, limit_s=_RECALL_S)
            for member in self.members.values()
            if member.clerk.account is not account and tenant in member.clerk.account
        ]
        await asyncio.gather(*asked, return_exceptions=True)

    def _failed(self, error: Exception) -> None:
        self._logger.error("a worker could not be answered", error=type(error).__name__, reason=str(error))


def _busy(member: Member) -> Problem:
    return Problem(0, 0, "server.workers", f"worker {member.number} does not answer", "try again in a moment")
