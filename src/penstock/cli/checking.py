"""``penstock check`` and ``penstock models``: what a config says, and whether it can be served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.locating import usable_settings
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


def models(
    config: ConfigOption = DEFAULT_CONFIG,
    tier: Annotated[str, typer.Option(help="Only what this tier may use.")] = "",
) -> None:
    """List the model aliases: where each is served, what it costs, which tiers may use it, which routes ask it."""
    from penstock.cli.showing import show_table  # noqa: PLC0415 - a command imports what it needs
    from penstock.core.plan import plan_targets  # noqa: PLC0415 - as above

    policy = usable_settings(config).policy()
    if tier and tier not in policy.tiers:
        typer.echo(f"There is no tier '{tier}': {', '.join(policy.tiers)}.", err=True)
        raise typer.Exit(1)
    rows = []
    for alias, target in policy.targets.items():
        tiers = [name for name, each in policy.tiers.items() if alias in each.allowed_models]
        if tier and tier not in tiers:
            continue
        routes = [name for name, route in policy.routes.items() if alias in plan_targets(route.plan)]
        prices = (target.input_nano_usd_per_1k, target.output_nano_usd_per_1k)
        rows.append(
            (
                alias,
                target.provider,
                target.model_id,
                *map(_usd, prices),
                ", ".join(tiers) or "-",
                ", ".join(routes) or "-",
            )
        )
    show_table(("alias", "provider", "model", "USD/1k in", "USD/1k out", "tiers", "routes"), rows)


def _usd(nano: int) -> str:
    return f"{nano / 1e9:.9f}".rstrip("0").rstrip(".")
