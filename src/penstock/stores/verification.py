"""Proves a log: nothing in it was changed, removed, reordered or cut off.

What each part catches, against someone who can write the files but has no key: the seals catch a changed, removed or
reordered record and a removed segment; the head catches a removed end. Older copies of segments and head put back
together are caught by the database alone, which remembers the last seal it has indexed: the owner refuses to start.
A group sealed since the head last reached the disk (a power cut) can be removed unseen; so can what was never sealed.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from penstock.stores import seals
from penstock.stores.seals import GENESIS, Head, Position
from penstock.stores.segment_file import segment_numbers, segment_path


class Finding(Struct, frozen=True):
    """One thing that is wrong: in which segment, from which byte, touching which records, and what it means."""

    segment: int
    offset: int
    first: int
    last: int
    message: str


class Verification(Struct, frozen=True):
    """What was proved. ``unsealed_bytes`` at the end are a group in flight, or a crash that no start has cleaned yet."""

    segments: int
    records: int
    last_sequence: int
    unsealed_bytes: int
    findings: tuple[Finding, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(directory: Path, key: bytes) -> Verification:
    """Prove every group of the log; it may be in use. Holds one segment in memory.

    Raises ``OSError`` as files do.
    """
    head_path = directory / "head"
    # Read before the segments: a log in use grows past it meanwhile.
    head = seals.read_head(key, head_path.read_bytes()) if head_path.exists() else None
    walk = _Walk(key, head)
    numbers = segment_numbers(directory)
    for number in numbers:
        walk.segment(number, segment_path(directory, number).read_bytes(), is_last=number == numbers[-1])
    walk.finish(bool(numbers) or head_path.exists())
    return Verification(len(numbers), walk.records, walk.end.sequence, walk.unsealed_bytes, tuple(walk.findings))


class _Walk:
    """Goes along the chain and on after a break, so that one change is one finding and not all that follows."""

    def __init__(self, key: bytes, head: Head | None) -> None:
        self._key = key
        self._head = head
        self._met_head = head is not None and head.sequence == 0
        self.end = Position(1, 0, 0, GENESIS)
        self.records = 0
        self.unsealed_bytes = 0
        self.findings: list[Finding] = []

    def segment(self, first: int, data: bytes, *, is_last: bool) -> None:
        self._gap(first, 0, first)
        mac = seals.header_mac(data, first)
        if mac is None:
            if is_last and b"\n" not in data:
                self.unsealed_bytes = len(data)
            else:
                self._find(first, 0, (first, first), "the segment's first line was changed")
            return
        if mac != self.end.mac and self.end.sequence == first - 1:
            self._find(first, 0, (first, first), "the segment does not continue the one before it")
        self.end = Position(first, 0, first - 1, mac)
        for group in seals.groups(data):
            if not group.mac:
                touched = (self.end.sequence + 1, self.end.sequence + 1)
                self._find(first, group.start, touched, "a seal was made unreadable")
                self.end = Position(first, group.end, self.end.sequence, "")
                continue
            self._gap(first, group.start, group.first)
            if not seals.proves(self._key, self.end.mac, data, group):
                message = "records were changed, removed, added or reordered, or another key was used"
                self._find(first, group.start, (group.first, group.last), message)
            else:
                self.records += group.last - group.first + 1
            self.end = Position(first, group.end, group.last, group.mac)
            if self._head == Head(group.last, group.mac):
                self._met_head = True
        self._tail(first, len(data) - self.end.offset, is_last=is_last)

    def finish(self, exists: bool) -> None:  # noqa: FBT001 - private, and the name says it
        if not exists:
            return
        if self._head is None:
            self._find(0, 0, (0, 0), "the head is missing, was changed, or was written with another key")
        elif not self._met_head:
            first = min(self.end.sequence + 1, self._head.sequence)
            self._find(0, 0, (first, self._head.sequence), "the end of the log was cut off or replaced")

    def _tail(self, first: int, size: int, *, is_last: bool) -> None:
        if size and is_last:
            self.unsealed_bytes = size
        elif size:
            message = "unsealed lines were added, or the seal of the last group was removed"
            self._find(first, self.end.offset, (self.end.sequence + 1, self.end.sequence + 1), message)

    def _gap(self, segment: int, offset: int, first: int) -> None:
        expected = self.end.sequence + 1
        if first > expected:
            self._find(segment, offset, (expected, first - 1), "records are missing")
        elif first < expected:
            self._find(segment, offset, (first, expected - 1), "records stand twice or out of order")

    def _find(self, segment: int, offset: int, touched: tuple[int, int], message: str) -> None:
        self.findings.append(Finding(segment, offset, *touched, message))
