"""What records say: for the index in short, for a query in full. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import pack
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct, field

from penstock.core.ports import AuditQuery
from penstock.stores.seals import Batch

COMPLETED = "llm_request_completed"
INTENT = "llm_intent"
DAY_S = 86_400

# SQLite's integers have 64 bits; a sum of amounts must fit too.
_LARGEST = 2**62


class Facts(Struct, frozen=True, gc=False):
    """What the index reads of a record; everything else stays in the log."""

    event_type: str | None = None
    time: float | None = None
    tenant_id: str | None = None
    trace_id: str | None = None
    request_id: str | None = None
    call_id: str = ""
    latency_ms: float = 0.0
    reserved_nano_usd: int = 0
    cost_nano_usd: int = 0


_NO_FACTS = Facts()
_DECODER = msgspec.json.Decoder(Facts)
_read_line, _read_lines = _DECODER.decode, _DECODER.decode_lines


class Money(Struct):
    """What records say about money, summed up: per UTC day and tenant, and per call that has begun or ended."""

    settled: dict[tuple[int, str], int] = field(default_factory=dict)
    opened: dict[str, Facts] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)

    def intend(self, facts: Facts) -> None:
        """A call is about to cost money."""
        self.opened[facts.call_id] = facts

    def settle(self, facts: Facts) -> None:
        """A call has ended. Its cost belongs to the day it began, as its reservation did."""
        if self.opened.pop(facts.call_id, None) is None:
            self.closed.append(facts.call_id)
        if facts.cost_nano_usd:
            key = (_day((facts.time or 0.0) - facts.latency_ms / 1000), facts.tenant_id or "")
            self.settled[key] = self.settled.get(key, 0) + facts.cost_nano_usd

    def costs(self) -> list[tuple[int, str, int]]:
        """Day, tenant and nano-USD of what was settled."""
        return [(_bounded(day), tenant, _bounded(cost)) for (day, tenant), cost in self.settled.items()]

    def intents(self) -> list[tuple[str, int, str, int]]:
        """Call, day, tenant and nano-USD of what began and has not ended."""
        return [
            (call, _bounded(_day(facts.time or 0.0)), facts.tenant_id or "", _bounded(facts.reserved_nano_usd))
            for call, facts in self.opened.items()
        ]


def _day(time_s: float) -> int:
    """The UTC day, counted from 1970 on."""
    return int(time_s // DAY_S)


def _bounded(number: int) -> int:
    return max(-_LARGEST, min(number, _LARGEST))


class Contents(Struct, frozen=True):
    """What a query can know of a block of records without reading it. Times are Unix seconds."""

    oldest_s: float | None
    newest_s: float | None
    tenants: frozenset[str]
    traces: bytes
    requests: bytes


def contents(batch: Batch, money: Money) -> Contents:
    """What the records of a block say; intents go to ``money`` alone."""
    times: list[float] = []
    tenants: set[str] = set()
    traces: list[str] = []
    requests: list[str] = []
    for facts in _all_facts(batch):
        if facts is None:
            continue
        if facts.event_type == COMPLETED:
            money.settle(facts)
        elif _is_intent(facts):
            money.intend(facts)
            continue
        if facts.time is not None:
            times.append(facts.time)
        if facts.tenant_id is not None:
            tenants.add(facts.tenant_id)
        if facts.trace_id is not None:
            traces.append(facts.trace_id)
        if facts.request_id is not None:
            requests.append(facts.request_id)
    oldest_s, newest_s = min(times, default=None), max(times, default=None)
    return Contents(oldest_s, newest_s, frozenset(tenants), fingerprints(traces), fingerprints(requests))


def fingerprints(ids: Sequence[str]) -> bytes:
    """Four bytes that stand for each id. Others may share them: they tell where it can be."""
    return pack(f"<{len(ids)}I", *map(crc32, map(str.encode, ids)))


def events(batch: Batch, query: AuditQuery) -> Iterator[dict[str, Any]]:
    """The events of a block that ``query`` asks for, newest first, each with its ``sequence``."""
    numbered = zip(range(batch.first, batch.end.sequence + 1), batch.lines, _all_facts(batch), strict=True)
    for sequence, line, facts in reversed(list(numbered)):
        if (query.cursor is None or sequence < query.cursor) and _is_asked_for(facts, query):
            yield {"sequence": sequence} | _event(line) | {"sequence": sequence}  # whatever the record calls so


def _is_asked_for(facts: Facts | None, query: AuditQuery) -> bool:
    facts = facts or _NO_FACTS
    time = facts.time
    return not (
        _is_intent(facts)
        or (query.tenant is not None and facts.tenant_id != query.tenant)
        or (query.trace_id is not None and facts.trace_id != query.trace_id)
        or (query.request_id is not None and facts.request_id != query.request_id)
        or (query.since_s is not None and (time is None or time < query.since_s))
        or (query.until_s is not None and (time is None or time >= query.until_s))
    )


def _is_intent(facts: Facts) -> bool:
    return bool(facts.event_type == INTENT and facts.tenant_id and facts.time)


def _all_facts(batch: Batch) -> Sequence[Facts | None]:
    """Of each record in order; ``None`` for one that the stages have not written: it is found by its number alone."""
    try:
        found = [facts for body in batch.bodies for facts in _read_lines(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = []
    # A line with two values in it would shift the numbers of all that follow.
    if len(found) == batch.end.sequence - batch.after.sequence:
        return found
    return [_facts(line) for line in batch.lines]


def _facts(line: bytes) -> Facts | None:
    try:
        return _read_line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _event(line: bytes) -> dict[str, Any]:
    """A line as a JSON object, whatever it is."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {"event_type": "unreadable", "line": line.decode(errors="replace")}
