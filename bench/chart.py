"""Draws one picture of a run as SVG: ``python -m bench.chart bench/results/RUN.json docs/bench.svg``.

Best of a run of ``make bench-peers``. Longer bars are better. A quick run, or one that broke streams, is not drawn.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from bench.figures import Key, Measured, three_digits

NAMES = {"nginx": "nginx", "penstock": "Penstock", "portkey": "Portkey", "litellm": "LiteLLM"}
WIDTH = 700
LEFT = 96
RIGHT = 165
BAR = 24
STEP = 34
HEAD = 34
# Readable on white and on black; the style sheet does better where the reader's scheme is known.
STYLE = """
    text { font-family: system-ui, -apple-system, 'Segoe UI', sans-serif; font-size: 14px; fill: #57606a }
    .title { font-size: 15px; font-weight: 600 }
    .note { font-size: 12px }
    .bar { fill: #8c959f }
    .own { fill: #2f81f7 }
    .own-name { font-weight: 600 }
    @media (prefers-color-scheme: dark) { text { fill: #adbac7 } .bar { fill: #768390 } .own { fill: #539bf5 } }
"""


class Bar(NamedTuple):
    """One bar: what it is of, how long, and what stands behind it."""

    through: str
    value: float
    label: str


class Panel(NamedTuple):
    """Bars on one scale."""

    title: str
    bars: list[Bar]


def requests(measured: Measured) -> Panel:
    bars = []
    for through in NAMES:
        key = Key("closed", 32, through)
        rate, cost = measured.median(key, "requests_per_s"), measured.median(key, "cpu_us_per_request")
        if rate is not None and cost is not None:
            bars.append(Bar(through, rate, f"{three_digits(rate)} ({three_digits(cost)} µs CPU)"))
    return Panel("Requests a second on one core, 32 connections", bars)


def chunks(measured: Measured) -> Panel:
    bars = []
    for through in NAMES:
        cost = measured.median(Key("streams", 100, through), "cpu_us_per_chunk")
        if cost is not None:
            bars.append(Bar(through, 1e6 / cost, f"{three_digits(1e6 / cost)} ({three_digits(cost)} µs each)"))
    return Panel("Stream chunks relayed for a second of CPU, 100 streams", bars)


def draw_panel(panel: Panel, top: int) -> list[str]:
    longest = max(bar.value for bar in panel.bars)
    lines = [f'<text class="title" x="0" y="{top + 16}">{escape(panel.title)}</text>']
    for place, bar in enumerate(panel.bars):
        y = top + HEAD + place * STEP
        width = max(1.0, bar.value / longest * (WIDTH - LEFT - RIGHT))
        kind = "own" if bar.through == "penstock" else "bar"
        lines += [
            f'<text class="{kind}-name" x="{LEFT - 10}" y="{y + 17}" text-anchor="end">{NAMES[bar.through]}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3"/>',
            f'<text x="{LEFT + width + 8:.1f}" y="{y + 17}">{escape(bar.label)}</text>',
        ]
    return lines


def notes(report: dict[str, Any]) -> list[str]:
    """What ran where, and what each did for a call."""
    machine = report["machine"]
    versions = [f"nginx {machine['nginx']}", f"Penstock {machine['penstock']}"]
    versions += [f"{NAMES[name]} {peer['version']}" for name, peer in report["peers"].items()]
    return [
        f"{', '.join(versions)}; {report['date'][:10]}, {machine['cpu']}, Python {machine['python'].split()[0]}",
        "Penstock with keys, limits, budget, audit and metrics on; nginx as a plain proxy",
        *(f"{NAMES[name]} with {peer['without']}" for name, peer in report["peers"].items()),
    ]


def draw(report: dict[str, Any]) -> str:
    """The whole picture; raises ValueError for a run that is not worth showing."""
    measured = Measured.from_rows(report["rows"])
    panels = [panel for panel in (requests(measured), chunks(measured)) if len(panel.bars) > 1]
    broken = sum(sum(measured.values(key, "broken")) for key in measured.keys("streams") if key.size == 100)
    if report["quick"] or broken or not panels:
        raise ValueError("a picture needs a whole run (not --quick) of closed or streams in which no stream broke")
    lines, top = [], 0
    for panel in panels:
        lines += draw_panel(panel, top)
        top += HEAD + len(panel.bars) * STEP + 18
    for line in notes(report):
        lines.append(f'<text class="note" x="0" y="{top + 4}">{escape(line)}</text>')
        top += 18
    title = "; ".join(panel.title for panel in panels)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 12}" role="img" aria-label="{escape(title)}">'
    return "\n  ".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}  </style>", *lines]) + "\n</svg>\n"


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m bench.chart RESULTS.json PICTURE.svg")
    report = json.loads(Path(sys.argv[1]).read_text())
    for doubt in report["doubts"]:
        print(f"doubt: {doubt}", file=sys.stderr)
    try:
        picture = draw(report)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    Path(sys.argv[2]).write_text(picture)


if __name__ == "__main__":
    main()
