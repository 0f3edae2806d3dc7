"""Events straight from the log's segment files: JSON lines, whatever else stands in a segment is a list."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import msgspec
from msgspec import Struct

Event: TypeAlias = dict[str, Any]

# Written before a call, to survive a crash; the call's own event follows it.
_INTENT = "llm_intent"


class Place(Struct, frozen=True):
    """Where reading stopped: a segment by its first record's number, 0 before the first, and a byte in it."""

    segment: int = 0
    offset: int = 0


def newest(directory: Path, wanted: Mapping[str, str], count: int) -> tuple[list[Event], Place]:
    """The last ``count`` events that have the ``wanted`` values, oldest first, and where the log ended."""
    events: deque[Event] = deque()
    end = Place()
    for segment in reversed(_segments(directory)):
        with _path(directory, segment).open("rb") as file:
            matching = deque(_matching(_whole_lines(file), wanted), maxlen=count - len(events))
            if not end.segment:
                end = Place(segment, file.tell())
        events.extendleft(reversed(matching))
        if len(events) >= count:
            break
    return list(events), end


def follow(directory: Path, wanted: Mapping[str, str], place: Place, wait: Callable[[], object]) -> Iterator[Event]:
    """Events behind ``place`` as they are written, from one segment into the next, without end.

    ``wait`` is called whenever there is nothing new.
    """
    while True:
        # Looked up before reading: when there is a later segment, this one is whole.
        later = [number for number in _segments(directory) if number > place.segment]
        if place.segment:
            with _path(directory, place.segment).open("rb") as file:
                file.seek(place.offset)
                yield from _matching(_whole_lines(file), wanted)
                place = Place(place.segment, file.tell())
        if later:
            place = Place(later[0])
        else:
            wait()


def _segments(directory: Path) -> list[int]:
    return sorted(int(path.stem) for path in directory.glob("*.jsonl") if path.stem.isdigit())


def _path(directory: Path, segment: int) -> Path:
    return directory / f"{segment:020d}.jsonl"


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines up to the last whole one, where the file is left."""
    while True:
        start = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(start)
            return
        yield line


def _matching(lines: Iterable[bytes], wanted: Mapping[str, str]) -> Iterator[Event]:
    for line in lines:
        if not line.startswith(b"{"):
            continue
        try:
            event: Event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if event.get("event_type") != _INTENT and all(event.get(key) == value for key, value in wanted.items()):
            yield event
