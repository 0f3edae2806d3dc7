from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.cli.segments import follow, newest
from penstock.config import load_pepper, load_settings, subkey
from penstock.stores import seals
from penstock.stores.seals import START
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
        "request_id": f"req-{number}",
        "status": "ok",
        "cache_hit": False,
        "estimated_cost_usd": 1e-05,
        "decision": {"targets": ["fast"]},
    }


def everything(_event: object) -> bool:
    return True


def key_of(config: Path) -> bytes:
    return subkey(load_pepper(load_settings(config, {})), "audit log")


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
    assert [line.split("trace_id=")[1] for line in lines] == ["trace-2 request_id=req-2", "trace-3 request_id=req-3"]
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
    found, _ = newest(directory, key_of(config), everything, 4)
    assert [each["trace_id"] for each in found] == ["trace-1", "trace-2", "trace-3", "trace-4"]


def test_events_can_be_chosen_and_printed_as_json(config: Path) -> None:
    write_log(config, [event(1), event(2, "b"), {"event_type": "llm_intent", "tenant_id": "b"}])
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config), "--tenant", "b", "--json"])
    assert [json.loads(line) for line in result.output.splitlines()] == [event(2, "b")]
    for wanted in ("trace-1", "req-1"):
        result = RUN.invoke(app, ["audit", "tail", "--config", str(config), "--trace", wanted])
        assert result.output.count("\n") == 1


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_following_goes_from_segment_to_segment_and_waits_for_seals(config: Path, tmp_path: Path) -> None:
    written = write_log(config, [event(number) for number in range(5)], segment_bytes=1)
    paths = sorted(written.glob("*.jsonl"))
    directory = tmp_path / "growing"
    directory.mkdir()
    data = [path.read_bytes() for path in paths]
    for path, part in zip(paths[:2], (data[0], data[1][:-5]), strict=True):
        append(directory / path.name, part)
    # What is written while the reader waits, step by step.
    steps = [((1, data[1][-5:]),), ((2, data[2]), (3, data[3])), ((4, data[4]),)]

    def wait() -> None:
        for number, part in steps.pop(0):
            append(directory / paths[number].name, part)

    found, place = newest(directory, key_of(config), everything, 10)
    assert found == [event(0)]
    following = follow(directory, key_of(config), everything, place, wait=wait)
    assert [next(following) for _ in range(4)] == [event(number) for number in range(1, 5)]


def test_following_an_empty_folder_starts_with_the_first_segment(config: Path, tmp_path: Path) -> None:
    (path,) = write_log(config, [event(1)]).glob("*.jsonl")
    directory = tmp_path / "new"
    directory.mkdir()
    assert newest(directory, key_of(config), everything, 5) == ([], START)
    copied = directory / path.name
    following = follow(directory, key_of(config), everything, START, wait=lambda: append(copied, path.read_bytes()))
    assert next(following) == event(1)


def test_only_what_is_sealed_is_shown(config: Path) -> None:
    directory = write_log(config, [event(1)])
    (path,) = directory.glob("*.jsonl")
    append(path, json.dumps(event(9)).encode() + b"\n")
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config), "--json"])
    assert [json.loads(line) for line in result.output.splitlines()] == [event(1)]


def test_a_changed_record_is_not_shown(config: Path) -> None:
    directory = write_log(config, [event(1), event(2)])
    (path,) = directory.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"trace-1", b"trace-9"))
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{path.name} is not what was written, from byte 0 on: run `penstock audit verify`" in result.stderr
    # A group is proved by itself: damage elsewhere hides nothing.
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config), "-n", "1"])
    assert "trace_id=trace-2" in result.stdout


@pytest.mark.parametrize("added", [b'{"event_type":"forged"}\n', b"abc"])
def test_what_stands_unsealed_at_the_end_is_not_proved(config: Path, added: bytes) -> None:
    directory = write_log(config, [event(1), event(2)])
    (path,) = directory.glob("*.jsonl")
    sealed = path.stat().st_size
    append(path, added)
    result = RUN.invoke(app, ["audit", "verify", "--config", str(config)])
    told, counted = result.output.splitlines()
    assert result.exit_code == 1
    assert told.startswith(f"{path.name}, byte {sealed}: {len(added)} unsealed bytes at the end. Nothing proves them.")
    assert counted == "NOT proved to its end: 2 records in 1 segment intact, up to record 2."


def test_another_pepper_is_one_finding(config: Path) -> None:
    write_log(config, [event(number) for number in range(5)])
    env = {"PENSTOCK_PEPPER": "another" * 5}
    result = RUN.invoke(app, ["audit", "verify", "--config", str(config)], env=env)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "was made with this pepper" in result.output
    assert RUN.invoke(app, ["audit", "tail", "--config", str(config)], env=env).exit_code == 1


def test_findings_name_the_file_and_byte_that_they_are_about(config: Path) -> None:
    directory = write_log(config, [event(number) for number in range(4)])
    (path,) = directory.glob("*.jsonl")
    data = path.read_bytes()
    groups = list(seals.groups(data))
    path.write_bytes(data.replace(b"trace-1", b"trace-9"))
    result = RUN.invoke(app, ["audit", "verify", "--config", str(config)])
    assert result.output.startswith(f"{path.name}, byte {groups[1].start}: record 2: records were changed")
    path.write_bytes(data[: groups[1].end])
    result = RUN.invoke(app, ["audit", "verify", "--config", str(config)])
    assert result.output.startswith(
        "head: records 3 to 4: the head names record 4 as the last: the end of the log was cut"
    )
    path.write_bytes(data)
    (directory / "head").unlink()
    result = RUN.invoke(app, ["audit", "verify", "--config", str(config)])
    assert result.output.startswith("head: the head is missing, was changed")


def test_a_folder_in_the_place_of_a_segment_is_told(config: Path) -> None:
    directory = write_log(config, [event(number) for number in range(3)], segment_bytes=1)
    path = sorted(directory.glob("*.jsonl"))[1]
    path.unlink()
    path.mkdir()
    result = RUN.invoke(app, ["audit", "verify", "--config", str(config)])
    assert (result.exit_code, result.output.splitlines()) == (
        1,
        [
            f"{path.name}: record 2: the segment cannot be read: Is a directory",
            "NOT intact: 1 finding; 2 records in 3 segments proved.",
        ],
    )
    result = RUN.invoke(app, ["audit", "tail", "--config", str(config)])
    assert (result.exit_code, result.stderr) == (
        1,
        f"{path} cannot be read: Is a directory. Restore it from a backup.\n",
    )


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
