"""The simulated provider through the real adapter, and through the official SDK's parsers."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from operator import mul
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from penstock.core.answer import CANCEL, Answer
from penstock.core.call import Call, Usage
from penstock.core.errors import (
    InvalidRequest,
    PenstockError,
    UnsupportedEndpoint,
    UpstreamCut,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from penstock.core.plan import Target
from penstock.core.ports import Endpoint, Fault, Origin
from penstock.dialects.openai import read_chat
from penstock.providers import FAULT_KINDS, Simulated, SimulatedTransport
from penstock.providers.simulated.answer import compose
from support.calls import ListSink, make_call

TARGET = Target("alias", "mock", "m-1")
USER: Any = {"role": "user", "content": "What is the weather in 'Paris' for 3 days?"}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "note": {"type": "string"}},
            "required": ["city", "days"],
        },
    },
}
OTHER = {"type": "function", "function": {"name": "other"}}


def chat(**fields: Any) -> Call:
    body = {"model": "fast", "messages": [USER]} | fields
    asked = read_chat(msgspec.json.encode(body))
    return make_call(
        body,
        stream=asked.stream,
        include_usage=asked.include_usage,
        max_output_tokens=asked.max_output_tokens,
        choices=asked.choices,
        input_tokens=asked.input_tokens,
    )


async def whole(call: Call, provider: Simulated | None = None) -> Any:
    answer = await (provider or Simulated("mock")).bind(TARGET)(call)
    return msgspec.json.decode(answer.body or b"")


async def streamed(call: Call, provider: Simulated | None = None) -> tuple[Answer, list[Any], ListSink]:
    """The answer, its chunks and the sink, when all is over."""
    answer = await (provider or Simulated("mock")).bind(TARGET)(call)
    sink = ListSink()
    answer.attach(sink)
    await sink.done.wait()
    raw = b"".join(item.raw for item in sink.events)
    return answer, [msgspec.json.decode(block[6:]) for block in raw.split(b"\n\n") if block], sink


# --- what it says ---


async def test_text_is_honest_and_streams_in_several_chunks() -> None:
    body = await whole(chat())
    text = body["choices"][0]["message"]["content"]
    assert text == f'Simulated answer from m-1 to: "{USER["content"]}"'
    answer, chunks, _ = await streamed(chat(stream=True))
    pieces = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert "".join(piece for piece in pieces if piece) == text
    assert sum(bool(piece) for piece in pieces) >= 2
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"][0]["finish_reason"]] == [
        "stop"
    ]
    assert answer.usage is not None
    assert not answer.usage.estimated
    assert {chunk["model"] for chunk in chunks} == {"fast"}


async def test_usage_comes_once_and_last_to_who_asks() -> None:
    _, chunks, _ = await streamed(chat(stream=True, stream_options={"include_usage": True}))
    assert [chunk["usage"] is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["choices"] == []
    _, chunks, _ = await streamed(chat(stream=True))
    assert not any("usage" in chunk for chunk in chunks)


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (None, "get_weather"),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "other"}}, "other"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [OTHER]}}, "other"),
    ],
)
async def test_a_question_with_tools_is_answered_by_one_call(choice: Any, name: str) -> None:
    body = await whole(chat(tools=[WEATHER, OTHER], tool_choice=choice))
    (call,) = body["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == name
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    arguments = msgspec.json.decode(call["function"]["arguments"])
    assert arguments == ({"city": "Paris", "days": 3} if name == "get_weather" else {})


async def test_a_streamed_call_comes_in_pieces() -> None:
    answer, chunks, _ = await streamed(chat(tools=[WEATHER], stream=True))
    calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks[:-1]]
    assert calls[0]["function"]["name"] == "get_weather"
    assert len(calls) > 2
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert msgspec.json.decode(arguments) == {"city": "Paris", "days": 3}
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "none"},
        {"messages": [USER, {"role": "tool", "content": "18 degrees", "tool_call_id": "1"}]},
    ],
)
async def test_a_tools_result_and_a_refused_choice_are_answered_by_text(fields: dict[str, Any]) -> None:
    body = await whole(chat(tools=[WEATHER], **fields))
    message = body["choices"][0]["message"]
    assert "tool_calls" not in message
    assert message["content"].startswith("Simulated answer")
    assert ("18 degrees" in message["content"]) == ("messages" in fields)


async def test_formats_are_met() -> None:
    schema = WEATHER["function"]["parameters"]
    wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": schema}}
    body = await whole(chat(response_format=wanted))
    assert msgspec.json.decode(body["choices"][0]["message"]["content"]) == {"city": "Paris", "days": 3}
    body = await whole(chat(response_format={"type": "json_object"}))
    assert set(msgspec.json.decode(body["choices"][0]["message"]["content"])) == {"answer"}


async def test_limits_stops_choices_logprobs_and_seed_are_honoured() -> None:
    body = await whole(chat(max_tokens=2))
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 2
    body = await whole(chat(stop=["never", " from"]))
    assert body["choices"][0]["message"]["content"] == "Simulated answer"
    body = await whole(chat(n=3, logprobs=True, top_logprobs=2))
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    tokens = body["choices"][2]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == body["choices"][2]["message"]["content"]
    prints = [(await whole(chat(seed=seed)))["system_fingerprint"] for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]


async def test_every_choice_finishes_in_a_stream() -> None:
    _, chunks, sink = await streamed(chat(n=2, stream=True))
    assert sink.outcome is not None
    assert sink.outcome.kind == "end"
    finished = [chunk["choices"][0]["index"] for chunk in chunks if chunk["choices"][0]["finish_reason"]]
    assert finished == [0, 1]


@pytest.mark.parametrize(
    "parameters", [{"minimum": "x"}, {"properties": []}, {"$ref": 5}, {"anyOf": [1]}, {"allOf": 3}]
)
async def test_a_schema_that_is_none_costs_no_answer(parameters: Any) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    body = await whole(chat(tools=[tool]))
    assert body["choices"][0]["finish_reason"] == "tool_calls"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "custom"]), inner),
    max_leaves=8,
)
TOOLS = st.lists(st.sampled_from([WEATHER, OTHER]) | st.fixed_dictionaries({"type": st.just("custom"), "custom": JSON}))
CHOICES = JSON | st.fixed_dictionaries(
    {"type": st.just("allowed_tools"), "allowed_tools": JSON | st.just({"tools": [5]})}
)
FORMATS = st.fixed_dictionaries({"type": st.just("json_schema"), "json_schema": JSON})


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={"tools": TOOLS, "tool_choice": CHOICES, "response_format": FORMATS, "stop": JSON}
    )
)
def test_whatever_the_gateway_lets_through_is_answered(fields: dict[str, Any]) -> None:
    body = msgspec.json.encode({"model": "fast", "messages": [USER]} | fields)
    with suppress(InvalidRequest):
        read_chat(body)
        assert compose(msgspec.json.decode(body)).finish_reason in {"stop", "tool_calls"}


# --- what it does wrong ---


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("error_429", UpstreamRateLimited),
        ("error_500", UpstreamUnavailable),
        ("malformed", UpstreamMalformed),
        ("html", UpstreamMalformed),
    ],
)
async def test_faults_before_content_are_raised(kind: str, expected: type[PenstockError], stream: bool) -> None:  # noqa: FBT001 - both ways
    provider = Simulated("mock", failure=Fault(kind=kind))
    with pytest.raises(expected) as caught:
        await provider.bind(TARGET)(chat(stream=stream))
    assert caught.value.retry_after_s == (1.0 if kind == "error_429" else None)
    provider.set_fault(None)
    (await provider.bind(TARGET)(chat(stream=stream))).close(CANCEL)


async def test_a_cut_is_told_before_or_after_content() -> None:
    provider = Simulated("mock", failure=Fault(kind="cut"))
    with pytest.raises(UpstreamCut):
        await whole(chat(), provider)
    _, chunks, sink = await streamed(chat(stream=True), provider)
    assert sink.outcome is not None
    assert isinstance(sink.outcome.error, UpstreamCut)
    assert not any(chunk["choices"][0]["finish_reason"] for chunk in chunks)


@pytest.mark.parametrize(("kind", "stream"), [("hang", False), ("hang", True), ("hang_mid_stream", False)])
async def test_a_hang_lasts_until_the_caller_gives_up(kind: str, stream: bool) -> None:  # noqa: FBT001 - a column of the table
    provider = Simulated("mock", failure=Fault(kind=kind))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(provider.bind(TARGET)(chat(stream=stream)), 0.02)


async def test_a_hang_in_a_stream_comes_after_content() -> None:
    provider = Simulated("mock", failure=Fault(kind="hang_mid_stream"))
    answer = await provider.bind(TARGET)(chat(stream=True))
    sink = ListSink()
    answer.attach(sink)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sink.done.wait(), 0.02)
    assert any(item.kind == "delta" for item in sink.events)
    answer.close(CANCEL)


async def test_absent_usage_is_estimated() -> None:
    provider = Simulated("mock", failure=Fault(kind="no_usage"))
    answer = await provider.bind(TARGET)(chat())
    assert answer.usage is not None
    assert answer.usage.estimated
    answer, _, _ = await streamed(chat(stream=True, stream_options={"include_usage": True}), provider)
    assert answer.usage is not None
    assert answer.usage.estimated


async def test_a_rate_is_a_repeatable_sequence() -> None:
    async def outcomes() -> list[str]:
        provider = Simulated("mock", failure=Fault(kind="error_500", rate=0.4), seed=7)
        kinds = []
        for _ in range(50):
            try:
                await provider.bind(TARGET)(chat())
                kinds.append("ok")
            except UpstreamUnavailable:
                kinds.append("error")
        return kinds

    first = await outcomes()
    assert first == await outcomes()
    assert 10 < Counter(first)["error"] < 30


@pytest.mark.parametrize("fault", [Fault(kind="gremlins"), Fault(rate=1.5), Fault(rate=-0.1)])
async def test_unknown_faults_are_refused(fault: Fault) -> None:
    with pytest.raises(ValueError, match="fault"):
        Simulated("mock").set_fault(fault)
    assert "error_500" in FAULT_KINDS


# --- when it says it ---


async def test_latency_and_speed_are_kept_and_a_pause_holds_the_stream() -> None:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    answer = await Simulated("mock", latency_s=0.03, tokens_per_s=200).bind(TARGET)(chat(stream=True, max_tokens=8))
    assert 0.03 <= loop.time() - begun_s < 0.5
    sink = ListSink()
    answer.attach(sink)
    answer.pause()
    held = len(sink.events)
    await asyncio.sleep(0.02)
    assert len(sink.events) == held
    answer.resume()
    await sink.done.wait()
    assert loop.time() - begun_s >= 0.03 + 7 / 200
    assert sum(item.kind == "delta" for item in sink.events) == 8


# --- the official SDK ---


class InProcess(httpx2.AsyncBaseTransport):
    """Carries the SDK's requests to a simulated upstream."""

    def __init__(self) -> None:
        self._send = SimulatedTransport().bind(Endpoint(Origin("http", "simulated.invalid", 80), b"POST", b"/", ()))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._send(request.content)
        body = await response.read(1 << 20)
        return httpx2.Response(response.status, headers=list(response.headers), content=body)


