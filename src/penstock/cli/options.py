"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DEFAULT_CONFIG = Path("penstock.yaml")

ConfigOption: TypeAlias = Annotated[
    Path, typer.Option("--config", "-c", envvar="PENSTOCK_CONFIG", help="The config file.", show_default=True)
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
