"""Proves a log: nothing in it was changed, removed, reordered or cut off.

What each part catches, against someone who can write the files but has no key: the seals catch a changed, removed or
reordered record and a removed segment; the head catches a removed end. Older copies of segments and head put back
together are caught by the database alone, which remembers the last seal it has indexed: the owner refuses to start.
A group sealed since the head last reached the disk (a power cut) can be removed unseen; so can what was never sealed.
What stands unsealed at the end is proved by nothing: a crash leaves such bytes, and anybody can add them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from penstock.stores import seals
from penstock.stores.seals import GENESIS, Head, Position
from penstock.stores.segment_file import segment_numbers, segment_path

HEAD = "head"
# A running gateway seals what it writes at once: what is still unsealed after so long is no group in flight.
_LOOKS = 20
_LOOK_S = 0.05


class Finding(Struct, frozen=True):
    """One thing that is wrong: in which file, from which byte, touching which records (none when 0), and what it means."""

    file: str
    offset: int
    first: int
    last: int
    message: str


class Verification(Struct, frozen=True):
    """What was proved. ``unsealed_bytes`` stand at the end of ``unsealed_file``, from byte ``unsealed_offset`` on.

    ``key_fits`` is false when not one seal, nor the head, was made with the key: then ``findings`` is empty.
    """

    segments: int
    records: int
    last_sequence: int
    findings: tuple[Finding, ...]
    unsealed_bytes: int = 0
    unsealed_file: str = ""
    unsealed_offset: int = 0
    key_fits: bool = True

    @property
    def intact(self) -> bool:
        """Whether nothing that was sealed is wrong."""
        return self.key_fits and not self.findings


def verify(directory: Path, key: bytes, wait: Callable[[], object] = lambda: time.sleep(_LOOK_S)) -> Verification:
    """Prove every group of the log; it may be in use. Holds one segment in memory.

    ``wait`` is called while a group may be in flight, for a second in all. Raises ``OSError`` when the folder or the head
    cannot be read.
    """
    head_path = directory / HEAD
    # Read before the segments: a log in use grows past it meanwhile.
    head = seals.read_head(key, head_path.read_bytes()) if head_path.exists() else None
    walk = _Walk(key, head)
    numbers = segment_numbers(directory)
    next_after = dict(pairwise(numbers))
    for number in numbers:
        following, path = next_after.get(number, 0), segment_path(directory, number)
        try:
            data = path.read_bytes() if following else _settled(path, wait)
        except OSError as error:
            walk.unreadable(number, following, error.strerror or "no reason is known")
        else:
            walk.segment(number, data, is_last=not following)
    walk.finish(bool(numbers) or head_path.exists())
    return walk.result(len(numbers))


def _settled(path: Path, wait: Callable[[], object]) -> bytes:
    """The last segment when no group is in flight."""
    for _ in range(_LOOKS):
        data = path.read_bytes()
        if not data or seals.ends_sealed(data):
            return data
        wait()
    return path.read_bytes()


class _Walk:
    """Goes along the chain and on after a break, so that one change is one finding and not all that follows."""

    def __init__(self, key: bytes, head: Head | None) -> None:
        self._key = key
        self._head = head
        self._met_head = head is not None and head.sequence == 0
        self.end = Position(1, 0, 0, GENESIS)
        self.records = 0
        self.groups = 0
        self.unsealed = (0, "", 0)
        self.findings: list[Finding] = []

    def result(self, segments: int) -> Verification:
        if self.groups and not self.records and self._head is None:
            return Verification(segments, 0, self.end.sequence, (), key_fits=False)
        return Verification(segments, self.records, self.end.sequence, tuple(self.findings), *self.unsealed)

    def unreadable(self, first: int, following: int, reason: str) -> None:
        last = max(first, following - 1)
        self._find(first, 0, (first, last), f"the segment cannot be read: {reason}")
        self.end = Position(first, 0, last, "")
        self._met_head = self._met_head or not following

    def segment(self, first: int, data: bytes, *, is_last: bool) -> None:
        self._gap(first, 0, first)
        mac = seals.header_mac(data, first)
        if mac is None:
            if is_last and b"\n" not in data:
                self.unsealed = (len(data), _name(first), 0)
            else:
                self._find(first, 0, (first, first), "the segment's first line was changed")
            return
        if self.end.mac and mac != self.end.mac and self.end.sequence == first - 1:
            self._find(first, 0, (first, first), "the segment does not continue the one before it")
        self.end = Position(first, 0, first - 1, mac)
        for group in seals.groups(data):
            self.groups += 1
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
            message = (
                f"the head names record {self._head.sequence} as the last: the end of the log was cut off or replaced"
            )
            self._find(0, 0, (first, self._head.sequence), message)

    def _tail(self, first: int, size: int, *, is_last: bool) -> None:
        if size and is_last:
            self.unsealed = (size, _name(first), self.end.offset)
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
        self.findings.append(Finding(_name(segment) if segment else HEAD, offset, *touched, message))


def _name(first: int) -> str:
    return segment_path(Path(), first).name
