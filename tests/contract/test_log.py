"""The port ``Log``: what every implementation promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from penstock.core.call import Usage
from penstock.core.errors import StoreFailed
from penstock.stores.segments import SegmentLog
from support.logs_on_disk import KEY, read_log


class _Note(Struct):
    number: int
    event_type: str = "note"


class _Seal(Struct, array_like=True):
    name: str
    first: int
    last: int
    mac: str


LOGS: dict[str, Callable[[Path], SegmentLog]] = {"segments": lambda directory: SegmentLog(directory, KEY)}


@pytest.fixture(params=LOGS)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SegmentLog]:
    log = LOGS[request.param](tmp_path)
    yield log
    log.close()


def test_sequence_numbers_go_up_by_one(log: SegmentLog) -> None:
    first = log.append({"event_type": "a"})
    assert [log.append({"event_type": "a"}) for _ in range(50)] == list(range(first + 1, first + 51))


async def test_flushed_may_be_awaited_in_any_order_and_again(log: SegmentLog) -> None:
    first, second = log.append({"event_type": "a"}), log.append({"event_type": "b"})
    await log.flushed(second)
    await log.flushed(first)
    await log.flushed(second)


def test_structs_and_raw_values_are_taken_as_json(log: SegmentLog) -> None:
    assert log.append({"event_type": "a", "usage": Usage(1, 2), "raw": msgspec.Raw(b"[1]"), "names": ("x",)}) == 1


async def test_a_struct_is_written_as_the_dict_of_its_fields(log: SegmentLog) -> None:
    log.append({"event_type": "note", "number": 1})
    log.append(_Note(2))
    await log.flushed(2)
    assert read_log(log) == [{"event_type": "note", "number": 1}, {"event_type": "note", "number": 2}]


def test_only_an_object_is_a_record(log: SegmentLog) -> None:
    with pytest.raises(TypeError):
        log.append(_Seal("seal", 1, 1, "0" * 64))
    assert log.append({"event_type": "a"}) == 1


def test_what_cannot_be_json_is_refused_and_takes_no_number(log: SegmentLog) -> None:
    with pytest.raises(TypeError):
        log.append({"event_type": object()})
    assert log.append({"event_type": "a"}) == 1


def test_a_closed_log_refuses(log: SegmentLog) -> None:
    log.close()
    with pytest.raises(StoreFailed):
        log.append({"event_type": "a"})
