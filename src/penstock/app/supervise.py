"""``supervise``: the process that owns the store, and keeps so many workers serving."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from contextlib import ExitStack, suppress
from functools import partial

from penstock.app.environment import Config, proxies
from penstock.app.listening import bind_again, bind_each, shown
from penstock.app.member import Member
from penstock.app.office import Office
from penstock.app.owned import OwnedStore
from penstock.app.reloading import Reloader
from penstock.app.works import VERSION
from penstock.config import Settings, load_pepper
from penstock.core.errors import StoreFailed
from penstock.telemetry.logs import Logger

# A worker that dies sooner than this after its start is started again after a pause, longer each time.
_YOUNG_S = 10.0
_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_MARGIN_S = 5.0


async def supervise(config: Config, text: str, settings: Settings, logger: Logger) -> None:
    """Serve with workers until SIGTERM or SIGINT. Raises ``ConfigError`` and ``StoreFailed`` before anything is served."""
    server = settings.server
    with ExitStack() as opened:
        listeners = bind_each(server.host, server.port, server.workers)
        opened.callback(_close, listeners)
        owned = await OwnedStore.open(settings, load_pepper(settings), logger)
        try:
            proxies(config.env, logger)
            office = Office(owned, settings, text, logger)
            await Supervisor(config, settings, listeners, office, logger).run()
        finally:
            await owned.aclose()
    logger.info("stopped")


class Supervisor:
    """Starts workers, replaces those that die, and passes signals on. Each place has a listener that outlives them."""

    def __init__(
        self, config: Config, settings: Settings, listeners: list[socket.socket], office: Office, logger: Logger
    ) -> None:
        self._config = config
        self._settings = settings
        self._listeners = listeners
        self._office = office
        self._logger = logger
        self._stop = asyncio.Event()
        self._failure: StoreFailed | None = None
        self._listening = False

    async def run(self) -> None:
        """Until a signal has come and every worker has ended. Raises ``StoreFailed`` when none could ever start."""
        loop = asyncio.get_running_loop()
        owned = self._office.owned
        url = shown(self._listeners[0])
        reloader = Reloader(self._config, self._settings, owned, self._office.apply, self._logger, url)
        loop.add_signal_handler(signal.SIGHUP, reloader.on_signal)
        reloader.report(None)  # from here on somebody may send it
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        owned.record("gateway_started", version=VERSION, digest=self._settings.digest, workers=len(self._listeners))
        try:
            await asyncio.gather(*(self._keep(number) for number in range(len(self._listeners))))
        finally:
            owned.record("gateway_stopped", version=VERSION)
        if self._failure is not None:
            raise self._failure

    async def _keep(self, number: int) -> None:
        """A worker in this place, again and again."""
        deaths = 0
        while not self._stop.is_set():
            member = await self._office.admit(number)
            status = await self._run(member)
            self._office.dismiss(member)
            if self._stop.is_set():
                return
            if not self._listening:
                self._give_up()
                return
            if not member.listened:
                self._take_out(number)
            lived_s = time.monotonic() - member.started_at_s
            deaths = deaths + 1 if status != 0 and lived_s < _YOUNG_S else 0
            self._office.replace(member, status, lived_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSES_S[min(deaths, len(_PAUSES_S) - 1)]):
                    await self._stop.wait()

    async def _run(self, member: Member) -> int | None:
        """The exit status of a worker; ``None`` when there was no process to be had."""
        if self._stop.is_set():  # the listeners are closed
            return None
        try:
            await member.start(self._listeners[member.number], self._config)
        except OSError as error:  # too many processes, no memory: there may be later
            self._logger.error("a worker cannot be started", worker=member.number, reason=error.strerror)  # noqa: TRY400
            member.end()
            return None
        if self._stop.is_set():  # its signal went to the workers that were there then
            member.stop(signal.SIGTERM)
        member.may_close = partial(self._may_close, member)
        beside = [
            asyncio.create_task(member.follow(self._office.on_hung)),
            asyncio.create_task(self._tell_when_all_listen(member)),
        ]
        status = await member.wait()
        for task in beside:
            task.cancel()
        return status

    def _may_close(self, member: Member) -> bool:
        """Whether connections go to others when this one's door is closed; it was told to end, the gateway was not."""
        others = (each for each in self._office.members.values() if each is not member)
        return not self._stop.is_set() and any(other.ready for other in others) and self._take_out(member.number)

    def _take_out(self, number: int) -> bool:
        """Let connections go to the other places: a worker that could not begin may not be able to the next time.

        False when that cannot be done: all is as it was, then.
        """
        try:
            self._listeners[number] = bind_again(self._listeners[number])
        except OSError:
            return False
        return True

    async def _tell_when_all_listen(self, member: Member) -> None:
        await member.settled.wait()
        if not self._listening and self._office.all_ready(len(self._listeners)):
            self._listening = True
            url, workers = shown(self._listeners[0]), len(self._listeners)
            self._logger.info("listening", url=url, version=VERSION, workers=workers)

    def _give_up(self) -> None:
        """A worker that cannot even begin would not do better the next time."""
        self._failure = StoreFailed("A worker could not start: what it wrote above says why.")
        self._stop.set()
        for member in self._office.members.values():
            member.stop(signal.SIGTERM)

    # --- signals ---

    def _on_signal(self, number: signal.Signals) -> None:
        if not self._stop.is_set():
            calls = sum(self._office.owned.admissions.in_flight.values())
            self._logger.info("draining", signal=number.name, calls=calls)
            self._stop.set()
            # From here on a worker that stops listening takes its queue with it: nobody would accept what is in it.
            _close(self._listeners)
            asyncio.get_running_loop().call_later(self._settings.server.drain_timeout_s + _MARGIN_S, self._kill)
        for member in self._office.members.values():
            member.stop(number)

    def _kill(self) -> None:
        for member in self._office.members.values():
            member.signal(signal.SIGKILL)


def _close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()
