"""The run file: what a running gateway says about itself, beside its database, for other commands."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct


class RunFile(Struct, frozen=True, kw_only=True):
    """One gateway process. ``generation`` counts configs taken into use or refused; ``error`` tells of a refused one.

    ``url`` is where it listens. ``waiting`` are settings that the config has changed and that only a restart takes into use. ``loaded_at`` is Unix
    seconds of the last attempt, ``digest`` is that of the config in force.
    """

    pid: int
    url: str
    config: str
    generation: int
    digest: str
    loaded_at: float
    error: str | None = None
    waiting: tuple[str, ...] = ()


def run_file_path(database: Path) -> Path:
    """Where the run file of the gateway that owns ``database`` lies."""
    return database.with_name(f"{database.name}.run.json")


def read_run_file(path: Path) -> RunFile | None:
    """What the gateway last wrote; ``None`` when there is no file or it makes no sense."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except (OSError, msgspec.DecodeError):
        return None


def write_run_file(path: Path, run: RunFile) -> None:
    """Replace the file whole, so that a reader never sees half of it. Raises ``OSError``."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(run))
    draft.replace(path)
