"""``penstock serve``, ``penstock reload`` and ``penstock version``."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.locating import refuse, running_gateway
from penstock.cli.options import DEFAULT_CONFIG, ConfigOption

if TYPE_CHECKING:
    from penstock.config import RunFile

_POLL_S = 0.05


def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    host: Annotated[str | None, typer.Option(help="Listen here instead of `server.host`.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Listen here instead of `server.port`.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that serve, instead of `server.workers`.")
    ] = None,
) -> None:
    """Serve. SIGTERM drains and ends, SIGHUP reloads the config. Exit status 2 when the config cannot be used."""
    from penstock.cli.examining import Examination, Finding, examine  # noqa: PLC0415 - a command imports what it needs
    from penstock.cli.showing import show_examination  # noqa: PLC0415 - as above
    from penstock.config import ConfigError  # noqa: PLC0415 - as above
    from penstock.core.errors import StoreFailed  # noqa: PLC0415 - as above

    given = {"PENSTOCK_SERVER_HOST": host, "PENSTOCK_SERVER_PORT": port, "PENSTOCK_SERVER_WORKERS": workers}
    overrides = {name: str(value) for name, value in given.items() if value is not None}
    examination = examine(config, overrides)
    show_examination(examination, err=True)
    if examination.errors:
        raise typer.Exit(2)
    from penstock.app.serve import serve as run  # noqa: PLC0415 - the whole server, once the config is good

    try:
        run(config, overrides)
    except ConfigError as error:
        show_examination(Examination(None, tuple(Finding(str(config), each) for each in error.problems)), err=True)
        raise typer.Exit(2) from None
    except StoreFailed as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from None


def reload(
    config: ConfigOption = DEFAULT_CONFIG,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Wait this long for the gateway, in seconds.")] = 10.0,
) -> None:
    """Make the running gateway take its changed config, without dropping a request.

    The file is checked first; with a mistake in it nothing is changed. Exit status 0 when the new config is in force.
    """
    from penstock.cli.examining import examine  # noqa: PLC0415 - a command imports what it needs
    from penstock.cli.showing import show_examination  # noqa: PLC0415 - as above
    from penstock.config import run_file_path  # noqa: PLC0415 - as above

    examination = examine(config)
    show_examination(examination, err=True)
    if examination.settings is None or examination.errors:
        raise refuse("Nothing was changed.")
    before = running_gateway(examination.settings)
    if Path(before.config).resolve() != config.resolve():
        raise refuse(f"The running gateway serves {before.config}: reload that file.")
    try:
        os.kill(before.pid, signal.SIGHUP)
    except PermissionError:
        raise refuse("The gateway runs as another user: run this as that user.") from None
    after = _next_generation(run_file_path(examination.settings.store.database), before, timeout_s)
    if after is None:
        raise refuse(f"The gateway did not answer within {timeout_s:g} s: look at its log.")
    if after.error is not None:
        raise refuse(f"The gateway kept its config: {after.error}")
    typer.echo(f"Reloaded: generation {after.generation}, config {after.digest[:12]}.")
    if after.waiting:
        typer.echo(f"In force after a restart only: {', '.join(after.waiting)}.")


def version() -> None:
    """Print the version."""
    from importlib.metadata import PackageNotFoundError  # noqa: PLC0415 - a command imports what it needs
    from importlib.metadata import version as installed  # noqa: PLC0415 - as above

    try:
        typer.echo(f"penstock {installed('penstock')}")
    except PackageNotFoundError:
        typer.echo("penstock, not installed as a package")


def show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's signature of a callback
    """Print the version and end, where ``--version`` asks for it."""
    if wanted:
        version()
        raise typer.Exit


def _next_generation(path: Path, before: RunFile, timeout_s: float) -> RunFile | None:
    from penstock.config import read_run_file  # noqa: PLC0415 - a command imports what it needs

    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        after = read_run_file(path)
        if after is not None and after.generation != before.generation:
            return after
        time.sleep(_POLL_S)
    return None