class Weather(BaseModel):
    city: str
    days: int


async def test_the_official_sdk_parses_its_answers() -> None:
    async with httpx2.AsyncClient(transport=InProcess()) as http:
        client = openai.AsyncOpenAI(api_key="k", base_url="http://simulated.invalid/v1", http_client=http)
        completions: Any = client.chat.completions
        messages = [USER]
        plain = await completions.create(model="m", messages=messages, logprobs=True)
        assert plain.choices[0].message.content.startswith("Simulated answer")
        called = await completions.create(model="m", messages=messages, tools=[WEATHER])
        assert called.choices[0].message.tool_calls[0].function.name == "get_weather"
        parsed = await completions.parse(model="m", messages=messages, response_format=Weather)
        assert parsed.choices[0].message.parsed == Weather(city="Paris", days=3)
        async with completions.stream(model="m", messages=messages, response_format=Weather) as stream:
            final = await stream.get_final_completion()
        assert final.choices[0].message.parsed == Weather(city="Paris", days=3)


async def test_embeddings_are_unit_vectors_in_which_texts_that_share_words_are_near() -> None:
    texts = ["the cat sat on the mat", "a cat sat on a mat", "quarterly revenue grew"]
    call = make_call({"model": "fast", "input": texts}, dialect="embeddings")
    answer = await Simulated("fake").bind(TARGET)(call)
    assert answer.body is not None
    near, far = _products([item["embedding"] for item in msgspec.json.decode(answer.body)["data"]])
    assert near > far
    assert (answer.usage, answer.dialect) == (Usage(15), "embeddings")


