"""Medians of the rounds, as JSON for machines and as Markdown for people."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from statistics import median
from typing import Any

Figures = dict[str, float]
# (what was measured, concurrency, through what) -> one row of figures per round
Rounds = dict[tuple[str, int, str], list[Figures]]


def medians(rounds: Rounds) -> list[dict[str, Any]]:
    """One row per case, each figure the median of its rounds."""
    return [
        {"load": load, "concurrency": count, "through": through, "rounds": len(rows)}
        | {name: round(median(row[name] for row in rows), 3) for name in rows[0]}
        for (load, count, through), rows in rounds.items()
    ]


def compare(rows: list[dict[str, Any]]) -> None:
    """Add what only makes sense beside another row of the same run: ratio to nginx, latency added to direct."""
    by_case = {(row["load"], row["concurrency"], row["through"]): row for row in rows}
    for row in rows:
        nginx = by_case.get((row["load"], row["concurrency"], "nginx"))
        direct = by_case.get((row["load"], row["concurrency"], "direct"))
        if row["load"] == "closed" and nginx:
            row["ratio_to_nginx"] = round(row["requests_per_s"] / nginx["requests_per_s"], 3)
        if row["load"] == "closed" and direct:
            row["added_p50_us"] = row["p50_us"] - direct["p50_us"]


CLOSED = {
    "requests_per_s": "requests/s",
    "ratio_to_nginx": "ratio to nginx",
    "cpu_us_per_request": "CPU µs per request",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "added_p50_us": "added p50 µs",
    "errors": "errors",
}
PACED = {
    "chunks_per_s": "chunks/s",
    "cpu_us_per_chunk": "CPU µs per chunk",
    "first_p50_ms": "first byte p50 ms",
    "first_p99_ms": "first byte p99 ms",
    "gap_p50_ms": "gap p50 ms",
    "gap_p99_ms": "gap p99 ms",
    "gap_max_ms": "gap max ms",
    "broken": "broken",
}


def table(rows: list[dict[str, Any]], load: str, counted: str, columns: dict[str, str]) -> list[str]:
    lines = [f"| {counted} | through | " + " | ".join(columns.values()) + " |", "|" + "---|" * (len(columns) + 2)]
    for row in rows:
        if row["load"] == load:
            cells = [number(row[name]) if name in row else "" for name in columns]
            lines.append(f"| {row['concurrency']} | {row['through']} | " + " | ".join(cells) + " |")
    return lines


def number(value: float) -> str:
    """Three or more significant digits, no more than a reader uses."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def markdown(report: dict[str, Any]) -> str:
    rows = report["rows"]
    layout = (
        f"Gateway and nginx on core {report['cores']['gateway']}, load and upstream on core {report['cores']['load']}. "
        "Every figure is the median of its rounds; the rounds were interleaved."
    )
    lines = [
        f"# Bench of {report['date']}",
        "",
        layout,
        "",
        "## Closed loop: small chat body, fixed answer",
        "",
        *table(rows, "closed", "connections", CLOSED),
        "",
        "## Paced streams: 50 chunks/s each",
        "",
        *table(rows, "paced", "streams", PACED),
        "",
        "## Memory",
        "",
        *(f"- {name.replace('_', ' ')}: {value:.1f} MB" for name, value in report["gateway_rss_mb"].items()),
        "",
        "## Machine",
        "",
        *(f"- {name}: {value}" for name, value in report["machine"].items()),
        "",
    ]
    return "\n".join(lines)


def write(report: dict[str, Any], folder: Path) -> Path:
    """Both files; returns the Markdown one."""
    cpu = re.sub(r"[^a-z0-9]+", "-", report["machine"]["cpu"].lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{report['date'][:10]}-{cpu}{'-quick' if report['quick'] else ''}"
    stem.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    page = stem.with_suffix(".md")
    page.write_text(markdown(report))
    return page


def today() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
