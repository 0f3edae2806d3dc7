"""Tables on a terminal. Rich is imported here alone, so that what goes to a pipe or a server's log needs none of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Wider than any table.
_ANY_WIDTH = 10_000


def print_findings(rows: Sequence[Sequence[str]], colours: Sequence[str], *, err: bool) -> None:
    """Where, which setting, what is wrong in the row's colour, and what to do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("where", "setting", "what is wrong", "what to do"):
        table.add_column(header, overflow="fold")
    for row, colour in zip(rows, colours, strict=True):
        styles = (colour, "", "", "green")
        table.add_row(*(Text(cell, style=style) for cell, style in zip(row, styles, strict=True)))
    Console(stderr=err).print(table)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str]) -> None:
    """A table, or a block for each row where the terminal is too narrow; each row in its colour, ``""`` for none."""
    console = Console()
    table = _columns(headers, rows, colours)
    if Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).maximum <= console.width:
        console.print(table)
        return
    for row, colour in zip(rows, colours, strict=True):
        block = Table.grid(padding=(0, 2))
        for header, cell in zip(headers, row, strict=True):
            block.add_row(Text(header, style="bold"), Text(cell, style=colour))
        console.print(block, "")


def _columns(headers: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str]) -> Table:
    """Each list takes a line for each item, and no word is broken."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header.replace(" ", "\n"), no_wrap=True)
    for row, colour in zip(rows, colours, strict=True):
        table.add_row(*(Text(cell.replace(", ", "\n")) for cell in row), style=colour)
    return table
