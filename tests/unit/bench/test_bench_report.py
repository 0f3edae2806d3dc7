from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import chart, report
from bench.doubts import doubts
from bench.figures import Figures, Key, Measured
from bench.goals import GOALS, verdicts

QUIET = {"server_share": 0.5, "load_share": 0.5}


def run(**changes: Figures) -> Measured:
    """A run in which Penstock reaches some goals; ``changes`` of its rounds are named load_size."""
    rows: dict[tuple[str, int, str], Figures] = {
        ("closed", 32, "direct"): {"requests_per_s": 70_000, "p50_us": 300, "cpu_us_per_request": 7},
        ("closed", 32, "nginx"): {"requests_per_s": 50_000, "p50_us": 500, "cpu_us_per_request": 17},
        ("closed", 32, "penstock"): {"requests_per_s": 12_500, "p50_us": 2_500, "cpu_us_per_request": 70},
        ("closed", 32, "litellm"): {"requests_per_s": 100, "p50_us": 90_000, "cpu_us_per_request": 9_000},
        ("closed", 1, "direct"): {"p50_us": 20},
        ("closed", 1, "nginx"): {"p50_us": 120},
        ("closed", 1, "penstock"): {"p50_us": 300},
        ("streams", 100, "nginx"): {"cpu_us_per_chunk": 15, "broken": 0},
        ("streams", 100, "penstock"): {"cpu_us_per_chunk": 20, "broken": 0},
        ("streams", 1000, "penstock"): {"gap_p99_ms": 45, "first_p99_ms": 300, "rss_mb": 120, "broken": 0},
        ("start", 0, "penstock"): {"start_s": 0.7, "rss_mb": 62},
    }
    measured = Measured()
    for (load, size, through), figures in rows.items():
        changed = changes.get(f"{load}_{size}", {}) if through == "penstock" else {}
        for _ in range(3):
            measured.add(Key(load, size, through), QUIET | figures | changed)
    return measured


def said(measured: Measured, *, shared: bool = False) -> dict[str, tuple[str, str]]:
    return {verdict.measure: (verdict.measured, verdict.reached) for verdict in verdicts(measured, shared=shared)}


def document(measured: Measured, *, quick: bool = False) -> dict[str, Any]:
    return {
        "date": "2026-11-21 12:00 UTC",
        "quick": quick,
        "cores": {"gateway": 0, "load": 1, "upstream": 1},
        "machine": {"cpu": "Some CPU", "python": "3.11.2 (GCC)", "nginx": "1.22.1", "penstock": "0.1.0"},
        "peers": {"litellm": {"version": "1.2.3", "without": "no budget"}},
        "verdicts": [verdict._asdict() for verdict in verdicts(measured, shared=False)],
        "doubts": doubts(measured, foreign_share=0.0),
        "rows": measured.rows(),
    }


def test_each_goal_is_judged_by_what_was_measured() -> None:
    judged = said(run())
    assert judged["requests/s against nginx, 32 connections"] == ("0.25 \N{MULTIPLICATION SIGN}", "yes")
    assert judged["requests/s against LiteLLM, 32 connections"] == ("125 \N{MULTIPLICATION SIGN}", "yes")
    assert judged["added p50 at one connection, by what nginx adds"] == ("2.8 \N{MULTIPLICATION SIGN}", "no")
    assert judged["CPU per relayed chunk against nginx"] == ("1.33 \N{MULTIPLICATION SIGN}", "stretch")
    assert judged["gap p99, 1,000 streams opened together"] == ("45 ms", "no")
    assert judged["start to first answer, new store"] == ("0.7 s", "stretch")
    assert judged["resident memory, idle"] == ("62 MB", "yes")
    assert judged["requests/s against Portkey, 32 connections"] == ("", "not measured")


