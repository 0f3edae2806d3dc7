"""A run as JSON for machines and as Markdown for people: what was reached first, then every case."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import nginx
from bench.figures import Key, Measured, added, ratio

SHARES = {"server_share": "server's core", "load_share": "load's core"}
TABLES = {
    "closed": (
        "Closed loop: small chat body, fixed answer",
        "connections",
        {"requests_per_s": "requests/s", "ratio": "to nginx", "cpu_us_per_request": "CPU µs per request"}
        | {"p50_us": "p50 µs", "p99_us": "p99 µs", "added_us": "added p50 µs", "rss_mb": "RSS MB", "errors": "errors"}
        | SHARES,
    ),
    "steady": (
        "Constant rate: half of what the gateway can do; latencies from when a request was due",
        "connections",
        {"requests_per_s": "requests/s", "p50_us": "p50 µs", "p99_us": "p99 µs", "max_us": "max µs"}
        | {"added_us": "added p50 µs", "added_p99_us": "added p99 µs", "errors": "errors"}
        | SHARES,
    ),
    "streams": (
        "Paced streams: 50 chunks/s each, opened together",
        "streams",
        {"cpu_us_per_chunk": "CPU µs per chunk", "ratio": "to nginx"}
        | {"first_p50_ms": "first byte p50 ms", "first_p99_ms": "p99", "gap_p50_ms": "gap p50 ms"}
        | {"gap_p99_ms": "p99", "gap_max_ms": "max", "rss_mb": "RSS MB", "broken": "broken"}
        | SHARES,
    ),
    "slow": (
        "100 paced streams beside clients that read 2 KB every 50 ms of an endless answer",
        "slow readers",
        {"gap_p50_ms": "gap p50 ms", "gap_p99_ms": "p99", "gap_max_ms": "max", "rss_mb": "RSS MB"}
        | {"grown_mb": "grown by MB", "slow_broken": "slow ones cut", "broken": "paced ones cut"}
        | SHARES,
    ),
    "prompt": (
        "Large prompts, one connection",
        "bytes",
        {"p50_us": "p50 µs", "p99_us": "p99 µs", "added_us": "added p50 µs", "cpu_us_per_request": "CPU µs per request"}
        | {"rss_mb": "RSS MB", "errors": "errors"},
    ),
    "start": (
        "From the start of the process to its first 200, with a new store",
        "",
        {"start_s": "seconds", "rss_mb": "RSS MB after it"},
    ),
    "restart": ("The same with the store of the start before", "", {"start_s": "seconds", "rss_mb": "RSS MB after it"}),
}
RATIO_OF = {"closed": "requests_per_s", "streams": "cpu_us_per_chunk"}
ADDED_OF = {"added_us": "p50_us", "added_p99_us": "p99_us"}


def cell(measured: Measured, key: Key, name: str) -> str:
    if name == "ratio":
        value = ratio(measured.pair(key.load, key.size, RATIO_OF[key.load], (key.through, "nginx")))
    elif name in ADDED_OF:
        value = added(measured.pair(key.load, key.size, ADDED_OF[name], (key.through, "direct")))
    else:
        value = measured.median(key, name)
    if value is None:
        return ""
    return f"{value:.0%}" if name in SHARES else number(value)


def number(value: float) -> str:
    """Three or more significant digits, no more than a reader uses."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def table(measured: Measured, load: str) -> list[str]:
    """One section; nothing when the load was left out."""
    title, counted, columns = TABLES[load]
    keys = measured.keys(load)
    if not keys:
        return []
    heads = [counted, "through"] if counted else ["through"]
    rows = [
        [f"{key.size:,}", key.through][2 - len(heads) :] + [cell(measured, key, name) for name in columns]
        for key in keys
    ]
    return [f"## {title}", "", *grid([*heads, *columns.values()], rows), ""]


def markdown(report: dict[str, Any]) -> str:
    cores = report["cores"]
    doubts = report["doubts"] or ["None: the rounds agree, and the load had room."]
    heads = ("measure", "measured", "must reach", "stretch", "reached")
    measured = Measured.from_rows(report["rows"])
    about = [
        "Servers on core {gateway}, load on core {load}, upstream on core {upstream}; one worker each.".format(**cores),
        "Figures are medians of rounds that took turns; ratios are medians of the rounds' ratios.",
        "Penstock ran with everything on: keys, limits, budget, audit, metrics.",
        f"nginx ran with {nginx.SETTINGS}.",
        *(f"{name} {peer['version']} ran with {peer['without']}." for name, peer in report["peers"].items()),
        "**There are doubts.**" if report["doubts"] else "",
    ]
    lines = [
        f"# Bench of {report['date']}{', quick' if report['quick'] else ''}",
        "",
        *grid(heads, [list(verdict.values()) for verdict in report["verdicts"]]),
        "",
        " ".join(about),
        "",
        "## Doubts",
        "",
        *(f"- {doubt}" for doubt in doubts),
        "",
        *(line for load in TABLES for line in table(measured, load)),
        "## Machine",
        "",
        *(f"- {name}: {value}" for name, value in report["machine"].items()),
        "",
    ]
    return "\n".join(lines)


def as_json(report: dict[str, Any]) -> str:
    """One line for each verdict, doubt and case, so that two runs can be compared line by line."""
    lines = []
    for name, value in report.items():
        items = (
            ",\n".join(f"  {json.dumps(item, ensure_ascii=False)}" for item in value) if isinstance(value, list) else ""
        )
        text = f"[\n{items}\n ]" if items else json.dumps(value, ensure_ascii=False)
        lines.append(f' "{name}": {text}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write(report: dict[str, Any], folder: Path) -> Path:
    """Both files; returns the Markdown one."""
    machine = report["machine"]
    words = [report["date"][:10], machine["cpu"], "python", machine["python"].split()[0]]
    words += ["peers"] if report["peers"] else []
    words += ["quick"] if report["quick"] else []
    stem = re.sub(r"[^a-z0-9.]+", "-", " ".join(words).lower())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.json").write_text(as_json(report))
    page = folder / f"{stem}.md"
    page.write_text(markdown(report))
    return page


def today() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
