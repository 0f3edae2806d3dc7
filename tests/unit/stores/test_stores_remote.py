"""A worker's ports: what is lost, refused or late between two processes."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import NotFound, StoreFailed
from penstock.core.ports import AuditPage, AuditQuery, Hit
from penstock.stores.remote import messages as m
from penstock.stores.remote.channel import Channel
from penstock.stores.remote.shelf import RemoteShelf
from support.clocks import HandClock
from support.linked import LinkedOwner, link, make_channel
from support.logs_on_disk import read_log
from support.shelves import BOUNDS

# --- the channel ---


def linked(handlers: dict[type, Any]) -> tuple[Channel, Channel]:
    asking, answering = make_channel({}), make_channel(handlers)
    link(asking, answering)
    return asking, answering


async def test_what_is_asked_is_answered_at_once_or_later_in_any_order() -> None:
    first, gate = AuditPage([{"sequence": 1}], None), asyncio.Event()

    async def late(message: m.Query) -> AuditPage:
        if message.query.tenant == "first":
            await gate.wait()
            return first
        gate.set()
        return AuditPage([], 7)

    channel, _ = linked({m.Query: late, m.Detail: lambda _: {"store": {"writable": True}}})
    pages = await asyncio.gather(
        *(channel.ask(m.Query(AuditQuery(tenant=tenant)), AuditPage) for tenant in ("first", "second"))
    )
    assert pages == [first, AuditPage([], 7)]
    assert await channel.ask(m.Detail(), dict[str, Any]) == {"store": {"writable": True}}


async def test_all_that_is_said_in_one_turn_is_one_write_and_stays_in_order() -> None:
    heard: list[bytes] = []
    channel, _ = linked({m.Record: lambda message: heard.append(message.line)})
    writes = 0

    class Counting:
        def __init__(self, wire: Any) -> None:
            self._wire = wire

        def write(self, data: bytes) -> None:
            nonlocal writes
            writes += 1
            self._wire.write(data)

        def is_closing(self) -> bool:
            return False

    wire: Any = channel._transport
    channel.connection_made(Counting(wire))  # type: ignore[arg-type]
    for number in range(50):
        channel.tell(m.Record(b"%d" % number))
    await asyncio.sleep(0.01)
    assert heard == [b"%d" % number for number in range(50)]
    assert writes == 1


async def test_frames_may_be_split_anywhere() -> None:
    heard: list[bytes] = []
    channel = make_channel({m.Record: lambda message: heard.append(message.line)})
    sent = bytearray()

    class Keeping:
        def write(self, data: bytes) -> None:
            sent.extend(data)

        def is_closing(self) -> bool:
            return False

    source = make_channel({})
    source.connection_made(Keeping())  # type: ignore[arg-type]
    for number in range(20):
        source.tell(m.Record(b"line %d" % number * number))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    for at in range(len(sent)):
        channel.data_received(bytes(sent[at : at + 1]))
    assert heard == [b"line %d" % number * number for number in range(20)]


async def test_a_refusal_keeps_its_words_and_a_fault_shows_none() -> None:
    told: list[Exception] = []

    def refuse(_message: m.Scrape) -> None:
        raise NotFound("No such thing.")

    async def break_down(_message: m.Detail) -> None:
        await asyncio.sleep(0)
        raise ValueError("a secret")

    asking = make_channel({})
    answering = Channel({m.Scrape: refuse, m.Detail: break_down}, on_lost=lambda: None, on_failed=told.append)
    link(asking, answering)
    with pytest.raises(StoreFailed, match=r"No such thing\."):
        await asking.ask(m.Scrape(), bytes)
    with pytest.raises(StoreFailed) as failed:
        await asking.ask(m.Detail(), dict)
    assert "secret" not in failed.value.message
    assert [str(error) for error in told] == ["a secret"]


async def test_whoever_waits_is_told_when_the_other_end_is_gone() -> None:
    lost = asyncio.Event()
    asking = make_channel({}, lost.set)
    answering = make_channel({m.Scrape: lambda _: asyncio.sleep(60)})
    link(asking, answering)
    waiting = asyncio.ensure_future(asking.ask(m.Scrape(), bytes))
    await asyncio.sleep(0.01)
    answering.close()
    with pytest.raises(StoreFailed, match="retry"):
        await waiting
    assert lost.is_set()
    with pytest.raises(StoreFailed, match="retry"):
        await asking.ask(m.Scrape(), bytes)
    asking.tell(m.Ready())


async def test_an_answer_that_does_not_come_is_not_waited_for_for_ever() -> None:
    channel, _ = linked({m.Scrape: lambda _: asyncio.sleep(60)})
    channel.WATCH_S = 0.02
    with pytest.raises(StoreFailed, match="does not answer"):
        await channel.ask(m.Scrape(), bytes, limit_s=0.05)


async def test_an_answer_is_not_late_because_the_process_that_waits_was_stopped() -> None:
    gate = asyncio.Event()

    async def answer(_message: m.Scrape) -> bytes:
        await gate.wait()
        return b"text"

    channel, _ = linked({m.Scrape: answer})
    channel.WATCH_S = 0.05
    waiting = asyncio.ensure_future(channel.ask(m.Scrape(), bytes, limit_s=0.1))
    await asyncio.sleep(0.01)
    gate.set()
    time.sleep(0.3)  # noqa: ASYNC251 - the whole process stands still
    assert await waiting == b"text"


async def test_what_is_said_before_the_other_end_is_there_is_heard_when_it_is() -> None:
    asking, answering = make_channel({}), make_channel({m.Scrape: lambda _: b"text"})
    waiting = asyncio.ensure_future(asking.ask(m.Scrape(), bytes))
    await asyncio.sleep(0.01)
    link(asking, answering)
    async with asyncio.timeout(1):
        assert await waiting == b"text"


async def test_nobody_is_asked_who_has_stopped_reading() -> None:
    channel, answering = linked({m.Scrape: lambda _: b"text"})
    channel.BACKLOG_BYTES = 100
    answering.pause()
    channel.tell(m.Record(b"-" * 200))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(StoreFailed, match="does not answer"):
        await channel.ask(m.Scrape(), bytes)


# --- the log ---


async def test_records_of_all_workers_are_in_one_log(tmp_path: Path) -> None:
    owner = LinkedOwner(HandClock(), tmp_path)
    one, other = owner.worker(), owner.worker()
    for number in range(5):
        one.log.append({"event_type": "one", "number": number})
        other.log.append({"event_type": "other", "number": number})
    await one.log.flushed(one.log.sequence)
    await other.log.flushed(other.log.sequence)
    records = read_log(owner.log)
    for kind in ("one", "other"):
        assert [record["number"] for record in records if record["event_type"] == kind] == [0, 1, 2, 3, 4]
    owner.log.close()


async def test_a_log_that_fails_is_refused_by_every_worker_that_finds_out(tmp_path: Path) -> None:
    owner = LinkedOwner(HandClock(), tmp_path)
    worker = owner.worker()
    owner.log.close()
    worker.log.append({"event_type": "a"})
    await asyncio.sleep(0.01)
    assert not worker.log.writable
    assert len(owner.lost) == 1
    with pytest.raises(StoreFailed):
        worker.log.append({"event_type": "b"})
    with pytest.raises(StoreFailed):
        await worker.log.flushed(1)


async def test_a_log_that_fails_is_refused_by_a_worker_that_has_nothing_to_say(tmp_path: Path) -> None:
    owner = LinkedOwner(HandClock(), tmp_path)
    worker = owner.worker()
    worker.clerk.look()
    await asyncio.sleep(0.01)
    assert worker.log.writable
    owner.log.close()
    worker.clerk.look()
    await asyncio.sleep(0.01)
    assert not worker.log.writable


async def test_a_worker_goes_on_when_a_disk_that_was_slow_is_back(tmp_path: Path) -> None:
    back = threading.Event()

    def wait(_file: int) -> None:
        back.wait(10)

    owner = LinkedOwner(HandClock(), tmp_path, sync=wait)
    owner.log.QUEUE_RECORDS = 100
    owner.log.FLUSH_S = 0.05
    worker = owner.worker()
    for number in range(200):
        worker.log.append({"event_type": "a", "number": number})
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.1)
    assert worker.log.writable
    back.set()
    await worker.log.flushed(worker.log.sequence)
    assert [record["number"] for record in read_log(owner.log)] == list(range(200))
    assert owner.lost == []
    owner.log.close()


async def test_a_worker_whose_owner_is_gone_appends_nothing(tmp_path: Path) -> None:
    owner = LinkedOwner(HandClock(), tmp_path)
    worker = owner.worker()
    owner.kill(worker)
    assert not worker.log.writable
    with pytest.raises(StoreFailed, match="retry"):
        worker.log.append({"event_type": "a"})
    owner.log.close()


async def test_a_worker_waits_for_a_log_that_is_behind_and_loses_nothing(tmp_path: Path) -> None:
    owner = LinkedOwner(HandClock(), tmp_path)
    owner.log.QUEUE_RECORDS = 100
    worker = owner.worker()
    for turn in range(40):
        for number in range(30):
            worker.log.append({"event_type": "a", "number": turn * 30 + number})
        await asyncio.sleep(0)
    await worker.log.flushed(worker.log.sequence)
    assert [record["number"] for record in read_log(owner.log)] == list(range(1200))
    assert owner.lost == []
    owner.log.close()


# --- what a dead worker leaves ---


async def test_slots_of_a_dead_worker_are_free_and_those_of_others_are_not() -> None:
    owner = LinkedOwner(HandClock())
    dead, living = owner.worker(), owner.worker()
    for worker in (dead, dead, living):
        assert (await worker.admissions.admit("acme", 3, ())).admitted
    assert not (await living.admissions.admit("acme", 3, ())).admitted
    owner.kill(dead)
    assert owner.admissions.in_flight == {"acme": 1}


async def test_windows_are_shared_by_all_workers() -> None:
    owner = LinkedOwner(HandClock())
    workers = [owner.worker(), owner.worker(), owner.worker()]
    window = (Hit("tenant acme", 10, 60.0),)
    admitted = await asyncio.gather(
        *(workers[number % 3].admissions.admit("acme", None, window) for number in range(25))
    )
    assert sum(admission.admitted for admission in admitted) == 10


async def test_what_calls_of_a_dead_worker_held_is_spent_and_what_was_free_is_not() -> None:
    owner = LinkedOwner(HandClock(20_000.5 * 86_400))
    dead, living = owner.worker(), owner.worker()
    assert await dead.budgets.borrow("acme", 100, 10_000) is not None  # and some slices ahead
    held = dead.budgets.reserve("acme", 50, 10_000)
    assert held is not None
    dead.budgets.settle(held, 20)
    await asyncio.sleep(0.01)
    owner.kill(dead)
    assert owner.budgets.spent_nano_usd("acme") == 120
    assert await living.budgets.borrow("acme", 9_880, 10_000) is not None


async def test_what_a_worker_has_free_itself_counts_before_it_is_refused() -> None:
    worker = LinkedOwner(HandClock(20_000.5 * 86_400)).worker()
    assert await worker.budgets.borrow("acme", 100, 10_000) is not None
    assert await worker.budgets.borrow("acme", 9_900, 10_000) is not None
    assert await worker.budgets.borrow("acme", 1, 10_000) is None


# --- what is kept for callers ---


async def test_what_one_worker_keeps_another_finds_and_only_for_its_tenant() -> None:
    owner = LinkedOwner(HandClock())
    one, other = owner.worker(), owner.worker()
    assert await one.shelf.keep("acme", "r1", b"\x00an answer\xff")
    owner.kill(one)
    assert await other.shelf.find("acme", "r1") == b"\x00an answer\xff"
    assert await other.shelf.find("globex", "r1") is None
    assert not await other.shelf.forget("globex", "r1")
    assert await other.shelf.forget("acme", "r1")


async def test_what_cannot_be_kept_is_not_sent() -> None:
    owner = LinkedOwner(HandClock())
    worker = owner.worker()
    owner.kill(worker)
    assert not await worker.shelf.keep("acme", "r1", b"v" * (worker.shelf.most_bytes + 1))
    assert await worker.shelf.find("acme", "k" * 1_000_000) is None
    with pytest.raises(StoreFailed, match="retry"):
        await worker.shelf.find("acme", "r1")


async def test_only_a_few_values_are_on_their_way_at_once_and_nobody_waits_for_ever() -> None:
    asked: list[m.Find] = []

    async def never(message: m.Find) -> None:
        asked.append(message)
        await asyncio.Event().wait()

    channel, _ = linked({m.Find: never})
    channel.WATCH_S = 0.01
    shelf = RemoteShelf(channel, BOUNDS)
    shelf.LIMIT_S = 0.05
    results = await asyncio.gather(*(shelf.find("acme", "r1") for _ in range(1000)), return_exceptions=True)
    assert all(isinstance(result, StoreFailed) for result in results)
    assert len(asked) < 20
