"""The official OpenAI SDK against the composed gateway: what its users do, and how its errors look to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest
from openai import AsyncOpenAI, OpenAI

from support.server import serving

# What a gateway that somebody served from here has left is not the tests'.
STORE_FILES = set(Path.cwd().glob("penstock.db*"))
CONFIG = """
server: {debug: true}
providers:
  sim: {kind: simulated, tokens_per_s: 2000}
models:
  small: {provider: sim, model_id: small-v1, max_output_tokens: 512, cost_per_1k_tokens_usd: 0.0002}
  strong: {provider: sim, model_id: strong-v1, cost_per_1k_tokens_usd: 0.003}
routing:
  chat: {primary: small}
tenant_tiers:
  pro: {allowed_models: [small], requests_per_minute: 100000, concurrent_requests: 1000}
  tiny: {allowed_models: [small], requests_per_minute: 3, max_input_tokens: 50, max_output_tokens: 4}
  poor: {allowed_models: [small], daily_budget_usd: 0.0000001}
tenants:
  acme: {tier: pro, keys: [{name: app, key: $ACME_KEY}]}
  dwarf: {tier: tiny, keys: [{name: app, key: $DWARF_KEY}]}
  beggar: {tier: poor, keys: [{name: app, key: $BEGGAR_KEY}]}
