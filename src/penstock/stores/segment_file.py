"""Segment files on a disk: opened, written as sealed groups, read back. No threads; ``segments.py`` has those."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from penstock.core.errors import StoreFailed
from penstock.stores import seals
from penstock.stores.seals import Batch, Group, Head, Position

# What a reader takes of a segment at a time, and so the block that an entry of the index stands for: larger makes the
# index smaller, and a query read more that nobody asked for.
READ_BYTES = 128 * 1024
# A group is what one seal vouches for, and the least that can be read.
GROUP_RECORDS = 2048
_OURS = 0o600


class SegmentWriter:
    """Appends groups at the end that ``recover`` found. ``sync`` puts a file's data on the disk.

    Every method may raise ``OSError``; the writer is useless after that.
    """

    def __init__(
        self, directory: Path, key: bytes, end: Position, *, segment_bytes: int, sync: Callable[[int], None]
    ) -> None:
        self.end = end
        self._directory = directory
        self._key = key
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._head = os.open(directory / "head", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OURS)
        self._write_head()
        os.fsync(self._head)
        self._segment = self._open_segment(end.segment)

    def commit(self, lines: Sequence[bytes]) -> None:
        """Put ``lines`` on the disk as sealed groups; ``end`` is behind them when this returns."""
        end = self.end
        for start in range(0, len(lines), GROUP_RECORDS):
            if end.offset >= self._segment_bytes:
                end = self._rotate(end)
            end = self._write_group(end, lines[start : start + GROUP_RECORDS])
        self._sync(self._segment)
        self.end = end
        # Without a sync of its own: after a power cut the head may be behind the log, never ahead of it.
        self._write_head()

    def close(self) -> None:
        """Put the head on the disk and let go of the files."""
        try:
            os.fsync(self._head)
        finally:
            os.close(self._head)
            os.close(self._segment)

    def _write_group(self, end: Position, lines: Sequence[bytes]) -> Position:
        first = end.sequence + 1
        body = b"\n".join(lines) + b"\n"
        if end.offset == 0:
            body = seals.header_line(first, end.mac) + body
        seal, mac = seals.seal_group(self._key, end.mac, first, body, len(lines))
        _write_all(self._segment, body + seal)
        return Position(end.segment, end.offset + len(body) + len(seal), end.sequence + len(lines), mac)

    def _rotate(self, end: Position) -> Position:
        """Begin a segment, the last one and the head being safe on the disk: recovery relies on it."""
        self._sync(self._segment)
        self.end = end
        self._write_head()
        os.fsync(self._head)
        os.close(self._segment)
        self._segment = self._open_segment(end.sequence + 1)
        return Position(end.sequence + 1, 0, end.sequence, end.mac)

    def _open_segment(self, first: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(segment_path(self._directory, first), flags, _OURS)
        sync_directory(self._directory)
        return descriptor

    def _write_head(self) -> None:
        os.pwrite(self._head, seals.head_bytes(self._key, Head(self.end.sequence, self.end.mac)), 0)


def segment_path(directory: Path, first: int) -> Path:
    """The file of the segment whose first record is number ``first``."""
    return directory / f"{first:020d}.jsonl"


def segment_numbers(directory: Path) -> list[int]:
    """The first sequence number of every segment, in order."""
    return sorted(int(path.stem) for path in directory.glob("*.jsonl") if path.stem.isdigit())


def sync_directory(directory: Path) -> None:
    """Put the names of new files on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_batch(directory: Path, key: bytes, after: Position, end: Position) -> Batch | None:
    """Some whole groups behind ``after``, none behind ``end``, each proved; ``None`` when there are none.

    Raises ``StoreFailed`` when what stands there is not what was sealed after ``after``, or cannot be read.
    """
    if after.sequence >= end.sequence:
        return None
    path = segment_path(directory, after.segment)
    is_last = after.segment == end.segment
    with _reading(path) as file:
        limit = end.offset if is_last else os.fstat(file.fileno()).st_size
        file.seek(after.offset)
        data = file.read(min(READ_BYTES, limit - after.offset)) if limit > after.offset else b""
        found = list(seals.groups(data))
        while data and not found and after.offset + len(data) < limit:
            data += file.read(min(len(data), limit - after.offset - len(data)))
            found = list(seals.groups(data))
    if not data and after.offset and not is_last:
        return read_batch(directory, key, Position(after.sequence + 1, 0, after.sequence, after.mac), end)
    return _proved(path, key, after, data, found)


def read_again(directory: Path, key: bytes, after: Position, end_offset: int) -> Batch:
    """The groups of one segment between ``after`` and a byte of it, each proved.

    Raises ``StoreFailed`` when they are not what was sealed after ``after``, or cannot be read.
    """
    path = segment_path(directory, after.segment)
    with _reading(path) as file:
        file.seek(after.offset)
        data = file.read(end_offset - after.offset)
    batch = _proved(path, key, after, data, list(seals.groups(data)))
    if batch.end.offset != end_offset:
        raise _damaged(path, batch.end.offset)
    return batch


def _proved(path: Path, key: bytes, after: Position, data: bytes, found: Sequence[Group]) -> Batch:
    if not found:
        raise _damaged(path, after.offset)
    bodies: list[bytes] = []
    sequence, mac = after.sequence, after.mac
    for group in found:
        if group.first != sequence + 1 or not seals.proves(key, mac, data, group):
            raise _damaged(path, after.offset + group.start)
        bodies.append(seals.records(data, group))
        sequence, mac = group.last, group.mac
    end = Position(after.segment, after.offset + found[-1].end, sequence, mac)
    return Batch(after, bodies, end)


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise StoreFailed(
            f"{_name(path)} {what}: restore it from a backup, and run `penstock audit verify`."
        ) from error


def _damaged(path: Path, offset: int) -> StoreFailed:
    return StoreFailed(f"{_name(path)} is not what was written, from byte {offset} on: run `penstock audit verify`.")


def _name(path: Path) -> str:
    """Enough for the operator; where on the machine it lies is no caller's business."""
    return f"{path.parent.name}/{path.name}"


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