def test_no_verdict_stands_when_others_used_the_cores() -> None:
    judged = said(run(), shared=True)
    assert judged["CPU per relayed chunk against nginx"][1] == "stretch, in doubt"
    assert judged["requests/s against Portkey, 32 connections"][1] == "not measured"


def test_a_stretch_is_further_than_what_must_be_reached() -> None:
    for goal in GOALS:
        assert goal.stretch is None or (goal.stretch < goal.must) == goal.most, goal.measure


def test_gaps_count_for_nothing_when_streams_broke() -> None:
    judged = said(run(streams_1000={"broken": 2, "gap_p99_ms": 21}))
    assert judged["gap p99, 1,000 streams opened together"] == ("streams broke", "no")


def test_a_quiet_run_leaves_no_doubt() -> None:
    assert doubts(run(), foreign_share=0.01) == []


def test_other_programs_are_told_of() -> None:
    assert doubts(run(), foreign_share=0.3) == [
        "Other programs or machines took 30% of the cores while they were measured."
    ]


def test_rounds_that_differ_are_told_of() -> None:
    measured = run()
    measured.add(Key("closed", 32, "nginx"), {"requests_per_s": 30_000})
    assert doubts(measured, foreign_share=0) == [
        "The machine was noisy: rounds differ by more than 25% in 32 connections through nginx 40%."
    ]


def test_broken_streams_are_told_of() -> None:
    assert "With 1,000 streams through penstock: 6 broken in 3 rounds." in doubts(
        run(streams_1000={"broken": 2}), foreign_share=0
    )


@pytest.mark.parametrize(("server", "limit"), [(0.6, "the load was the limit"), (0.95, "both were full")])
def test_a_load_that_was_full_itself_is_told_of(server: float, limit: str) -> None:
    measured = run(streams_1000={"server_share": server, "load_share": 0.98})
    assert doubts(measured, foreign_share=0) == [
        f"With 1,000 streams through penstock the load's core was 98% full, the server's {server:.0%}: {limit}."
    ]


def test_the_page_begins_with_what_must_be_reached() -> None:
    page = report.markdown(document(run()))
    assert page.index("| requests/s against nginx") < page.index("## Doubts") < page.index("## Closed loop")
    assert "| 32 | penstock | 12,500 | 0.25 | 70 |" in page
    assert "litellm 1.2.3 ran with no budget." in page
    assert "## Large prompts" not in page


def test_the_files_are_named_for_machine_and_python_and_hold_the_rounds(tmp_path: Path) -> None:
    page = report.write(document(run(), quick=True), tmp_path)
    assert page.name == "2026-11-21-some-cpu-python-3.11.2-peers-quick.md"
    text = page.with_suffix(".json").read_text()
    assert Measured.from_rows(json.loads(text)["rows"]).rows() == run().rows()
    assert sum(line.startswith('  {"load"') for line in text.splitlines()) == len(run().rows())


def test_the_picture_is_well_formed_and_its_bars_are_to_scale() -> None:
    picture = ET.fromstring(chart.draw(document(run())))
    rects = [rect for rect in picture.iter() if rect.tag.endswith("rect")]
    widths = [float(rect.attrib["width"]) for rect in rects]
    assert [rect.attrib["class"] for rect in rects] == ["bar", "own", "bar", "bar", "own"]
    assert widths[1] / widths[0] == pytest.approx(0.25, rel=0.01)
    assert widths[4] / widths[3] == pytest.approx(0.75, rel=0.01)
    texts = [text.text for text in picture.iter() if text.tag.endswith("text")]
    assert "12,500 (70 µs CPU)" in texts
    assert "LiteLLM" in texts


@pytest.mark.parametrize("why", ["quick", "broken", "empty"])
def test_a_picture_is_drawn_from_whole_runs_alone(why: str) -> None:
    measured = Measured() if why == "empty" else run(streams_100={"broken": float(why == "broken")})
    with pytest.raises(ValueError, match="whole run"):
        chart.draw(document(measured, quick=why == "quick"))
