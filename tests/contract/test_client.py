"""A client keeps the same promises whether its gateway is in the same process or behind HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from penstock import Client
from penstock.client import Stream
from penstock.client.inside import Inside
from penstock.client.told import Way
from penstock.core.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    InvalidParameter,
    MissingVariable,
    ModelNotAllowed,
    ModelNotFound,
    PenstockError,
    RateLimited,
    Unavailable,
    UpstreamCut,
    UpstreamUnavailable,
)
from support.whole_gateway import Whole, whole_gateway

KEYS = {name: f"sk-{name}-{'0' * 40}" for name in ("acme", "beggar", "dwarf")}
CONFIG = f"""
providers:
  sim: {{kind: simulated}}
  paced: {{kind: simulated, tokens_per_s: 50}}
  broken: {{kind: simulated, fail_rate: 1, fail_kind: error_500}}
  hung: {{kind: simulated, fail_rate: 1, fail_kind: hang}}
  cut: {{kind: simulated, fail_rate: 1, fail_kind: cut}}
models:
  small: {{provider: sim, model_id: small-v1, cost_per_1k_tokens_usd: 0.002}}
  paced: {{provider: paced, model_id: paced-v1, cost_per_1k_tokens_usd: 0.002}}
  broken: {{provider: broken, model_id: broken-v1, cost_per_1k_tokens_usd: 0.002}}
  hung: {{provider: hung, model_id: hung-v1, cost_per_1k_tokens_usd: 0.002}}
  cut: {{provider: cut, model_id: cut-v1, cost_per_1k_tokens_usd: 0.002}}
  secret: {{provider: sim, model_id: secret-v1, cost_per_1k_tokens_usd: 0.002}}
routing:
  chat: {{primary: small}}
  saved: {{primary: broken, fallback: small}}
tenant_tiers:
  pro: {{allowed_models: [small, paced, broken, hung, cut], requests_per_minute: 10000, daily_budget_usd: 1}}
  poor: {{allowed_models: [small], daily_budget_usd: 0.000000001}}
  tiny: {{allowed_models: [small], requests_per_minute: 1}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: {KEYS["acme"]}}}]}}
  beggar: {{tier: poor, keys: [{{name: app, key: {KEYS["beggar"]}}}]}}
  dwarf: {{tier: tiny, keys: [{{name: app, key: {KEYS["dwarf"]}}}]}}
admin_keys: [sk-admin-{"0" * 40}]
"""
PROMPT = """
prompt_id: greeting
version: v1
owner: tests
task: chat
messages:
  - {role: user, content: "Greet {{ name }}."}
variables:
  - {name: name, required: true}
