"""From lines of the log to rows of the index. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field

from penstock.stores.tables import audit

COMPLETED = "llm_request_completed"
INTENT = "llm_intent"
DAY_S = 86_400

Row: TypeAlias = tuple[Any, ...]

_PYTHON_TYPES: Mapping[type[Any], tuple[type, ...]] = {
    sa.Text: (str,),
    sa.Boolean: (bool,),
    sa.Integer: (int,),
    sa.Float: (float, int),
}
_JSON_NAMES = ("tool_names", "tags", "decision")
_SCALARS = {
    column.name: _PYTHON_TYPES[type(column.type)]
    for column in audit.columns
    if not isinstance(column.type, sa.JSON) and column.name != "sequence"
}
_COMPLETED_FIELDS = len(_SCALARS) + len(_JSON_NAMES)
_scalars = itemgetter(*_SCALARS)
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
# SQLite's integers have 64 bits; a sum of amounts must fit too.
_LARGEST = 2**62


class Money(Struct):
    """What records say about money, summed up: per UTC day and tenant, and per call that has begun or ended."""

    settled: dict[tuple[int, str], int] = field(default_factory=dict)
    opened: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)

    def intend(self, record: Mapping[str, Any]) -> None:
        """A call is about to cost money."""
        day = int(record["time"] // DAY_S)
        self.opened[record["call_id"]] = (day, record["tenant_id"], min(record["reserved_nano_usd"], _LARGEST))

    def settle(self, record: Mapping[str, Any]) -> None:
        """A call has ended. Its cost belongs to the day it began, as its reservation did."""
        call_id = record["call_id"]
        if self.opened.pop(call_id, None) is None:
            self.closed.append(call_id)
        cost = record["cost_nano_usd"]
        if cost:
            key = (int((record["time"] - record["latency_ms"] / 1000) // DAY_S), record["tenant_id"])
            self.settled[key] = min(self.settled.get(key, 0) + cost, _LARGEST)


def audit_rows(first: int, lines: Sequence[bytes], money: Money) -> Iterator[Row]:
    """Rows of the audit table, the first line being record number ``first``; intents go to ``money`` alone."""
    for sequence, line in enumerate(lines, first):
        record = _record(line)
        event_type = record.get("event_type")
        try:
            if event_type == INTENT:
                money.intend(record)
                continue
            if event_type == COMPLETED:
                money.settle(record)
                if len(record) == _COMPLETED_FIELDS:
                    yield (sequence, *_scalars(record), *_json_values(record), None)
                    continue
        except (KeyError, TypeError, ValueError, OverflowError):
            pass  # not written by the stages: keep what it says
        yield _row(sequence, record)


def careful(row: Row) -> Row:
    """The same row with every value that does not fit its column in ``detail``."""
    sequence, *values = row[: 1 + len(_SCALARS)]
    odd = {name: value for name, value in zip(_SCALARS, values, strict=True) if not _fits(name, value)}
    kept = (None if name in odd else value for name, value in zip(_SCALARS, values, strict=True))
    detail = row[-1] or (_text({name: value for name, value in odd.items() if value is not None}) if odd else None)
    return (sequence, *kept, *row[1 + len(_SCALARS) : -1], detail)


def _row(sequence: int, record: Mapping[str, Any]) -> Row:
    """The row of any event: what has a column and fits there, and the rest in ``detail``."""
    fits = {name: value for name, value in record.items() if _fits(name, value)}
    rest = {name: value for name, value in record.items() if name not in fits and name not in _JSON_NAMES}
    json_values = [_text(record[name]) if name in record else None for name in _JSON_NAMES]
    return (sequence, *(fits.get(name) for name in _SCALARS), *json_values, _text(rest) if rest else None)


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    """The record that a row was made of, and its ``sequence``."""
    complete = row["event_type"] == COMPLETED
    found = {name: value for name, value in row.items() if name != "detail" and (complete or value is not None)}
    return found | (row["detail"] or {})


def _record(line: bytes) -> dict[str, Any]:
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return {"event_type": "unreadable", "line": line.decode(errors="replace")}


def _json_values(record: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    tools, tags, decision = record["tool_names"], record["tags"], record["decision"]
    return (
        _text(tools) if tools else "[]",
        _text(tags) if tags else "{}",
        None if decision is None else _text(decision),
    )


def _fits(name: str, value: object) -> bool:
    types = _SCALARS.get(name)
    if types is None or type(value) not in types:
        return False
    return not isinstance(value, int) or abs(value) <= _LARGEST


def _text(value: object) -> str:
    return _encode(value).decode()
