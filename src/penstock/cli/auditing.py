"""``penstock audit``: reads the log beside a running gateway; nothing here writes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.locating import usable_settings
from penstock.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption

if TYPE_CHECKING:
    from penstock.config import Settings
    from penstock.stores.verification import Finding

audit = typer.Typer(help="Read the audit log, and prove that nobody has changed it.", no_args_is_help=True)

_POLL_S = 0.2
_UNSEALED = (
    "Nothing proves them. After a crash they are what was being written; while a gateway runs, somebody has added them. "
    "The next start sets them apart."
)
_WRONG_PEPPER = (
    "Give the pepper that the log was written with (`store.pepper`, PENSTOCK_PEPPER, or the file beside the database); "
    "if this is the one, everything in the log was replaced."
)
_COLUMNS = (
    "tenant_id",
    "endpoint",
    "task",
    "provider",
    "model",
    "prompt_id",
    "prompt_version",
    "status",
    "error_code",
    "policy_decision",
    "cache_hit",
    "retry_count",
    "fallback_used",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "estimated_cost_usd",
    "latency_ms",
    "trace_id",
    "request_id",
)


@audit.command(epilog="Example:  penstock audit tail --config config/demo.yaml --tenant tenant_pro --follow")
def tail(
    config: ConfigOption = DEFAULT_CONFIG,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="So many of the newest events.")] = 20,
    tenant: Annotated[str, typer.Option(help="Only events of this tenant.")] = "",
    trace: Annotated[str, typer.Option(help="Only events of this trace id, or this request id (`x-request-id`).")] = "",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with events as they come.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the newest audit events, oldest first. No prompt or answer text is ever in them.

    Each is proved by its seal before it is printed. Exit status 1 when one was changed, or when there is no log.
    """
    from penstock.cli.segments import follow as following  # noqa: PLC0415 - a command imports what it needs
    from penstock.cli.segments import newest  # noqa: PLC0415 - as above

    directory, key = _log(config)

    def wanted(event: dict[str, Any]) -> bool:
        of_trace = not trace or trace in {event.get("trace_id"), event.get("request_id")}
        return of_trace and (not tenant or event.get("tenant_id") == tenant)

    with _readable():
        events, place = newest(directory, key, wanted, lines)
        for event in events:
            _show(event, as_json=as_json)
        if not follow:
            if not events:
                typer.echo("No events.", err=True)
            return
        with suppress(KeyboardInterrupt):
            for event in following(directory, key, wanted, place, wait=lambda: time.sleep(_POLL_S)):
                _show(event, as_json=as_json)


@audit.command(epilog="Example:  penstock audit verify --config config/demo.yaml")
def verify(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Prove that no audit record was changed, removed or cut off.

    Exit status 1 when one was, and when bytes without a seal stand at the end: a crash leaves such, and anybody can add
    them; a running gateway leaves none.
    """
    from penstock.cli.showing import count  # noqa: PLC0415 - a command imports what it needs
    from penstock.stores.verification import verify as prove  # noqa: PLC0415 - as above

    directory, key = _log(config)
    with _readable():
        result = prove(directory, key)
    if not result.key_fits:
        typer.echo(f"NOT proved: no seal in {directory} was made with this pepper. {_WRONG_PEPPER}")
        raise typer.Exit(1)
    for finding in result.findings:
        typer.echo(_finding(finding))
    if result.unsealed_bytes:
        place = f"{result.unsealed_file}, byte {result.unsealed_offset}"
        typer.echo(f"{place}: {count(result.unsealed_bytes, 'unsealed byte')} at the end. {_UNSEALED}")
    counted = f"{count(result.records, 'record')} in {count(result.segments, 'segment')}"
    if not result.intact:
        typer.echo(f"NOT intact: {count(len(result.findings), 'finding')}; {counted} proved.")
    elif result.unsealed_bytes:
        typer.echo(f"NOT proved to its end: {counted} intact, up to record {result.last_sequence}.")
    else:
        typer.echo(f"Intact: {counted}.")
        return
    raise typer.Exit(1)


def _finding(finding: Finding) -> str:
    place = f"{finding.file}, byte {finding.offset}" if finding.offset else finding.file
    if finding.last == finding.first:
        records = f"record {finding.first}: " if finding.first else ""
    else:
        records = f"records {finding.first} to {finding.last}: "
    return f"{place}: {records}{finding.message}"


def _log(config: Path) -> tuple[Path, bytes]:
    """The log's folder, and what its seals are made with."""
    from penstock.config import ConfigError, load_pepper, subkey  # noqa: PLC0415 - a command imports what it needs

    settings = usable_settings(config)
    directory = _log_directory(settings)
    try:
        return directory, subkey(load_pepper(settings, create=False), "audit log")
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@contextmanager
def _readable() -> Iterator[None]:
    """Tell of a log that cannot be read, or is not what was written, in one line."""
    from penstock.core.errors import StoreFailed  # noqa: PLC0415 - a command imports what it needs

    try:
        yield
    except StoreFailed as error:
        typer.echo(error.message, err=True)
    except OSError as error:
        typer.echo(f"{error.filename} cannot be read: {error.strerror}. Restore it from a backup.", err=True)
    else:
        return
    raise typer.Exit(1)


def _log_directory(settings: Settings) -> Path:
    directory = settings.store.log_directory
    if not directory.is_dir():
        where = "is this the working directory that the gateway was started in?"
        typer.echo(f"There is no audit log at {directory}: {where}", err=True)
        raise typer.Exit(1)
    return directory


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(event, ensure_ascii=False))
        return
    at = datetime.fromtimestamp(event.get("time") or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts = [f"{key}={_plain(event[key])}" for key in _COLUMNS if event.get(key) not in {None, "", False}]
    typer.echo(" ".join((at, _plain(event.get("event_type", "-")), *facts)))


def _plain(value: object) -> str:
    """A value on one line, money without exponent: what a caller chose must look like neither another event nor a terminal's command."""
    text = f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)