admin_keys: [$ADMIN_KEY]
"""
KEYS = {name: f"sk-{name.lower()}-{'0' * 40}" for name in ("ACME_KEY", "DWARF_KEY", "BEGGAR_KEY", "ADMIN_KEY")}
HELLO: Any = [{"role": "user", "content": "Say hello to 'Ada', please."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather somewhere.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sdk")
    config = folder / "penstock.yaml"
    config.write_text(CONFIG)
    with serving(config, folder, **KEYS) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[OpenAI]:
    with connect(address) as client:
        yield client


@pytest.fixture
async def async_client(address: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"http://{address}/v1", api_key=KEYS["ACME_KEY"], max_retries=0) as client:
        yield client


def connect(address: str, key: str = KEYS["ACME_KEY"]) -> OpenAI:
    return OpenAI(base_url=f"http://{address}/v1", api_key=key, max_retries=0)


def test_a_completion_has_text_usage_and_the_alias_that_was_asked(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="small", messages=HELLO)
    assert "Ada" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "small"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_stream_has_chunks_one_finish_then_usage_when_asked(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="chat", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert "Ada" in text
    assert reasons == ["stop"]
    assert [chunk.usage is not None for chunk in chunks].count(True) == 1
    assert chunks[-1].usage is not None
    assert {chunk.model for chunk in chunks} == {"chat"}


def test_an_explained_stream_is_like_any_other_to_the_sdk(client: OpenAI) -> None:
    plain = list(client.chat.completions.create(model="small", messages=HELLO, stream=True))
    explained = list(
        client.chat.completions.create(
            model="small", messages=HELLO, stream=True, extra_headers={"x-penstock-explain": "1"}
        )
    )
    assert [chunk.choices for chunk in explained] == [chunk.choices for chunk in plain]


def test_a_stream_whose_client_did_not_ask_has_no_usage(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="small", messages=HELLO, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_tool_round_trip(client: OpenAI, choice: Any) -> None:
    messages: Any = [{"role": "user", "content": "How is the weather in 'Hanoi' for the next 3 days?"}]
    first = client.chat.completions.create(model="small", messages=messages, tools=[WEATHER], tool_choice=choice)
    assert first.choices[0].finish_reason == "tool_calls"
    (called,) = first.choices[0].message.tool_calls or []
    assert called.type == "function"
    assert json.loads(called.function.arguments) == {"city": "Hanoi", "days": 3}
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": called.id, "content": "Sunny."}]
    second = client.chat.completions.create(model="small", messages=messages, tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop"
    assert second.choices[0].message.content


def test_tool_calls_come_in_pieces_that_the_sdk_puts_together(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="small", messages=[{"role": "user", "content": "Weather in 'Hue', 2 days"}], tools=[WEATHER]
    ) as stream:
        for _ in stream:
            pass
        (called,) = stream.get_final_completion().choices[0].message.tool_calls or []
    assert json.loads(called.function.arguments) == {"city": "Hue", "days": 2}


class Ticket(pydantic.BaseModel):
    title: str
    priority: int
    tags: list[str]


def test_structured_output_is_parsed(client: OpenAI) -> None:
    parsed = client.chat.completions.parse(model="small", messages=HELLO, response_format=Ticket)
    assert isinstance(parsed.choices[0].message.parsed, Ticket)
    loose = client.chat.completions.create(model="small", messages=HELLO, response_format={"type": "json_object"})
    assert isinstance(json.loads(loose.choices[0].message.content or ""), dict)
    named = client.chat.completions.create(
        model="small",
        messages=[{"role": "user", "content": "A joke as JSON with 'setup' and 'punchline' keys."}],
        response_format={"type": "json_object"},
    )
    assert set(json.loads(named.choices[0].message.content or "")) == {"setup", "punchline"}


def test_several_choices_logprobs_stop_seed_and_token_caps(client: OpenAI) -> None:
    several = client.chat.completions.create(model="small", messages=HELLO, n=3, logprobs=True, top_logprobs=2, seed=7)
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    assert several.choices[0].logprobs is not None
    assert several.system_fingerprint
    for cap in ({"max_tokens": 2}, {"max_completion_tokens": 2}):
        short = client.chat.completions.create(model="small", messages=HELLO, **cap)  # type: ignore[call-overload]
        assert short.choices[0].finish_reason == "length"
        assert short.usage.completion_tokens == 2
    stopped = client.chat.completions.create(model="small", messages=HELLO, stop=["answer"])
    assert "answer" not in (stopped.choices[0].message.content or "")


def test_images_by_url_and_by_data_pass(client: OpenAI) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    for url in ("https://example.com/cat.png", pixel):
        content: Any = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
        answer = client.chat.completions.create(model="small", messages=[{"role": "user", "content": content}])
        assert answer.choices[0].message.content


def test_models_are_those_that_the_key_may_call(client: OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {"small", "chat"}
    assert client.models.retrieve("small").owned_by == "sim"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("strong")


def test_errors_are_the_sdks_own_and_name_the_cure(client: OpenAI, address: str) -> None:
    with pytest.raises(openai.NotFoundError, match="chat, small") as missing:
        client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.PermissionDeniedError, match="may not use 'strong'"):
        client.chat.completions.create(model="strong", messages=HELLO)
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="small", messages=HELLO, temperature=9)
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.AuthenticationError), connect(address, "sk-wrong") as stranger:
        stranger.chat.completions.create(model="small", messages=HELLO)


def test_limits_of_the_tier_hold(address: str) -> None:
    with connect(address, KEYS["DWARF_KEY"]) as dwarf:
        raw = dwarf.chat.completions.with_raw_response.create(model="small", messages=HELLO, max_tokens=400)
        usage = raw.parse().usage
        assert usage is not None
        assert usage.completion_tokens == 4
        assert (raw.headers["x-ratelimit-limit-requests"], raw.headers["x-ratelimit-remaining-requests"]) == ("3", "2")
        with pytest.raises(openai.BadRequestError, match="shorten") as long:
            dwarf.chat.completions.create(model="small", messages=[{"role": "user", "content": "word " * 400}])
        assert long.value.code == "context_length_exceeded"
        dwarf.chat.completions.create(model="small", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as limited:
            dwarf.chat.completions.create(model="small", messages=HELLO)
    # A sliding window has room again when enough of the last minute's calls have left it.
    assert 0 < int(limited.value.response.headers["retry-after"]) <= 120
    assert limited.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_a_spent_budget_is_not_retried(address: str) -> None:
    with connect(address, KEYS["BEGGAR_KEY"]) as beggar, pytest.raises(openai.RateLimitError) as spent:
        beggar.chat.completions.create(model="small", messages=HELLO)
    assert spent.value.code == "insufficient_quota"
    assert spent.value.response.headers["x-should-retry"] == "false"


async def test_async_answers_and_streams(async_client: AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(model="small", messages=HELLO)
    assert answer.choices[0].message.content
    stream = await async_client.chat.completions.create(model="small", messages=HELLO, stream=True)
    assert "Ada" in "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def test_a_cached_stream_replays_as_the_same_stream(async_client: AsyncOpenAI) -> None:
    async def ask() -> tuple[str | None, list[str]]:
        raw = await async_client.chat.completions.with_raw_response.create(
            model="small", messages=[{"role": "user", "content": "cache me"}], stream=True, temperature=0
        )
        texts = [chunk.choices[0].delta.content or "" async for chunk in raw.parse()]
        return raw.headers.get("x-penstock-cache"), texts

    first_use, first = await ask()
    second_use, second = await ask()
    assert (first_use, second_use) == ("miss", "hit")
    assert first == second
    assert len(second) > 2


async def test_three_hundred_streams_at_once(async_client: AsyncOpenAI) -> None:
    async def one(number: int) -> bool:
        stream = await async_client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": f"stream {number}"}], stream=True
        )
        parts = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in parts)
        return f'"stream {number}"' in text and parts[-1].choices[0].finish_reason == "stop"

    async with asyncio.timeout(60):
        assert all(await asyncio.gather(*(one(number) for number in range(300))))


def test_nothing_of_the_store_lies_where_the_tests_run(address: str) -> None:
    assert address
    assert set(Path.cwd().glob("penstock.db*")) <= STORE_FILES
