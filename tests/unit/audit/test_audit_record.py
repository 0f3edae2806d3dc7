"""The stage ``record``: one event per call, however it ends, and never text."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from penstock.audit import Record
from penstock.core.answer import CANCEL, DISCONNECT, END, Answer, Outcome
from penstock.core.call import Attempt, Call, Usage
from penstock.core.chain import Handler
from penstock.core.errors import ModelNotFound, StoreFailed, UpstreamCut
from penstock.core.plan import Decision
from support.calls import ListSink, ask, delta, make_call
from support.logs import ListLog

SECRET = "my password is hunter2"


def _record(log: ListLog, lost: list[StoreFailed] | None = None) -> Record:
    losses = list[StoreFailed]() if lost is None else lost
    return Record(log, on_loss=losses.append, wall_clock=lambda: 1000.25, clock=lambda: 12.5)


def _answers(answer: Answer) -> Handler:
    async def proceed(_call: Call) -> Answer:
        return answer

    return proceed


def _fails(error: BaseException) -> Handler:
    async def proceed(_call: Call) -> Answer:
        raise error

    return proceed


async def _ended(outcome: Outcome, call: Call | None = None) -> dict[str, Any]:
    log = ListLog()
    answer = await ask(_record(log), call or make_call(), _answers(Answer("openai")))
    assert log.records == []
    answer.close(outcome)
    (event,) = log.records
    return event


BIG = {"target": "big", "provider": "p1", "model": "m1", "latency_ms": 4.0, "error_code": "upstream_cut", "usage": None}


DECIDED = {
    "asked": "extract",
    "rule": "route",
    "targets": ["big", "small"],
    "excluded": [],
    "degraded": False,
    "ranked": [],
}
COUNTED = Usage(12, 34, estimated=True, cached_tokens=5, cache_write_tokens=6, reasoning_tokens=20)


async def test_every_fact_of_the_trail_is_recorded() -> None:
    call = make_call(task="extract", model="extract", stream=True, tags={"team": "search"})
    trail = call.trail
    trail.received_at_s, trail.first_content_at_s, trail.user_hash = 10.0, 10.75, "9f86d081"
    trail.attempts = [*[Attempt("big", "p1", "m1", 4.0, "upstream_cut")] * 2, Attempt("small", "p2", "m2", 9.0)]
    trail.target, trail.provider, trail.model = "small", "p2", "m2"
    trail.prompt_id, trail.prompt_version, trail.schema_version, trail.fallback_used = "support", "v1", "s2", True
    trail.usage, trail.cost_nano_usd = COUNTED, 2_500
    trail.tool_names, trail.dropped = ("search",), ("seed",)
    trail.decision = Decision("extract", "route", ("big", "small"))
    assert msgspec.json.decode(msgspec.json.encode(await _ended(END, call))) == {
        "event_type": "llm_request_completed",
        "time": 1000.25,
        "call_id": "call-1",
        "request_id": "call-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "tenant_id": "acme",
        "tier": "pro",
        "user_id_hash": "9f86d081",
        "endpoint": "/v1/chat/completions",
        "task": "extract",
        "alias": "extract",
        "target": "small",
        "provider": "p2",
        "model": "m2",
        "prompt_id": "support",
        "prompt_version": "v1",
        "schema_version": "s2",
        "stream": True,
        "cache_hit": False,
        "retry_count": 1,
        "fallback_used": True,
        "degraded": False,
        "input_tokens": 12,
        "output_tokens": 34,
        "cached_tokens": 5,
        "cache_write_tokens": 6,
        "reasoning_tokens": 20,
        "usage_estimated": True,
        "estimated_cost_usd": 2.5e-6,
        "cost_nano_usd": 2_500,
        "latency_ms": 2500.0,
        "first_content_ms": 750.0,
        "policy_decision": "allow",
        "status": "ok",
        "error_code": None,
        "tool_names": ["search"],
        "dropped": ["seed"],
        "tags": {"team": "search"},
        "decision": DECIDED,
        "attempts": [
            BIG,
            BIG,
            {"target": "small", "provider": "p2", "model": "m2", "latency_ms": 9.0, "error_code": None, "usage": None},
        ],
    }


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (END, "ok", None),
        (CANCEL, "cancelled", None),
        (DISCONNECT, "disconnected", None),
        (Outcome("error", UpstreamCut("cut")), "error", "upstream_cut"),
    ],
)
async def test_an_answer_is_recorded_when_it_ends(outcome: Outcome, status: str, code: str | None) -> None:
    event = await _ended(outcome)
    assert (event["status"], event["error_code"]) == (status, code)


async def test_a_stream_is_recorded_once_at_its_end() -> None:
    log, answer = ListLog(), Answer("openai")
    (await ask(_record(log), make_call(), _answers(answer))).attach(ListSink())
    answer.feed([delta("a"), delta("b")])
    assert log.records == []
    answer.end()
    answer.close(DISCONNECT)
    assert [event["status"] for event in log.records] == ["ok"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelNotFound("no"), "error", "model_not_found"),
        (ValueError(SECRET), "error", "internal_error"),
        (asyncio.CancelledError(), "cancelled", None),
    ],
)
async def test_a_call_without_an_answer_is_recorded_and_its_error_passes(
    error: BaseException, status: str, code: str | None
) -> None:
    log = ListLog()
    with pytest.raises(type(error)):
        await ask(_record(log), make_call(), _fails(error))
    (event,) = log.records
    assert (event["status"], event["error_code"], event["first_content_ms"]) == (status, code, None)
    assert SECRET not in str(event)


async def test_no_text_of_the_caller_is_recorded() -> None:
    long = "x" * 500
    body = {"model": "fast", "messages": [{"role": "user", "content": SECRET}]}
    tags = {f"tag{number}": long for number in range(50)}
    call = make_call(body, user=SECRET, model=long, task=long, tags=tags)
    event = await _ended(END, call)
    assert SECRET not in str(event)
    assert long not in str(event)
    assert len(str(event)) < 4000


async def test_a_log_that_fails_at_the_end_is_reported_and_fails_nobody() -> None:
    log, lost = ListLog(), list[StoreFailed]()
    log.broken = True
    answer = await ask(_record(log, lost), make_call(), _answers(Answer("openai")))
    answer.close(END)
    assert answer.outcome == END
    with pytest.raises(ModelNotFound):
        await ask(_record(log, lost), make_call(), _fails(ModelNotFound("no")))
    assert len(lost) == 2


async def test_a_cost_that_nobody_knows_is_not_told_as_nothing() -> None:
    call = make_call()
    call.trail.usage, call.trail.cost_nano_usd, call.trail.unpriced = Usage(12, 34), 700, True
    event = await _ended(END, call)
    assert event["estimated_cost_usd"] is None
    assert event["cost_nano_usd"] == 700