def _products(vectors: list[list[float]]) -> tuple[float, float]:
    one, near, far = vectors
    assert all(sum(value * value for value in vector) == pytest.approx(1) for vector in vectors)
    return sum(map(mul, one, near)), sum(map(mul, one, far))


@pytest.mark.parametrize("asked", [{"input": "Hi", "dimensions": 10**9}, {"input": ["Hi"] * 2049}])
async def test_more_embeddings_than_there_are_is_the_callers_mistake(asked: dict[str, Any]) -> None:
    with pytest.raises(UpstreamRejected, match="At most 2048 inputs and 4096 dimensions"):
        await Simulated("fake").bind(TARGET)(make_call({"model": "fast", **asked}, dialect="embeddings"))


@pytest.mark.parametrize("dialect", ["openai", "embeddings"])
async def test_a_number_that_no_decoder_takes_is_the_callers_mistake(dialect: str) -> None:
    fields = make_call({"model": "fast", "messages": [USER], "input": "Hi"}).fields | {"x": msgspec.Raw(b"1e999")}
    with pytest.raises(UpstreamRejected, match="cannot be read"):
        await Simulated("fake").bind(TARGET)(make_call(dialect=dialect, fields=fields))


async def test_a_simulated_model_has_no_legacy_completions() -> None:
    with pytest.raises(UnsupportedEndpoint, match="name another model"):
        await Simulated("fake").bind(TARGET)(make_call({"model": "fast", "prompt": "Hi"}, dialect="completions"))