"""
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HELLO = "Say hello to 'Ada', please."
SAID = f'Simulated answer from small-v1 to: "{HELLO}"'

# A client of the gateway under test, asking as a tenant.
Connect: TypeAlias = Callable[[str], Client]


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    (tmp_path / "prompts" / "greeting").mkdir(parents=True)
    (tmp_path / "prompts" / "greeting" / "v1.yaml").write_text(PROMPT)
    async with whole_gateway(tmp_path, CONFIG) as whole:
        yield whole


@pytest.fixture(params=["inside", "over HTTP"])
def connect(request: pytest.FixtureRequest, whole: Whole) -> Connect:
    @asynccontextmanager
    async def inside(tenant: str) -> AsyncIterator[Way]:
        yield Inside(whole.gateway, tenant)

    if request.param == "inside":
        return lambda tenant: Client(lambda: inside(tenant))
    return lambda tenant: Client.connect(f"http://127.0.0.1:{whole.served.port}", api_key=KEYS[tenant])


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect("acme") as client:
        yield client


async def read(stream: Stream) -> str:
    return "".join([part async for part in stream])


async def in_flight(whole: Whole) -> None:
    async with asyncio.timeout(5):
        while not whole.gateway.calls_in_flight:  # noqa: ASYNC110 - a gateway tells nobody
            await asyncio.sleep(0.001)


# --- an answer ---


async def test_an_answer_says_how_it_came_about(client: Client) -> None:
    answer = await client.generate(HELLO, model="chat", max_output_tokens=100)
    assert answer.text == SAID
    assert (answer.model, answer.provider, answer.finish_reason) == ("small-v1", "sim", "stop")
    assert answer.usage.input_tokens > 0
    assert answer.cost_usd == pytest.approx((answer.usage.input_tokens + answer.usage.output_tokens) * 0.002 / 1000)
    assert [(each.target, each.error_code) for each in answer.attempts] == [("small", None)]
    assert answer.decision is not None
    assert (answer.decision.asked, answer.decision.rule, answer.decision.targets) == ("chat", "route", ("small",))
    assert (answer.fallback_used, answer.degraded, answer.cache) == (False, False, "")
    assert answer.raw["model"] == "chat"


async def test_a_streams_result_is_the_same_answer(client: Client) -> None:
    stream = client.stream(HELLO, model="chat", max_output_tokens=100)
    with pytest.raises(RuntimeError, match="read to its end"):
        _ = stream.result
    parts = [part async for part in stream]
    assert len(parts) > 1
    assert "".join(parts) == SAID
    streamed, whole = stream.result, await client.generate(HELLO, model="chat", max_output_tokens=100)
    for fact in ("text", "model", "provider", "usage", "cost_usd", "finish_reason", "decision", "fallback_used"):
        assert getattr(streamed, fact) == getattr(whole, fact), fact
    assert [each.target for each in streamed.attempts] == ["small"]
    assert streamed.request_id not in {"", whole.request_id}
    assert streamed.raw["object"] == "chat.completion"
    assert [part async for part in stream] == []


async def test_the_audit_log_knows_the_call_by_its_id(client: Client, whole: Whole) -> None:
    answer = await client.generate(HELLO, model="small", user="user-7", tags={"team": "search"})
    (event,) = await whole.events()
    assert event["request_id"] == answer.request_id
    assert (event["tenant_id"], event["status"], event["tags"]) == ("acme", "ok", {"team": "search"})
    assert event["cost_nano_usd"] / 1e9 == answer.cost_usd


async def test_a_task_names_the_route(client: Client) -> None:
    answer = await client.generate(HELLO, task="saved")
    assert answer.decision is not None
    assert answer.decision.targets == ("broken", "small")


async def test_a_registered_prompt_is_filled(client: Client) -> None:
    answer = await client.generate(model="small", prompt_id="greeting", prompt_version="v1", variables={"name": "Bo"})
    assert answer.text.endswith('"Greet Bo."')
    with pytest.raises(MissingVariable) as told:
        await client.generate(model="small", prompt_id="greeting", prompt_version="v1")
    assert told.value.param == "variables"


async def test_the_same_question_is_answered_from_the_cache_and_says_so(client: Client) -> None:
    first = await client.generate(HELLO, model="small", temperature=0)
    second = await client.generate(HELLO, model="small", temperature=0)
    assert (first.cache, second.cache) == ("miss", "hit")
    assert (second.text, second.cost_usd, second.attempts) == (first.text, 0.0, ())
    assert second.usage == first.usage
    assert (await client.generate(HELLO, model="small", temperature=0, cache="off")).cache == ""


async def test_a_fallback_is_told_with_the_attempts_before_it(client: Client) -> None:
    answer = await client.generate(HELLO, model="saved")
    assert answer.fallback_used
    assert [each.error_code for each in answer.attempts] == ["upstream_unavailable"] * 3 + [None]
    stream = client.stream(HELLO, model="saved")
    assert await read(stream) == SAID
    assert stream.result.fallback_used


# --- tools and structure ---


async def test_tools_go_there_and_back(client: Client) -> None:
    question: list[dict[str, Any]] = [{"role": "user", "content": "How is the weather in 'Hanoi'?"}]
    answer = await client.generate(question, model="small", tools=[TOOL], tool_choice="required")
    (call,) = answer.tool_calls
    assert answer.finish_reason == "tool_calls"
    assert json.loads(call["function"]["arguments"]) == {"city": "Hanoi"}
    question += [answer.message, {"role": "tool", "tool_call_id": call["id"], "content": "Rain."}]
    answer = await client.generate(question, model="small", tools=[TOOL])
    assert (answer.finish_reason, answer.tool_calls) == ("stop", [])


async def test_streamed_tools_are_put_together(client: Client) -> None:
    question: list[dict[str, Any]] = [{"role": "user", "content": "How is the weather in 'Hanoi'?"}]
    stream = client.stream(question, model="small", tools=[TOOL], tool_choice="required")
    assert await read(stream) == ""
    (call,) = stream.result.tool_calls
    assert call.keys() == {"id", "type", "function"}
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Hanoi"}
    question += [stream.result.message, {"role": "tool", "tool_call_id": call["id"], "content": "Rain."}]
    assert (await client.generate(question, model="small", tools=[TOOL])).finish_reason == "stop"


async def test_an_answer_has_the_schema_that_was_asked_for(client: Client) -> None:
    schema = {"type": "object", "properties": {"urgent": {"type": "boolean"}}, "required": ["urgent"]}
    form = {"type": "json_schema", "json_schema": {"name": "triage", "schema": schema}}
    answer = await client.generate(HELLO, model="small", response_format=form)
    assert isinstance(json.loads(answer.text)["urgent"], bool)


# --- errors ---


@pytest.mark.parametrize(
    ("asks", "error", "param"),
    [
        ({"model": "nobody"}, ModelNotFound, "model"),
        ({"model": "secret"}, ModelNotAllowed, "model"),
        ({"model": "small", "temperature": 3}, InvalidParameter, "temperature"),
        ({"model": "small", "tools": [{"type": "function"}, 5]}, InvalidParameter, "tools[1]"),
        ({"model": "small", "user": "a\r\nx-penstock-task: b"}, InvalidParameter, "user"),
        ({"model": "small", "tags": {"team": "a,b=c"}}, InvalidParameter, "tags"),
        ({"model": "small", "cache": "perhaps"}, InvalidParameter, "cache"),
        ({"model": "small", "extra": {"stream": True}}, InvalidParameter, "stream"),
        ({}, InvalidParameter, "model"),
        ({"model": "broken"}, UpstreamUnavailable, None),
    ],
)
async def test_an_error_is_of_its_own_class(
    client: Client, asks: Any, error: type[PenstockError], param: str | None
) -> None:
    with pytest.raises(PenstockError) as told:
        await client.generate(HELLO, **asks)
    assert type(told.value) is error
    assert (told.value.param, told.value.status) == (param, error.status)
    with pytest.raises(error):
        await read(client.stream(HELLO, **asks))


async def test_a_budget_that_is_spent_is_told(connect: Connect) -> None:
    async with connect("beggar") as client:
        with pytest.raises(BudgetExceeded) as told:
            await client.generate(HELLO, model="small")
    assert told.value.should_retry is False


async def test_an_error_says_when_to_come_back(connect: Connect) -> None:
    async with connect("dwarf") as client:
        await client.generate(HELLO, model="small")
        with pytest.raises(RateLimited) as told:
            await client.generate(HELLO, model="small")
    assert told.value.retry_after_s is not None
    assert 0 < told.value.retry_after_s <= 120


async def test_a_stream_that_is_cut_raises_after_what_has_come(client: Client, whole: Whole) -> None:
    stream = client.stream(HELLO, model="cut")
    assert await anext(stream)
    with pytest.raises(UpstreamCut):
        await read(stream)
    with pytest.raises(RuntimeError):
        _ = stream.result
    assert await whole.left() == {}


async def test_an_argument_that_there_is_none_is_told_as_python_does(client: Client) -> None:
    with pytest.raises(TypeError, match=r"'temprature'.*extra"):
        await client.generate(HELLO, model="small", temprature=0)  # type: ignore[call-arg]


# --- time, cancellation, closing ---


async def test_a_call_ends_in_its_time(client: Client, whole: Whole) -> None:
    with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
        await client.generate(HELLO, model="hung", timeout_s=0.05)
    with pytest.raises(DeadlineExceeded):
        await read(client.stream(HELLO, model="hung", timeout_s=0.05))
    stream = client.stream(HELLO * 50, model="paced", timeout_s=0.2)
    assert await anext(stream)
    with pytest.raises(DeadlineExceeded):
        await read(stream)
    assert await whole.left() == {}


async def test_a_cancelled_call_is_given_up_by_the_gateway(client: Client, whole: Whole) -> None:
    task = asyncio.create_task(client.generate(HELLO, model="hung"))
    await in_flight(whole)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await whole.left() == {}


async def test_a_stream_is_given_up_in_the_middle(client: Client, whole: Whole) -> None:
    async with client.stream(HELLO * 50, model="paced") as stream:
        assert await anext(stream)
    assert await whole.left() == {}
    (event,) = await whole.events()
    assert event["status"] in {"cancelled", "disconnected"}
    assert [part async for part in stream] == []


async def test_a_stream_that_nobody_holds_any_more_is_given_up(client: Client, whole: Whole) -> None:
    async for _ in client.stream(HELLO * 50, model="paced"):
        break
    assert await whole.left() == {}


async def test_calls_do_not_wait_for_each_other(client: Client, whole: Whole) -> None:
    waiting = asyncio.create_task(client.generate(HELLO, model="hung"))
    questions = [f"Say '{number}'." for number in range(50)]
    answers, texts = await asyncio.gather(
        asyncio.gather(*(client.generate(question, model="small") for question in questions)),
        asyncio.gather(*(read(client.stream(question, model="small")) for question in questions)),
    )
    said = [f'Simulated answer from small-v1 to: "{question}"' for question in questions]
    assert [answer.text for answer in answers] == texts == said
    waiting.cancel()
    assert await whole.left() == {}


async def test_closing_ends_what_is_under_way(connect: Connect, whole: Whole) -> None:
    async with connect("acme") as client:
        waiting = asyncio.create_task(client.generate(HELLO, model="hung"))
        stream = client.stream(HELLO * 50, model="paced")
        assert await anext(stream)
        await in_flight(whole)
    with pytest.raises(Unavailable, match="closed"):
        await waiting
    with pytest.raises(Unavailable, match="closed"):
        await read(stream)
    with pytest.raises(Unavailable, match="closed"):
        await client.generate(HELLO, model="small")
    await client.aclose()
    assert await whole.left() == {}


async def test_a_client_is_opened_first_and_once(connect: Connect) -> None:
    client = connect("acme")
    with pytest.raises(RuntimeError, match="async with"):
        await client.generate(HELLO, model="small")
    async with client:
        with pytest.raises(RuntimeError, match="open already"):
            await client.__aenter__()


async def test_a_reader_that_falls_behind_loses_nothing(client: Client) -> None:
    question = " ".join(str(number) for number in range(3000))
    stream = client.stream(question, model="small", max_output_tokens=100_000)
    first = await anext(stream)
    await asyncio.sleep(0.05)
    assert first + await read(stream) == (await client.generate(question, model="small")).text


# --- without an event loop ---


async def test_code_without_a_loop_asks_alike(whole: Whole) -> None:
    def program() -> None:
        address = f"http://127.0.0.1:{whole.served.port}"
        with Client.connect(address, api_key=KEYS["acme"]).blocking() as client:
            assert client.generate(HELLO, model="small").text == SAID
            stream = client.stream(HELLO, model="small")
            assert "".join(stream) == stream.result.text == SAID
            with client.stream(HELLO * 50, model="paced") as half:
                assert next(half)
            with pytest.raises(ModelNotFound):
                client.generate(HELLO, model="nobody")
        with pytest.raises(Unavailable):
            client.generate(HELLO, model="small")

    await asyncio.to_thread(program)
    assert await whole.left() == {}
