"""What several commands need first: settings that can be used, and the gateway that runs with them.

Each ends the command where there are none, with a line that says what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from penstock.config import RunFile, Settings


def refuse(message: str, status: int = 1) -> typer.Exit:
    """Tell why the command ends, and the exit to be raised."""
    typer.echo(message, err=True)
    return typer.Exit(status)


def usable_settings(config: Path, status: int = 1) -> Settings:
    """The settings of a config; its mistakes do not matter here as long as there are settings."""
    from penstock.cli.examining import examine  # noqa: PLC0415 - a command imports what it needs
    from penstock.cli.showing import show_examination  # noqa: PLC0415 - as above

    examination = examine(config)
    if examination.settings is None:
        show_examination(examination, err=True)
        raise typer.Exit(status)
    return examination.settings


def running_gateway(settings: Settings, status: int = 1) -> RunFile:
    """What the gateway that has the database says of itself."""
    from penstock.config import read_run_file, run_file_path  # noqa: PLC0415 - a command imports what it needs

    path = run_file_path(settings.store.database)
    run = read_run_file(path)
    if run is None or not _is_gateway(run.pid):
        raise refuse(f"No gateway runs with {path}. Is this the working directory that it was started in?", status)
    return run


def _is_gateway(pid: int) -> bool:
    """Whether that process is ours: a run file that a crash left may name a process that came later."""
    try:
        return b"penstock" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
