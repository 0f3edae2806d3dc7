"""LiteLLM's SDK as a client, in each dialect that it speaks; in an environment of its own, for it holds older SDKs."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest
from asking import ENDLESS, GREETING, INPUT_TOKENS, OUTPUT_TOKENS, QUESTION, TOLD, UNKNOWN, WEATHER_SCHEMA, Person
from place import Place, at
from upstream import Upstream
from upstream.vectors import VECTOR

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it looks for prices outside

import litellm

FACES = {
    "openai": ("direct", "gpt", "compatible", "claude", "gemini"),
    "anthropic": ("direct", "claude", "gpt", "gemini"),
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA}}
Asker = tuple[str, Place]


@pytest.fixture(params=[(face, name) for face, names in FACES.items() for name in names], ids="-".join)
def asker(request: pytest.FixtureRequest, upstream: Upstream, gateway_url: str) -> Asker:
    """The provider that LiteLLM takes the gateway for, and a place that speaks its dialect."""
    face, name = request.param
    return face, at(name, upstream, gateway_url)


def complete(asker: Asker, text: str = QUESTION, **more: Any) -> Any:
    """One question, asked once."""
    face, place = asker
    said: dict[str, Any] = {
        "model": f"{face}/{more.pop('model', place.model)}",
        "messages": [{"role": "user", "content": text}],
        "api_base": place.openai_url if face == "openai" else place.anthropic_url,
        "api_key": place.key,
        "max_retries": 0,
        "num_retries": 0,
    }
    return more.pop("ask", litellm.completion)(**said | more)


def test_an_answer_and_its_stream(asker: Asker) -> None:
    answer = complete(asker)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (GREETING, "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    chunks = list(complete(asker, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == GREETING
    assert [chunk.usage.completion_tokens for chunk in chunks if getattr(chunk, "usage", None)] == [OUTPUT_TOKENS]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_answered(asker: Asker, *, streamed: bool) -> None:
    answer = complete(asker, tools=[WEATHER], stream=streamed)
    if streamed:
        answer = litellm.stream_chunk_builder(list(answer))
    message = answer.choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Ada", "days": 36})
    messages = [
        {"role": "user", "content": QUESTION},
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": TOLD},
    ]
    after = complete(asker, messages=messages, tools=[WEATHER])
    assert after.choices[0].message.content == f"The tool said: {TOLD}"


def test_structured_output(asker: Asker) -> None:
    answer = complete(asker, response_format=Person)
    assert Person.model_validate_json(answer.choices[0].message.content) == Person(name="Ada", age=36)


def test_errors_are_told(asker: Asker) -> None:
    place = asker[1]
    with pytest.raises(litellm.NotFoundError):
        complete(asker, model=UNKNOWN)
    with pytest.raises(litellm.AuthenticationError):
        complete(asker, api_key=place.wrong_key)
    with pytest.raises(litellm.BadRequestError):
        complete(asker, "fail 400")
    with pytest.raises(litellm.RateLimitError):  # noqa: PT012 - the second may be the one too many
        complete(asker, api_key=place.limited_key)
        complete(asker, api_key=place.limited_key)


def test_who_leaves_a_stream_closes_the_providers(asker: Asker) -> None:
    async def leave() -> None:
        stream = await complete(asker, ENDLESS, stream=True, ask=litellm.acompletion)
        for _ in range(6):
            await anext(stream)
        await stream.aclose()

    asyncio.run(leave())
    assert asker[1].upstream.was_left()


def test_responses(upstream: Upstream, gateway_url: str) -> None:
    for name in ("direct", "gpt", "claude", "gemini"):
        place = at(name, upstream, gateway_url)
        said: dict[str, Any] = {
            "model": f"openai/{place.model}",
            "input": QUESTION,
            "api_base": place.openai_url,
            "api_key": place.key,
        }
        answer: Any = litellm.responses(**said)
        assert answer.output[-1].content[0].text == GREETING
        *_, last = litellm.responses(**said, stream=True)
        assert last.response.output[-1].content[0].text == GREETING


def test_embeddings(upstream: Upstream, gateway_url: str) -> None:
    for name in ("direct", "gpt"):
        place = at(name, upstream, gateway_url)
        answer = litellm.embedding(
            model=f"openai/{place.model}", input=[QUESTION], api_base=place.openai_url, api_key=place.key
        )
        assert answer.data[0]["embedding"] == list(VECTOR)
