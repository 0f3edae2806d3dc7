"""``penstock check``: whether a config can be served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption


def check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="The same as --config.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    as_json: JsonOption = False,
) -> None:
    """Find every mistake of a config and its prompts at once, each with its line and a cure.

    Nothing is started. Exit status 0 when it can be served (warnings allowed), 1 when not.
    """
    from penstock.cli.examining import examine  # noqa: PLC0415 - a command imports what it needs
    from penstock.cli.showing import show_examination  # noqa: PLC0415 - as above

    source = context.get_parameter_source("config")
    if file is not None and source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter(f"--config {config} and {file} are two files: give one.")
    examination = examine(file or config)
    show_examination(examination, as_json=as_json)
    raise typer.Exit(1 if examination.errors else 0)
