"""``Member``: one worker process, its channel and its clerk."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from penstock.app.environment import Config
from penstock.app.views import View, Views
from penstock.core.errors import StoreFailed
from penstock.stores.remote import messages as m
from penstock.stores.remote.channel import Channel, Handlers
from penstock.stores.remote.clerk import Clerk
from penstock.telemetry import Totals

_LAST_WORDS_S = 5.0
_REPORT_EVERY_S = 1.0
# A worker whose loop has stood still for so long will not come back.
_HUNG_S = 30.0


class Member:
    """Lives as long as its process. ``ready`` while it listens, ``settled`` from when it listens or is gone."""

    def __init__(self, number: int, clerk: Clerk, handlers: Handlers, on_failed: Callable[[Exception], None]) -> None:
        self.number = number
        self.clerk = clerk
        self.started_at_s = time.monotonic()
        self.ready = self.listened = False
        self.settled = asyncio.Event()
        # Asked when it was told to end by somebody else: whether it may stop listening before it has drained.
        self.may_close: Callable[[], bool] = lambda: False
        self.totals = Totals()
        self._gone = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        own: Handlers = {m.Ready: self._listens, m.Leaving: self._leaves, m.Counted: self._counted}
        self.channel = Channel({**clerk.handlers, **handlers, **own}, on_lost=self._gone.set, on_failed=on_failed)
        clerk.listen(self.channel)

    @property
    def pid(self) -> int:
        """Its process; 0 before there is one."""
        return 0 if self._process is None else self._process.pid

    async def start(self, listener: socket.socket, config: Config) -> None:
        """Spawn the process, in a session of its own: a terminal's signals go to the supervisor alone.

        Raises ``OSError``. ``listener`` may be closed meanwhile.
        """
        ours, theirs = socket.socketpair()
        with theirs, listener.dup() as door:
            ours.setblocking(False)
            await asyncio.get_running_loop().create_unix_connection(lambda: self.channel, sock=ours)
            files = (theirs.fileno(), door.fileno())
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                # -P: a module that lies in the folder of the config is not ours.
                *("-P", "-m", "penstock.app.worker", str(self.number), *map(str, files), str(config.path)),
                pass_fds=files,
                env=dict(config.env),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )

    async def wait(self) -> int:
        """The exit status, once the process is gone and all that it said was heard."""
        assert self._process is not None  # noqa: S101 - for mypy: it was started
        status = await self._process.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._gone.wait()
        self.end()
        return status

    def end(self) -> None:
        """There is no process, or none any more."""
        self.channel.close()
        self.ready = False
        self.settled.set()
        self.totals.end()
        self.clerk.lose()

    async def report(self, limit_s: float) -> None:
        """Bring ``totals`` up to date; they are what it last said when it does not answer."""
        with suppress(StoreFailed):
            await self._ask_totals(limit_s)

    async def look(self, limit_s: float) -> Views | None:
        """What it knows of each target; ``None`` when it does not serve, or does not answer."""
        if not self.ready:
            return None
        try:
            views: dict[str, View] = await self.channel.ask(m.Look(), dict[str, View], limit_s=limit_s)
        except StoreFailed:
            return None
        return views

    async def follow(self, on_hung: Callable[[Member], None]) -> None:
        """Know what it has counted, should it die, and kill it when its loop stands still, or never begins."""
        while not self.channel.lost:
            await asyncio.sleep(_REPORT_EVERY_S)
            self.clerk.look()
            try:
                await self._ask_totals(_HUNG_S)
            except StoreFailed:
                if not self.channel.paused and not self.channel.lost:  # paused: it may answer, and is not heard
                    on_hung(self)
                    self.signal(signal.SIGKILL)

    def stop(self, number: int) -> None:
        """Make it drain and end. One that serves nothing yet ends at once, without a traceback of a SIGINT."""
        self.signal(number if self.ready else signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send a signal to a process that may be gone."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _listens(self, _message: m.Ready) -> None:
        self.ready = self.listened = True
        self.settled.set()
        self.clerk.look()

    def _leaves(self, _message: m.Leaving) -> bool:
        if not self.may_close():
            return False
        self.ready = False
        return True

    async def _ask_totals(self, limit_s: float) -> None:
        # Kept as it arrives: what comes behind it is newer.
        await self.channel.ask(m.Report(), Totals, limit_s=limit_s, on_reply=self._keep)

    def _counted(self, message: m.Counted) -> None:
        self._keep(msgspec.msgpack.decode(message.totals, type=Totals))

    def _keep(self, totals: Totals) -> None:
        self.totals = totals
