from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.cli.segments import Place, follow, newest
from penstock.config import load_pepper, load_settings, subkey
from penstock.stores.segments import SegmentLog
from support.configs import GOOD

RUN = CliRunner()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(f"{GOOD}store: {{url: 'sqlite:///{tmp_path}/p.db'}}\n")
    return path


def event(number: int, tenant: str = "a") -> dict[str, Any]:
    return {
        "event_type": "llm_request_completed",
        "time": 1_800_000_000 + number,
        "tenant_id": tenant,
        "trace_id": f"trace-{number}",
        "status": "ok",
        "cache_hit": False,
        "estimated_cost_usd": 1e-05,
        "decision": {"targets": ["fast"]},
    }


def write_log(config: Path, events: list[dict[str, Any]], segment_bytes: int = 1 << 20) -> Path:
    """A real log of these events, one group each where segments are small."""
    settings = load_settings(config, {})
    for one in events:
        log = SegmentLog(
            settings.store.log_directory, subkey(load_pepper(settings), "audit log"), segment_bytes=segment_bytes
        )
        log.append(one)
        log.close()
    return settings.store.log_directory


def test_the_newest_events_come_last(config: Path) -> None:
    write_log(config, [event(number) for number in range(4)])
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config), "-n", "2"])
    lines = result.output.splitlines()
    assert [line.split("trace_id=")[1] for line in lines] == ["trace-2", "trace-3"]
    assert "estimated_cost_usd=0.00001 " in lines[0]
    assert lines[0].startswith("2027-01-15T08:00:02Z llm_request_completed tenant_id=a status=ok")


def test_what_a_caller_wrote_can_forge_no_second_event(config: Path) -> None:
    write_log(config, [event(1) | {"task": "x\n2026-01-01T00:00:00Z FORGED llm_request_completed \x1b[2J"}])
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config)])
    assert result.output.count("\n") == 1
    assert "\x1b" not in result.output


def test_events_are_found_across_segments(config: Path) -> None:
    directory = write_log(config, [event(number) for number in range(5)], segment_bytes=1)
    assert len(list(directory.glob("*.jsonl"))) > 1
    found, _ = newest(directory, {}, 4)
    assert [each["trace_id"] for each in found] == ["trace-1", "trace-2", "trace-3", "trace-4"]


def test_events_can_be_chosen_and_printed_as_json(config: Path) -> None:
    write_log(config, [event(1), event(2, "b"), {"event_type": "llm_intent", "tenant_id": "b"}])
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config), "--tenant", "b", "--json"])
    assert [json.loads(line) for line in result.output.splitlines()] == [event(2, "b")]
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config), "--trace", "trace-1"])
    assert result.output.count("\n") == 1


def test_following_goes_from_segment_to_segment_and_waits_for_whole_lines(tmp_path: Path) -> None:
    first, second = tmp_path / f"{1:020d}.jsonl", tmp_path / f"{3:020d}.jsonl"
    lines = [json.dumps({"event_type": "e", "n": number}) + "\n" for number in range(5)]
    first.write_text('["penstock-log",1,1,""]\n' + lines[0] + lines[1][:5])
    # What is written while the reader waits, step by step.
    steps = [
        ((first, lines[1][5:]),),
        ((first, lines[2]), (second, lines[3])),
        ((second, lines[4]),),
    ]

    def wait() -> None:
        for path, text in steps.pop(0):
            with path.open("a") as file:
                file.write(text)

    found, place = newest(tmp_path, {}, 10)
    assert [each["n"] for each in found] == [0]
    following = follow(tmp_path, {}, place, wait=wait)
    assert [next(following)["n"] for _ in range(4)] == [1, 2, 3, 4]


def test_following_an_empty_folder_starts_with_the_first_segment(tmp_path: Path) -> None:
    assert newest(tmp_path, {}, 5) == ([], Place())
    path = tmp_path / f"{1:020d}.jsonl"
    following = follow(tmp_path, {}, Place(), wait=lambda: path.write_text('{"event_type": "e"}\n'))
    assert next(following) == {"event_type": "e"}


def test_an_untouched_log_is_proved(config: Path) -> None:
    write_log(config, [event(1), event(2)])
    result = RUN.invoke(app, ["audit", "verify", "--config", str(config)])
    assert (result.exit_code, result.output) == (0, "Intact: 2 records in 1 segment.\n")


def test_a_changed_record_is_found(config: Path) -> None:
    directory = write_log(config, [event(1), event(2)])
    (path,) = directory.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"trace-1", b"trace-9"))
    result = RUN.invoke(app, ["audit", "verify", "--config", str(config)])
    assert result.exit_code == 1
    assert "NOT intact" in result.output


def test_a_filter_that_finds_nothing_says_so(config: Path) -> None:
    write_log(config, [event(1)])
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config), "--tenant", "b"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No events.\n")


@pytest.mark.parametrize("command", ["verify", "tail"])
def test_without_a_log_there_is_nothing_to_read_and_nothing_is_made(config: Path, command: str) -> None:
    result = RUN.invoke(app, ["audit", command, "--config", str(config)])
    assert result.exit_code == 1
    assert f"There is no audit log at {config.parent}/p.db.log" in result.stderr
    assert [each.name for each in config.parent.iterdir()] == ["c.yaml"]
