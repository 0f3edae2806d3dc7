"""The port ``Records``: every implementation shows all that was appended, newest first, by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from penstock.core.ports import AuditQuery, Log, Records
from penstock.stores.owner import Owner
from penstock.stores.segments import SegmentLog
from penstock.stores.sqlite import SqliteStore
from support.audited import append_call, intent
from support.logs_on_disk import KEY


@asynccontextmanager
async def _sqlite(directory: Path) -> AsyncIterator[tuple[Log, Records]]:
    log = SegmentLog(directory / "log", KEY)
    store = SqliteStore(f"sqlite:///{directory}/p.db")
    await store.open()
    owner = Owner(log, store, on_error=_raise)
    await owner.start()
    try:
        yield log, owner
    finally:
        await owner.aclose()
        await store.aclose()
        log.close()


def _raise(error: Exception) -> None:
    raise error


OPENERS: dict[str, Callable[[Path], AbstractAsyncContextManager[tuple[Log, Records]]]] = {"sqlite": _sqlite}


@pytest.fixture(params=OPENERS)
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Log, Records]]:
    async with OPENERS[request.param](tmp_path) as opened:
        yield opened


async def _ids(records: Records, query: AuditQuery) -> list[str]:
    return [event["call_id"] for event in (await records.query(query)).events]


async def test_everything_appended_is_visible_newest_first(both: tuple[Log, Records]) -> None:
    log, records = both
    for number in range(3):
        await append_call(log, 100.0 + number, call_id=str(number))
        assert await _ids(records, AuditQuery()) == [str(n) for n in range(number, -1, -1)]


async def test_filters_are_combined(both: tuple[Log, Records]) -> None:
    log, records = both
    for number, (tenant, trace) in enumerate([("acme", "a1"), ("globex", "a1"), ("acme", "a2"), ("acme", "a1")]):
        await append_call(
            log, 100.0 + number, call_id=str(number), request_id=f"r{number % 2}", tenant=tenant, trace_id=trace
        )
    assert await _ids(records, AuditQuery(tenant="acme")) == ["3", "2", "0"]
    assert await _ids(records, AuditQuery(trace_id="a1")) == ["3", "1", "0"]
    assert await _ids(records, AuditQuery(tenant="acme", trace_id="a1")) == ["3", "0"]
    assert await _ids(records, AuditQuery(request_id="r1")) == ["3", "1"]
    assert await _ids(records, AuditQuery(request_id="r1", tenant="globex")) == ["1"]
    assert await _ids(records, AuditQuery(since_s=101.0, until_s=103.0)) == ["2", "1"]
    assert await _ids(records, AuditQuery(tenant="nobody")) == []
    assert await _ids(records, AuditQuery(request_id="nobody's")) == []
    assert await _ids(records, AuditQuery(trace_id="' OR 1=1 --")) == []


@pytest.mark.parametrize("seed", range(3))
async def test_pages_hold_what_was_asked_for_and_nothing_else(both: tuple[Log, Records], seed: int) -> None:
    log, records = both
    chance = Random(seed)
    appended: list[dict[str, Any]] = []
    for number in range(1, 201):
        tenant, trace = chance.choice([None, "", "acme", "globex"]), chance.choice([None, "", "a1", "b2", "a"])
        request = chance.choice([None, "a1", "r"])
        event = {"event_type": "e", "time": chance.choice([None, chance.randrange(20)])}
        event |= {"tenant_id": tenant, "trace_id": trace, "request_id": request}
        log.append(event)
        appended.insert(0, {"sequence": number, **event})
        if number % 10 == 0:
            await records.query(AuditQuery())  # each time a block of its own
    for _ in range(60):
        query = AuditQuery(
            tenant=chance.choice([None, None, "", "acme", "nobody"]),
            trace_id=chance.choice([None, None, "", "a1", "c3"]),
            request_id=chance.choice([None, None, None, "a1", "r", "s"]),
            since_s=chance.choice([None, None, 5.0, 18.0]),
            until_s=chance.choice([None, None, 5.0, 19.0]),
            limit=chance.choice([1, 7, 50]),
        )
        assert await _every_page(records, query) == [event for event in appended if _is_asked_for(event, query)]


async def _every_page(records: Records, query: AuditQuery) -> list[dict[str, Any]]:
    page = await records.query(query)
    events = page.events
    while page.next_cursor is not None:
        assert len(page.events) == query.limit
        page = await records.query(msgspec.structs.replace(query, cursor=page.next_cursor))
        events += page.events
    return events


def _is_asked_for(event: dict[str, Any], query: AuditQuery) -> bool:
    time = event["time"]
    return (
        query.tenant in {None, event["tenant_id"]}
        and query.trace_id in {None, event["trace_id"]}
        and query.request_id in {None, event["request_id"]}
        and (query.since_s is None or (time is not None and time >= query.since_s))
        and (query.until_s is None or (time is not None and time < query.until_s))
    )


async def test_pages_follow_each_other_while_more_is_appended(both: tuple[Log, Records]) -> None:
    log, records = both
    for number in range(5):
        await append_call(log, 100.0, call_id=str(number))
    first = await records.query(AuditQuery(limit=2))
    await append_call(log, 100.0, call_id="late")
    second = await records.query(AuditQuery(limit=2, cursor=first.next_cursor))
    third = await records.query(AuditQuery(limit=2, cursor=second.next_cursor))
    pages = [[event["call_id"] for event in page.events] for page in (first, second, third)]
    assert pages == [["4", "3"], ["2", "1"], ["0"]]
    assert third.next_cursor is None


async def test_a_page_that_ends_with_the_last_record_has_no_next(both: tuple[Log, Records]) -> None:
    log, records = both
    for number in range(4):
        await append_call(log, 100.0, call_id=str(number))
    page = await records.query(AuditQuery(limit=4))
    assert (len(page.events), page.next_cursor) == (4, None)


async def test_intents_are_no_audit_events(both: tuple[Log, Records]) -> None:
    log, records = both
    log.append(intent("one", "acme", 5, 100.0))
    log.append({"event_type": "config_reloaded", "time": 101.0})
    events = (await records.query(AuditQuery())).events
    assert [event["event_type"] for event in events] == ["config_reloaded"]
