"""The segment format: JSON lines in sealed groups. Pure: bytes in, values out.

A segment is a file of lines::

    ["penstock-log",1,FIRST,"MAC"]     its first sequence number and the mac of the seal before it
    {"event_type": ...}                records, numbered without gaps
    ["seal",FIRST,LAST,"MAC"]          ends a group

A seal's mac is HMAC-SHA-256 over the mac before it, every byte of the group and the seal's own range, so each group
vouches for all before it. The ``head`` file holds the last seal under a mac of its own: what makes a removed tail
visible. A record begins with ``{`` and holds no raw newline, so it can never be taken for a seal.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

FORMAT = 1
GENESIS = "0" * 64
# The head file is overwritten in place: one width, one sector.
HEAD_BYTES = 160

_BRACE = ord("{")
_SEAL_AT = b'\n["seal",'
_SEAL = msgspec.json.Decoder(tuple[str, int, int, str])
_HEADER = msgspec.json.Decoder(tuple[str, int, int, str])
_HEAD = msgspec.json.Decoder(tuple[int, str, str])


class Position(Struct, frozen=True):
    """Just behind a seal: the segment by its first sequence number, the byte offset, the last sequence and its mac."""

    segment: int
    offset: int
    sequence: int
    mac: str


START = Position(segment=1, offset=0, sequence=0, mac=GENESIS)


class Group(Struct, frozen=True):
    """Where a group stands in a piece of a segment, and what its seal claims. ``mac`` is empty when unreadable."""

    start: int
    seal: int
    end: int
    first: int
    last: int
    mac: str


class Batch(Struct, frozen=True):
    """Whole groups of one segment between two positions: of each its records as they were written, line by line."""

    after: Position
    bodies: Sequence[bytes]
    end: Position

    @property
    def first(self) -> int:
        """The number of the first record."""
        return self.after.sequence + 1

    @property
    def lines(self) -> list[bytes]:
        """Every record, in order."""
        return [line for body in self.bodies for line in body.split(b"\n")]


class Head(Struct, frozen=True):
    """The last seal that was written."""

    sequence: int
    mac: str


def header_line(first: int, mac: str) -> bytes:
    """The first line of a segment whose first record is number ``first``."""
    return b'["penstock-log",%d,%d,"%s"]\n' % (FORMAT, first, mac.encode())


def header_mac(data: bytes, first: int) -> str | None:
    """The mac that a segment continues from; ``None`` when its header is torn or not its own."""
    end = data.find(b"\n")
    try:
        name, version, number, mac = _HEADER.decode(data[: max(end, 0)])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return mac if (name, version, number) == ("penstock-log", FORMAT, first) else None


def seal_group(key: bytes, mac: str, first: int, body: bytes, count: int) -> tuple[bytes, str]:
    """The seal line of ``body`` (whole lines, ``count`` records from number ``first`` on) and its mac."""
    prefix = b'["seal",%d,%d' % (first, first + count - 1)
    sealed = _mac(key, mac, body, prefix)
    return b'%s,"%s"]\n' % (prefix, sealed.encode()), sealed


def groups(data: bytes, start: int = 0) -> Iterator[Group]:
    """Every group of ``data`` whose seal line is whole, from ``start`` on, unproved."""
    while True:
        at = data.find(_SEAL_AT, start)
        end = data.find(b"\n", at + 1)
        if at < 0 or end < 0:
            return
        try:
            _, first, last, mac = _SEAL.decode(data[at + 1 : end])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            first, last, mac = 0, 0, ""
        yield Group(start, at + 1, end + 1, first, last, mac)
        start = end + 1


def ends_sealed(data: bytes) -> bool:
    """Whether nothing stands behind the last seal line of ``data``."""
    return data.endswith(b"\n") and data.startswith(_SEAL_AT, data.rfind(b"\n", 0, -1))


def proves(key: bytes, mac: str, data: bytes, group: Group) -> bool:
    """Whether ``group`` is what was sealed after the seal ``mac``."""
    prefix = b'["seal",%d,%d' % (group.first, group.last)
    expected = _mac(key, mac, data[group.start : group.seal], prefix)
    return hmac.compare_digest(expected.encode(), group.mac.encode())


def records(data: bytes, group: Group) -> bytes:
    """The record lines of a group, without the last newline."""
    start = group.start
    if data.startswith(b"[", start):  # the segment's header
        start = data.index(b"\n", start) + 1
    return data[start : group.seal - 1]


def head_bytes(key: bytes, head: Head) -> bytes:
    """The content of the head file."""
    mac = _mac(key, head.mac, b"head", b"%d" % head.sequence)
    return msgspec.json.encode((head.sequence, head.mac, mac)).ljust(HEAD_BYTES - 1) + b"\n"


def read_head(key: bytes, data: bytes) -> Head | None:
    """The head, or ``None`` when these bytes were not written with ``key``."""
    try:
        sequence, mac, proof = _HEAD.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    expected = _mac(key, mac, b"head", b"%d" % sequence)
    return Head(sequence, mac) if hmac.compare_digest(expected.encode(), proof.encode()) else None


def one_line(record: Struct | dict[str, Any]) -> bytes:
    """A record as one line of JSON, without its newline. Raises ``TypeError`` for what is no JSON object."""
    line = msgspec.json.encode(record)
    if line[0] != _BRACE:  # a struct that is written as an array could pass for a seal
        raise TypeError("a record must be a JSON object")
    if line.find(b"\n") >= 0:  # only from a raw value that was passed through
        line = msgspec.json.format(line, indent=-1)
    return line


def _mac(key: bytes, before: str, body: bytes, prefix: bytes) -> str:
    digest = hmac.new(key, before.encode(), hashlib.sha256)
    digest.update(body)
    digest.update(prefix)
    return digest.hexdigest()
