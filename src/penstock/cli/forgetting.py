"""``penstock forget``: removes what is kept for one tenant, while no gateway runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.locating import refuse, usable_settings
from penstock.cli.options import DEFAULT_CONFIG, ConfigOption

if TYPE_CHECKING:
    from penstock.config import Settings


def forget(
    tenant: Annotated[str, typer.Argument(help="The tenant; it need not be in the config any more.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Remove every kept answer of a tenant from the disk. The gateway must be stopped."""
    import asyncio  # noqa: PLC0415 - a command imports what it needs

    from penstock.core.errors import StoreFailed  # noqa: PLC0415 - as above
    from penstock.stores.lock import ProcessLock  # noqa: PLC0415 - as above

    settings = usable_settings(config)
    if not settings.store.responses_file.exists():
        typer.echo(f"Nothing is kept: there is no {settings.store.responses_file}.")
        return
    try:
        lock = ProcessLock(settings.store.lock_file)
        try:
            removed = asyncio.run(_remove(settings, tenant))
        finally:
            lock.release()
    except StoreFailed as error:
        raise refuse(error.message if error.__cause__ is None else f"{error.message} ({error.__cause__})") from None
    typer.echo(f"Removed {removed} kept {'answer' if removed == 1 else 'answers'} of {tenant}.")


async def _remove(settings: Settings, tenant: str) -> int:
    from penstock.app.works import shelf_bounds  # noqa: PLC0415 - a command imports what it needs
    from penstock.stores.sqlite_shelf import SqliteShelf  # noqa: PLC0415 - as above

    # It is not started: nothing sweeps by itself.
    shelf = SqliteShelf(settings.store.responses_file, shelf_bounds(settings), on_error=lambda _: None)
    try:
        removed = await shelf.forget_all(tenant)
        await shelf.sweep()
    finally:
        await shelf.aclose()
    return removed
