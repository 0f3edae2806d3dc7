"""From lines of the log to rows of the index. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct, field

COMPLETED = "llm_request_completed"
INTENT = "llm_intent"
DAY_S = 86_400

# The columns of the table `audit`, in their order.
Row: TypeAlias = tuple[int, str | None, float | None, str | None, str | None, str]

# SQLite's integers have 64 bits; a sum of amounts must fit too.
_LARGEST = 2**62


class Facts(Struct):
    """What the index knows of a record by columns and sums; everything else stays in its text."""

    event_type: str | None = None
    time: float | None = None
    tenant_id: str | None = None
    trace_id: str | None = None
    call_id: str = ""
    latency_ms: float = 0.0
    reserved_nano_usd: int = 0
    cost_nano_usd: int = 0


_read_facts = msgspec.json.Decoder(Facts).decode


class Money(Struct):
    """What records say about money, summed up: per UTC day and tenant, and per call that has begun or ended."""

    settled: dict[tuple[int, str], int] = field(default_factory=dict)
    opened: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)

    def intend(self, facts: Facts) -> None:
        """A call is about to cost money."""
        day = int((facts.time or 0.0) // DAY_S)
        self.opened[facts.call_id] = (day, facts.tenant_id or "", min(facts.reserved_nano_usd, _LARGEST))

    def settle(self, facts: Facts) -> None:
        """A call has ended. Its cost belongs to the day it began, as its reservation did."""
        if self.opened.pop(facts.call_id, None) is None:
            self.closed.append(facts.call_id)
        if facts.cost_nano_usd:
            began_s = (facts.time or 0.0) - facts.latency_ms / 1000
            key = (int(began_s // DAY_S), facts.tenant_id or "")
            self.settled[key] = min(self.settled.get(key, 0) + facts.cost_nano_usd, _LARGEST)


def audit_rows(first: int, lines: Sequence[bytes], money: Money) -> Iterator[Row]:
    """Rows of the audit table, the first line being record number ``first``; intents go to ``money`` alone."""
    for sequence, line in enumerate(lines, first):
        try:
            facts = _read_facts(line)
        except msgspec.MsgspecError:
            # Not written by the stages: kept as it is, found by its number alone.
            yield (sequence, None, None, None, None, _as_json(line))
            continue
        if facts.event_type == INTENT and facts.tenant_id and facts.time:
            money.intend(facts)
            continue
        if facts.event_type == COMPLETED:
            money.settle(facts)
        yield (sequence, facts.event_type, facts.time, facts.tenant_id, facts.trace_id, line.decode())


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    """The record that a row was made of, and its ``sequence``."""
    return {"sequence": row["sequence"], **msgspec.json.decode(row["record"])}


def _as_json(line: bytes) -> str:
    """A line as a JSON object, whatever it is."""
    try:
        msgspec.json.decode(line, type=dict[str, Any])
        return line.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = line.decode(errors="replace")
        return msgspec.json.encode({"event_type": "unreadable", "line": text}).decode()
