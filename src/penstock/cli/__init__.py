"""The command line: ``penstock COMMAND``. Importing it is cheap; each command imports what it needs when it runs."""

from typing import Annotated

import typer

from penstock.cli.auditing import audit
from penstock.cli.checking import check
from penstock.cli.forgetting import forget
from penstock.cli.listing import models
from penstock.cli.reporting import status
from penstock.cli.serving import reload, serve, show_version, version

app = typer.Typer(
    name="penstock",
    epilog="Start with:  penstock serve --config config/demo.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog="Example:  penstock serve --config config/demo.yaml --port 8080")(serve)
app.command(epilog="Example:  penstock check config/demo.yaml --json")(check)
app.command(epilog="Example:  penstock models --config config/demo.yaml --prices")(models)
app.command(epilog="Example:  penstock status --config config/demo.yaml")(status)
app.command(epilog="Example:  penstock reload --config config/demo.yaml")(reload)
app.command(epilog="Example:  penstock forget tenant_pro --config config/demo.yaml")(forget)
app.command(epilog="Example:  penstock version")(version)
app.add_typer(audit, name="audit")


@app.callback()
def main(
    *,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=show_version, help="Print the version.")
    ] = False,
) -> None:
    """One self-hosted gateway in front of every model a product team uses."""


__all__ = ["app"]
