"""Printing for people (tables, on a terminal), for pipes (plain lines) and for scripts (JSON)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from penstock.cli.examining import Examination, Finding

# Wider than any table.
_ANY_WIDTH = 10_000
_COLOURS = {"error": "red", "warning": "yellow"}


def show_examination(examination: Examination, *, as_json: bool = False, err: bool = False) -> None:
    """Every finding, then one line that counts them."""
    findings, errors = examination.findings, examination.errors
    if as_json:
        problems = [{"file": finding.file, **msgspec.structs.asdict(finding.problem)} for finding in findings]
        typer.echo(json.dumps({"ok": not errors, "problems": problems}, indent=2, ensure_ascii=False))
        return
    console = Console(stderr=err)
    if console.is_terminal and findings:
        console.print(_table(findings))
    for finding in () if console.is_terminal else findings:
        typer.echo(_line(finding), err=err)
    warnings = len(findings) - errors
    if errors:
        typer.echo(f"{count(errors, 'error')}, {count(warnings, 'warning')}: not usable.", err=err)
    elif not err:
        typer.echo(f"OK, {count(warnings, 'warning')}.")


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal, or a block for each row where it is too narrow; tab-separated lines elsewhere."""
    console = Console()
    if not console.is_terminal:
        for row in (headers, *rows):
            typer.echo("\t".join(row))
        return
    table = _columns(headers, rows)
    if Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).maximum <= console.width:
        console.print(table)
        return
    for row in rows:
        block = Table.grid(padding=(0, 2))
        for header, cell in zip(headers, row, strict=True):
            block.add_row(Text(header, style="bold"), Text(cell))
        console.print(block, "")


def _columns(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Each list takes a line for each item, and no word is broken."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header.replace(" ", "\n"), no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell.replace(", ", "\n")) for cell in row))
    return table


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("where", "setting", "what is wrong", "what to do"):
        table.add_column(header, overflow="fold")
    for finding in findings:
        problem = finding.problem
        cells = (_place(finding), problem.path, problem.message, problem.suggestion)
        colours = (_COLOURS[problem.severity], "", "", "green")
        table.add_row(*(Text(cell, style=colour) for cell, colour in zip(cells, colours, strict=True)))
    return table


def _line(finding: Finding) -> str:
    problem = finding.problem
    path = f"{problem.path}: " if problem.path else ""
    cure = f" ({problem.suggestion})" if problem.suggestion else ""
    return f"{_place(finding)}: {problem.severity}: {path}{problem.message}{cure}"


def _place(finding: Finding) -> str:
    problem = finding.problem
    return f"{finding.file}:{problem.line}:{problem.column}" if problem.line else finding.file


def count(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
