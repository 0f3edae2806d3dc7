"""Printing for people (tables, on a terminal), for pipes (plain lines) and for scripts (JSON)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import msgspec
import typer

from penstock.cli.examining import Examination, Finding

_COLOURS = {"error": "red", "warning": "yellow"}


def show_examination(examination: Examination, *, as_json: bool = False, err: bool = False) -> None:
    """Every finding, then one line that counts them."""
    findings, errors = examination.findings, examination.errors
    if as_json:
        problems = [{"file": finding.file, **msgspec.structs.asdict(finding.problem)} for finding in findings]
        typer.echo(json.dumps({"ok": not errors, "problems": problems}, indent=2, ensure_ascii=False))
        return
    if findings and _on_terminal(err=err):
        _show_table_of(findings, err=err)
    else:
        for finding in findings:
            typer.echo(_line(finding), err=err)
    warnings = len(findings) - errors
    if errors:
        typer.echo(f"{count(errors, 'error')}, {count(warnings, 'warning')}: not usable.", err=err)
    elif not err:
        typer.echo(f"OK, {count(warnings, 'warning')}.")


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str] = ()) -> None:
    """A table on a terminal, or a block for each row where it is too narrow; tab-separated lines elsewhere.

    ``colours`` are those of the rows, if there are any.
    """
    if not _on_terminal(err=False):
        for row in (headers, *rows):
            typer.echo("\t".join(row))
        return
    from penstock.cli.tables import print_table  # noqa: PLC0415 - Rich, which only a terminal needs

    print_table(headers, rows, colours or [""] * len(rows))


def _on_terminal(*, err: bool) -> bool:
    """Whether people look at it; ``FORCE_COLOR`` says so of a pipe too (force-color.org)."""
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stderr if err else sys.stdout).isatty()


def _show_table_of(findings: Sequence[Finding], *, err: bool) -> None:
    from penstock.cli.tables import print_findings  # noqa: PLC0415 - Rich, which only a terminal needs

    rows = [(_place(each), each.problem.path, each.problem.message, each.problem.suggestion) for each in findings]
    print_findings(rows, [_COLOURS[each.problem.severity] for each in findings], err=err)


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
