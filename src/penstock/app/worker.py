"""One worker of several: serves what its supervisor says, and keeps nothing that must outlive it.

Started by ``supervise.py`` as ``python -m penstock.app.worker NUMBER CHANNEL LISTENER CONFIG``; both are open files.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from penstock.app.compose import Parts, compose
from penstock.app.environment import Config, proxies
from penstock.app.gateway import RunningGateway
from penstock.app.listening import doors
from penstock.app.server import Server, abandon
from penstock.app.views import View
from penstock.app.works import Works, shelf_bounds
from penstock.config import ConfigError, load_pepper
from penstock.core.errors import NotFound, StoreFailed
from penstock.core.policy import Policy
from penstock.core.ports import AuditPage, AuditQuery, Fault, Shelf
from penstock.stores.remote import messages as m
from penstock.stores.remote.budgets import LeasedBudgets
from penstock.stores.remote.channel import Channel
from penstock.stores.remote.counters import RemoteAdmissions, RemoteCounters
from penstock.stores.remote.log import RemoteLog
from penstock.stores.remote.shelf import RemoteShelf
from penstock.telemetry import Forward, Totals, build_logger
from penstock.telemetry.logs import Logger

_QUERY_S = 30.0


class RemoteControl:
    """``Control`` of a worker: it asks its supervisor."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def audit(self, query: AuditQuery) -> AuditPage:
        """A page of audit events, newest first."""
        page: AuditPage = await self._channel.ask(m.Query(query), AuditPage, limit_s=_QUERY_S)
        return page

    async def metrics(self, policy: Policy) -> bytes:  # noqa: ARG002 - the supervisor knows it as well
        """Prometheus text of all workers."""
        text: bytes = await self._channel.ask(m.Scrape(), bytes)
        return text

    async def detail(self) -> dict[str, Any]:
        """Store, calls in flight, workers and targets."""
        detail: dict[str, Any] = await self._channel.ask(m.Detail(), dict[str, Any])
        return detail

    async def spread_fault(self, provider: str, fault: Fault | None) -> None:
        """Every worker sets it."""
        await self._channel.ask(m.SpreadFault(provider, fault), Any)


class Worker:
    """The state that calls share, as this process has it, and what the supervisor may ask."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._prepared: Parts | None = None
        self.gateway: RunningGateway | None = None
        self.server: Server | None = None
        self.channel = Channel(
            {
                m.Recall: self._recall,
                m.Report: self._report,
                m.Look: self._look,
                m.SetFault: self._set_fault,
                m.Prepare: self._prepare,
                m.Take: self._take,
                m.Refuse: self._refuse,
            },
            on_lost=self._lost,
            on_failed=_tell,
        )
        self.log = RemoteLog(self.channel)
        self.budgets = LeasedBudgets(self.channel, time.time)
        self.admissions = RemoteAdmissions(self.channel)
        self.addresses = RemoteCounters(self.channel)
        self.shelf: Shelf  # bounded by the config, which is asked for first

    async def serve(self, listener: socket.socket, number: int) -> None:
        """Ask what to serve, and serve it until the supervisor or a signal says stop."""
        beginning = await self.channel.ask(m.Begin(), m.Beginning, limit_s=_QUERY_S)
        settings = self._config.settings(beginning.text, beginning.prices)
        logger = build_logger(sys.stderr, style=settings.server.log_format, worker=number)
        logging.getLogger().addHandler(Forward(logger))
        self.shelf = RemoteShelf(self.channel, shelf_bounds(settings))
        works = Works(settings, load_pepper(settings, create=False), self, logger, proxies(self._config.env))
        try:
            self.gateway = RunningGateway(compose(settings, works), works, RemoteControl(self.channel))
            self.gateway.generation = beginning.generation
            for provider, fault in beginning.faults.items():
                with suppress(NotFound):  # set while a config without it was taken
                    self.gateway.set_own_fault(provider, fault)
            self.server = Server(
                self.gateway, self.addresses, logger, on_listening=self._listens, others_listen=self._others_listen
            )
            if self.channel.lost:  # meanwhile
                self._lost()
            await self.server.serve(doors(listener))
        finally:
            await works.aclose()
            await self._leave(works, logger)

    async def _leave(self, works: Works, logger: Logger) -> None:
        """What is known here alone is told before the end."""
        self.budgets.give_back_all()
        self.channel.tell(m.Counted(_raw(works.totals())))
        try:
            await self.log.flushed(self.log.sequence)
        except StoreFailed as error:
            logger.error("the last records may be lost", reason=error.message)  # noqa: TRY400 - no traceback
        self.channel.close()

    def _listens(self) -> None:
        self.channel.tell(m.Ready())

    async def _others_listen(self) -> bool:
        """Whether the supervisor has others to answer here, and sends new connections to them from now on."""
        try:
            return bool(await self.channel.ask(m.Leaving(), bool))
        except StoreFailed:
            return False

    def _lost(self) -> None:
        """The supervisor is gone, and with it the ledger."""
        if self.server is not None and self.gateway is not None:
            abandon(self.server, self.gateway)

    def alert(self, tenant: str, spent: int, held: int, limit: int) -> None:
        """Tell the supervisor that a tenant's day is nearly spent."""
        self.channel.tell(m.Alert(tenant, spent, held, limit))

    # --- the supervisor asks ---

    def _report(self, _message: m.Report) -> Totals:
        self.budgets.give_back_idle()
        return Totals() if self.gateway is None else self.gateway.totals()

    def _look(self, _message: m.Look) -> dict[str, View]:
        return {} if self.gateway is None else self.gateway.views()

    def _recall(self, message: m.Recall) -> None:
        self.budgets.recall(message)

    def _refuse(self, message: m.Refuse) -> None:
        self.log.refuse(message)

    def _set_fault(self, message: m.SetFault) -> None:
        if self.gateway is not None:
            self.gateway.set_own_fault(message.provider, message.fault)

    def _prepare(self, message: m.Prepare) -> list[m.Mistake]:
        """What is wrong with a config here; nothing, and it can be taken."""
        if self.gateway is None:
            return []
        try:
            self._prepared = self.gateway.prepare(self._config.settings(message.text, message.prices))
        except ConfigError as error:
            return [m.Mistake(each.line, each.path, each.message, each.suggestion) for each in error.problems]
        return []

    def _take(self, message: m.Take) -> None:
        if self.gateway is not None and self._prepared is not None:
            self.gateway.take(self._prepared, message.generation)
            self._prepared = None
            self.budgets.give_back_all()  # leased under limits that may be no more


def _raw(totals: Totals) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(totals))


def _tell(error: Exception) -> None:
    logging.getLogger(__name__).error("a message of the supervisor could not be followed", exc_info=error)


async def _main(number: str, channel_file: str, listener_file: str, path: str) -> None:
    loop = asyncio.get_running_loop()
    worker = Worker(Config.of_process(Path(path)))
    with socket.socket(fileno=int(channel_file)) as ours, socket.socket(fileno=int(listener_file)) as listener:
        ours.setblocking(False)
        await loop.create_unix_connection(lambda: worker.channel, sock=ours)
        await worker.serve(listener, int(number))


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # for the supervisor alone, whoever else it is sent to
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main(*sys.argv[1:]))
    except (ConfigError, StoreFailed) as error:
        sys.exit(str(error))
