"""Opening a log after any end: closed, killed at any byte, or cut off by a power failure.

What was sealed stays. What stands behind the last good seal was never reported as written: it is moved to a file of
its own (``torn-SEGMENT-OFFSET-N``), not sealed again, because nobody can vouch for unsealed lines. The head tells such
a torn end from tampering: everything up to the head was on the disk, so a gap at or before it is no accident.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from penstock.core.errors import StoreFailed
from penstock.stores import seals
from penstock.stores.seals import START, Head, Position
from penstock.stores.segment_file import segment_numbers, segment_path, sync_directory


class Recovered(Struct, frozen=True):
    """Where a log goes on, and what was set apart behind it."""

    end: Position
    torn_bytes: int = 0
    torn_file: str = ""


def recover(directory: Path, key: bytes) -> Recovered:
    """Make the log of ``directory`` whole again.

    Raises ``StoreFailed`` when it was written with another key, changed or shortened, ``OSError`` as files do.
    """
    head_path = directory / "head"
    head = seals.read_head(key, head_path.read_bytes()) if head_path.exists() else None
    numbers = segment_numbers(directory)
    if not numbers:
        if head is not None and head.sequence:
            raise _refused(directory, f"its segments are gone; it went up to record {head.sequence}")
        return Recovered(START)
    if head is None:
        raise _refused(directory, "its head is missing, was changed, or was written with another key")
    data = segment_path(directory, numbers[-1]).read_bytes()
    end = _last_seal(key, data, numbers[-1], head)
    if end is None:
        raise _refused(directory, f"its last segment does not hold record {head.sequence} as it was sealed")
    return _set_apart(directory, data, end)


def _last_seal(key: bytes, data: bytes, first: int, head: Head) -> Position | None:
    """The end of what is good in the last segment; ``None`` when the head is not part of it."""
    mac = seals.header_mac(data, first)
    if mac is None:  # torn before its first group: the head was put on the disk before this segment began
        return Position(first, 0, head.sequence, head.mac) if head.sequence == first - 1 else None
    end = Position(first, 0, first - 1, mac)
    vouched = _is_head(end, head)
    for group in seals.groups(data):
        if group.first != end.sequence + 1 or not seals.proves(key, end.mac, data, group):
            break
        end = Position(first, group.end, group.last, group.mac)
        vouched = vouched or _is_head(end, head)
    return end if vouched else None


def _is_head(end: Position, head: Head) -> bool:
    return (end.sequence, end.mac) == (head.sequence, head.mac)


def _set_apart(directory: Path, data: bytes, end: Position) -> Recovered:
    torn = data[end.offset :]
    if not torn:
        return Recovered(end)
    name = f"torn-{end.segment}-{end.offset}-{len(list(directory.glob('torn-*')))}"
    with (directory / name).open("xb") as file:
        file.write(torn)
        file.flush()
        os.fsync(file.fileno())
    with segment_path(directory, end.segment).open("r+b") as file:
        file.truncate(end.offset)
        os.fsync(file.fileno())
    sync_directory(directory)
    return Recovered(end, len(torn), name)


def _refused(directory: Path, why: str) -> StoreFailed:
    return StoreFailed(
        f"The log in {directory} cannot be continued: {why}. Run `penstock audit verify`; to begin a new log, move "
        "this folder and the database away together."
    )
