"""Segment logs on a temporary folder, and what to put into them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from penstock.stores.seals import START
from penstock.stores.segments import SegmentLog

KEY = b"k" * 32


def event(number: int, **fields: Any) -> dict[str, Any]:
    """Something that happened."""
    return {"event_type": "config_reloaded", "number": number, **fields}


def write_log(directory: Path, count: int, *, segment_bytes: int = 1 << 20, first: int = 1) -> None:
    """Append ``count`` events, numbered from ``first`` on, and close."""
    log = SegmentLog(directory, KEY, commit_s=0.0, segment_bytes=segment_bytes)
    for number in range(first, first + count):
        log.append(event(number))
    log.close()


def write_groups(directory: Path, sizes: list[int], *, segment_bytes: int = 1 << 20) -> None:
    """One sealed group of each size, numbered on."""
    number = 0
    for size in sizes:
        log = SegmentLog(directory, KEY, commit_s=5.0, segment_bytes=segment_bytes)
        for _ in range(size):
            number += 1
            log.append(event(number))
        log.close()


def read_log(log: SegmentLog) -> list[dict[str, Any]]:
    """Every record on the disk, in order."""
    records: list[dict[str, Any]] = []
    position = START
    while (batch := log.read(position)) is not None:
        assert batch.first == len(records) + 1
        records += [msgspec.json.decode(line) for line in batch.lines]
        position = batch.end
    return records


class Disk:
    """A ``sync`` that can fail, or wait until it is let go."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.broken = False
        self.syncs = 0
        self._before = before

    def __call__(self, _descriptor: int) -> None:
        self._before()
        self.syncs += 1
        if self.broken:
            raise OSError(5, "Input/output error")
