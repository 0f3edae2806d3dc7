"""``penstock status``: how the targets of the running gateway are doing."""

from __future__ import annotations

import json

import typer

from penstock.cli.locating import refuse, running_gateway, usable_settings
from penstock.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption

# The exit status where nobody could be asked; 1 says that a target is down.
_UNKNOWN = 2
_COLOURS = {"down": "red", "trying": "yellow", "resting": "yellow"}


def status(config: ConfigOption = DEFAULT_CONFIG, *, as_json: JsonOption = False) -> None:
    """Show how each target of the running gateway is doing: its breaker, since when, and the last minute of calls.

    Exit status 0 when all may be asked, 1 when a breaker is open (in one worker at least), 2 when nobody could be asked.
    """
    from penstock.cli.showing import show_table  # noqa: PLC0415 - a command imports what it needs
    from penstock.cli.targets import COLUMNS, NotTold, ask, read  # noqa: PLC0415 - as above

    settings = usable_settings(config, _UNKNOWN)
    if not settings.admin_keys:
        cure = "add `admin_keys: [$PENSTOCK_ADMIN_KEY]`, and `penstock reload`"
        raise refuse(f"{config} has no admin key, and a gateway tells its state to no other: {cure}.", _UNKNOWN)
    gateway = running_gateway(settings, _UNKNOWN)
    try:
        text = ask(gateway.url, settings.admin_keys[0].get_secret_value())
        health = read(text)
    except NotTold as why:
        raise refuse(f"The gateway at {gateway.url} {why}.", _UNKNOWN) from None
    if as_json:
        typer.echo(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    else:
        colours = [_COLOURS.get(target.condition, "") for target in health.targets.values()]
        show_table(COLUMNS, [target.row(alias) for alias, target in health.targets.items()], colours)
        for worker in health.silent:
            typer.echo(f"Worker {worker} has not answered: what it knows is missing.", err=True)
    if any(target.state == "open" for target in health.targets.values()):
        raise typer.Exit(1)
