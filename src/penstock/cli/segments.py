"""Events straight from the log's segment files, beside a running gateway: what is sealed, and proved before it is shown."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from penstock.stores import seals
from penstock.stores.seals import START, Position
from penstock.stores.segment_file import read_again, segment_numbers, segment_path

Event: TypeAlias = dict[str, Any]
Wanted: TypeAlias = Callable[[Event], bool]

# Written before a call, to survive a crash; the call's own event follows it.
_INTENT = "llm_intent"


def newest(directory: Path, key: bytes, wanted: Wanted, count: int) -> tuple[list[Event], Position]:
    """The last ``count`` events that are ``wanted``, oldest first, and where the sealed log ended.

    Raises ``StoreFailed`` when what it reads is not what was sealed, ``OSError`` as files do.
    """
    events: deque[Event] = deque()
    end: Position | None = None
    for number in reversed(segment_numbers(directory)):
        seal_ends = _seal_ends(directory, Position(number, 0, number - 1, ""))
        end = end or seal_ends[-1]
        for before, after in reversed(list(pairwise(seal_ends))):
            if len(events) >= count:
                break
            lines = read_again(directory, key, before, after.offset).lines
            events.extendleft(list(_matching(reversed(lines), wanted))[: count - len(events)])
    return list(events), end or START


def follow(directory: Path, key: bytes, wanted: Wanted, place: Position, wait: Callable[[], object]) -> Iterator[Event]:
    """Events behind ``place`` as they are sealed, from one segment into the next, without end.

    ``wait`` is called whenever there is nothing new. Raises as ``newest`` does.
    """
    while True:
        # Looked up before reading: when there is a later segment, this one is whole.
        numbers = segment_numbers(directory)
        end = _seal_ends(directory, place)[-1] if numbers else place
        if end != place:
            yield from _matching(read_again(directory, key, place, end.offset).lines, wanted)
            place = end
        elif numbers and numbers[-1] > place.segment:
            place = Position(place.sequence + 1, 0, place.sequence, place.mac)
        else:
            wait()


def _seal_ends(directory: Path, after: Position) -> list[Position]:
    """``after``, then the end of every group behind it in its segment, as the file has them: nothing is proved yet."""
    with segment_path(directory, after.segment).open("rb") as file:
        file.seek(after.offset)
        data = file.read()
    mac = after.mac or seals.header_mac(data, after.segment) or ""
    start, base = Position(after.segment, after.offset, after.sequence, mac), after.offset
    return [start, *(Position(after.segment, base + it.end, it.last, it.mac) for it in seals.groups(data))]


def _matching(lines: Iterable[bytes], wanted: Wanted) -> Iterator[Event]:
    for line in lines:
        try:
            event: Event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if event.get("event_type") != _INTENT and wanted(event):
            yield event
