"""``Reloader``: takes a changed config into use on SIGHUP, and says in the run file what came of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from penstock.app.environment import Config
from penstock.app.owned import OwnedStore
from penstock.config import (
    ConfigError,
    Problem,
    RunFile,
    Settings,
    run_file_path,
    write_run_file,
)
from penstock.telemetry.logs import Logger

# Puts settings and the text that they were read from in force, as that generation. Raises ``ConfigError``.
Apply: TypeAlias = Callable[[Settings, str, int], Awaitable[None]]


class Reloader:
    """One at a time, in the process that owns the store. ``generation`` counts the configs that were tried.

    ``url`` is where the gateway listens, for the run file.
    """

    def __init__(
        self, config: Config, settings: Settings, owned: OwnedStore, apply: Apply, logger: Logger, url: str
    ) -> None:
        self._config = config
        self._started_with = self._settings = settings
        self._owned = owned
        self._apply = apply
        self._logger = logger
        self._url = url
        self._run_file = run_file_path(settings.store.database)
        self._turn = asyncio.Lock()
        self._reloads: set[asyncio.Task[None]] = set()
        self.generation = 1

    def on_signal(self) -> None:
        """Reload, after whatever reload is under way."""
        task = asyncio.get_running_loop().create_task(self.reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def reload(self) -> None:
        """Validate, then swap. An invalid file changes nothing and the log says why."""
        async with self._turn:
            self.generation += 1
            try:
                waiting = await self._try()
            except ConfigError as error:
                self._refused(error)
            except Exception as error:
                self.report(f"{type(error).__name__}: this is a fault of penstock's; nothing was changed")
                raise
            else:
                digest = self._settings.digest
                self._logger.info("config reloaded", generation=self.generation, digest=digest[:12])
                self.report(None, waiting)

    async def _try(self) -> list[str]:
        """The settings that wait for a restart."""
        # In a thread: prices may have to be looked up, and calls do not wait for that.
        text, settings = await asyncio.to_thread(self._config.read)
        _refuse_restart(settings, self._started_with)
        waiting = _restart_settings(settings, self._started_with)
        await self._apply(settings, text, self.generation)
        if waiting:
            self._logger.warning("in force after a restart", settings=waiting)
        old, self._settings = self._settings, settings
        self._owned.record("config_reloaded", generation=self.generation, old_digest=old.digest, digest=settings.digest)
        return waiting

    def _refused(self, error: ConfigError) -> None:
        for problem in error.problems:
            place = {"line": problem.line} if problem.line else {}
            self._logger.warning(
                "config refused", **place, path=problem.path, message=problem.message, cure=problem.suggestion
            )
        self._owned.record("config_refused", generation=self.generation, problems=len(error.problems))
        self.report(str(error))

    def report(self, error: str | None, waiting: Sequence[str] = ()) -> None:
        """Rewrite the run file. ``waiting`` are changed settings that are read at a start alone."""
        write_run_file(
            self._run_file,
            RunFile(
                pid=os.getpid(),
                url=self._url,
                config=str(self._config.path.absolute()),
                generation=self.generation,
                digest=self._settings.digest,
                loaded_at=time.time(),
                error=error,
                waiting=tuple(waiting),
            ),
        )


def _refuse_restart(new: Settings, old: Settings) -> None:
    """Raises ``ConfigError`` where a running gateway cannot follow.

    What was checked against the address and the store must be what is served from them.
    """
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
