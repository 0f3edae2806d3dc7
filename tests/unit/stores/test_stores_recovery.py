"""A log cut at any byte is whole again after it is opened; a log changed at any byte is found out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.core.errors import StoreFailed
from penstock.stores import seals
from penstock.stores.recovery import recover
from penstock.stores.seals import Head, Position
from penstock.stores.segment_file import read_batch, segment_numbers, segment_path
from penstock.stores.segments import SegmentLog
from penstock.stores.verification import verify
from support.logs_on_disk import KEY, event, read_log, write_groups

SIZES = [2, 1, 3]
GROUPS_END = [0, 2, 3, 6]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("log")
    write_groups(directory, SIZES)
    return directory


def _cut(written: Path, directory: Path, size: int) -> int:
    """A copy as a crash leaves it after ``size`` bytes, the head being the last whole group's; its last sequence."""
    directory.mkdir()
    data = segment_path(written, 1).read_bytes()
    sealed = [group for group in seals.groups(data) if group.end <= size]
    head = Head(sealed[-1].last, sealed[-1].mac) if sealed else Head(0, seals.GENESIS)
    (directory / "head").write_bytes(seals.head_bytes(KEY, head))
    segment_path(directory, 1).write_bytes(data[:size])
    return head.sequence


def test_cut_at_every_byte_the_sealed_part_survives_and_the_rest_is_kept_apart(written: Path, tmp_path: Path) -> None:
    data = segment_path(written, 1).read_bytes()
    for size in range(len(data) + 1):
        directory = tmp_path / str(size)
        last = _cut(written, directory, size)
        found = recover(directory, KEY)
        assert found.end.sequence == last in GROUPS_END
        kept = segment_path(directory, 1).read_bytes()
        torn = b"".join(path.read_bytes() for path in directory.glob("torn-*"))
        assert kept + torn == data[:size]
        assert found.torn_bytes == len(torn)
        proved = verify(directory, KEY)
        assert proved.intact
        assert proved.last_sequence == last
        shutil.rmtree(directory)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_a_recovered_log_goes_on_and_says_what_happened(
    written: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    size = int(share * segment_path(written, 1).stat().st_size)
    directory = tmp_path_factory.mktemp("cut") / "log"
    last = _cut(written, directory, size)
    log = SegmentLog(directory, KEY, commit_s=0.0)
    log.append(event(99))
    log.close()
    log = SegmentLog(directory, KEY)
    records = read_log(log)
    log.close()
    assert records[:last] == [event(number) for number in range(1, last + 1)]
    assert records[-1] == event(99)
    assert [record["event_type"] for record in records[last:-1]] in ([], ["log_recovered"])
    assert verify(directory, KEY).intact


def test_every_changed_byte_is_found_in_its_group(written: Path, tmp_path: Path) -> None:
    data = segment_path(written, 1).read_bytes()
    directory = tmp_path / "log"
    shutil.copytree(written, directory)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        segment_path(directory, 1).write_bytes(changed)
        assert not verify(directory, KEY, wait=lambda: None).intact, at
        with pytest.raises(StoreFailed):
            recover(directory, KEY)


def test_a_changed_record_is_one_finding_that_names_its_group(written: Path, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    shutil.copytree(written, directory)
    path = segment_path(directory, 1)
    path.write_bytes(path.read_bytes().replace(b'"number":3', b'"number":7'))
    found = verify(directory, KEY)
    assert [(finding.first, finding.last) for finding in found.findings] == [(3, 3)]
    assert found.records == 5
    with pytest.raises(StoreFailed):
        read_batch(directory, KEY, seals.START, seals.Position(1, path.stat().st_size, 6, ""))


@pytest.mark.parametrize("number", [1, 5, 9])
def test_a_segment_that_was_emptied_or_removed_is_named_by_its_reader(segments: Path, number: int) -> None:
    end = recover(segments, KEY).end
    path = segment_path(segments, number)
    path.write_bytes(b"")
    with pytest.raises(StoreFailed, match=f"{path.name} is not what was written"):
        _read_all(segments, end)
    path.unlink()
    with pytest.raises(StoreFailed, match=f"{path.name} is missing"):
        _read_all(segments, end)


def _read_all(directory: Path, end: Position) -> None:
    position = seals.START
    while (batch := read_batch(directory, KEY, position, end)) is not None:
        position = batch.end


@pytest.fixture
def segments(tmp_path: Path) -> Path:
    """A log of several segments."""
    write_groups(tmp_path, [2, 2, 2, 2, 2], segment_bytes=200)
    assert len(segment_numbers(tmp_path)) == 5
    assert verify(tmp_path, KEY).intact
    return tmp_path


def _messages(directory: Path) -> str:
    return " · ".join(finding.message for finding in verify(directory, KEY).findings)


def test_a_removed_segment_is_found(segments: Path) -> None:
    segment_path(segments, 5).unlink()
    assert "records are missing" in _messages(segments)


def test_a_removed_end_is_found_and_refused(segments: Path) -> None:
    segment_path(segments, 9).unlink()
    assert "cut off" in _messages(segments)
    with pytest.raises(StoreFailed, match="does not hold record 10"):
        recover(segments, KEY)


def test_everything_removed_is_found_and_refused(segments: Path) -> None:
    for number in segment_numbers(segments):
        segment_path(segments, number).unlink()
    assert "cut off" in _messages(segments)
    with pytest.raises(StoreFailed, match="segments are gone"):
        recover(segments, KEY)


def test_swapped_segments_are_found(segments: Path) -> None:
    one, other = segment_path(segments, 3), segment_path(segments, 5)
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)
    assert not verify(segments, KEY).intact


def test_a_group_moved_within_its_segment_is_found(written: Path, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    shutil.copytree(written, directory)
    path = segment_path(directory, 1)
    data = path.read_bytes()
    first, second, third = seals.groups(data)
    path.write_bytes(data[: first.end] + data[third.start : third.end] + data[second.start : second.end])
    assert not verify(directory, KEY).intact


def test_a_removed_or_forged_head_is_found_and_refused(written: Path, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    shutil.copytree(written, directory)
    (directory / "head").write_bytes(seals.head_bytes(b"x" * 32, Head(3, "0" * 64)))
    assert "head" in _messages(directory)
    with pytest.raises(StoreFailed, match="head"):
        recover(directory, KEY)
    (directory / "head").unlink()
    assert "head" in _messages(directory)
    with pytest.raises(StoreFailed, match="head"):
        recover(directory, KEY)


def test_a_head_that_a_power_cut_left_behind_loses_nothing(written: Path, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    shutil.copytree(written, directory)
    first = next(seals.groups(segment_path(written, 1).read_bytes()))
    (directory / "head").write_bytes(seals.head_bytes(KEY, Head(first.last, first.mac)))
    assert verify(directory, KEY).intact
    assert recover(directory, KEY).end.sequence == 6


def test_lines_added_without_a_seal_are_never_taken_up(written: Path, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    shutil.copytree(written, directory)
    with segment_path(directory, 1).open("ab") as file:
        file.write(b'{"event_type":"forged"}\n')
    assert verify(directory, KEY, wait=lambda: None).unsealed_bytes == 24
    log = SegmentLog(directory, KEY)
    log.close()
    log = SegmentLog(directory, KEY)
    assert [record["event_type"] for record in read_log(log)] == ["config_reloaded"] * 6 + ["log_recovered"]
    log.close()


def test_a_group_in_flight_is_waited_for(written: Path, tmp_path: Path) -> None:
    directory = tmp_path / "log"
    shutil.copytree(written, directory)
    path = segment_path(directory, 1)
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    proved = verify(directory, KEY, wait=lambda: path.write_bytes(data))
    assert (proved.intact, proved.records, proved.unsealed_bytes) == (True, 6, 0)


def test_another_key_is_told_once(written: Path) -> None:
    proved = verify(written, b"x" * 32)
    assert (proved.key_fits, proved.intact, proved.findings) == (False, False, ())


def test_a_crash_while_a_segment_begins_goes_on_there(segments: Path) -> None:
    for torn in (b"", b'["penstock-log",1,11,"00'):
        segment_path(segments, 11).write_bytes(torn)
        assert recover(segments, KEY).end.segment == 11
        assert verify(segments, KEY).intact


def test_a_crash_while_the_first_head_is_written_begins_anew(tmp_path: Path) -> None:
    for torn in (b"", b"[0,"):
        (tmp_path / "head").write_bytes(torn)
        assert recover(tmp_path, KEY).end == seals.START
