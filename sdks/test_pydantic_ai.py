"""Pydantic AI's agents, at each face that they know."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest
from asking import ENDLESS, GREETING, INPUT_TOKENS, OUTPUT_TOKENS, QUESTION, TOLD, UNKNOWN, Person
from place import Place, at
from pydantic_ai import Agent, ModelHTTPError, NativeOutput, ToolOutput
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from test_langchain import FACES
from upstream import Upstream

Asker = tuple[str, Place]


@pytest.fixture(params=[(face, name) for face, names in FACES.items() for name in names], ids="-".join)
def asker(request: pytest.FixtureRequest, upstream: Upstream, gateway_url: str) -> Asker:
    """A face, and a place that has it."""
    face, name = request.param
    return face, at(name, upstream, gateway_url)


def connect(asker: Asker, *, key: str = "", model: str = "") -> Model:
    """A model that is asked once."""
    face, place = asker
    name, key = model or place.model, key or place.key
    if face == "messages":
        client = anthropic.AsyncAnthropic(base_url=place.anthropic_url, api_key=key, max_retries=0)
        # It knows by a model's name what the model can do, and not by the names here.
        able: Any = {"supports_json_schema_output": True}
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client), profile=able)
    asked = openai.AsyncOpenAI(base_url=place.openai_url, api_key=key, max_retries=0)
    kind = OpenAIChatModel if face == "chat" else OpenAIResponsesModel
    return kind(name, provider=OpenAIProvider(openai_client=asked))


async def weather(city: str, days: int) -> str:
    """The weather there."""
    assert (city, days) == ("Ada", 36)
    return TOLD


def test_an_answer_and_its_stream(asker: Asker) -> None:
    async def run() -> None:
        agent = Agent(connect(asker), instructions="Be kind.")
        answer = await agent.run(QUESTION)
        assert answer.output == GREETING
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
        async with agent.run_stream(QUESTION) as stream:
            assert "".join([piece async for piece in stream.stream_text(delta=True)]) == GREETING
            assert stream.usage.output_tokens == OUTPUT_TOKENS

    asyncio.run(run())


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_answered(asker: Asker, *, streamed: bool) -> None:
    async def run() -> str:
        agent = Agent(connect(asker), tools=[weather])
        if not streamed:
            return (await agent.run(QUESTION)).output
        async with agent.run_stream(QUESTION) as stream:
            return await stream.get_output()

    assert asyncio.run(run()) == f"The tool said: {TOLD}"


@pytest.mark.parametrize("form", [ToolOutput, NativeOutput])
def test_structured_output(asker: Asker, form: Any) -> None:
    async def run() -> Any:
        agent: Any = Agent(connect(asker), output_type=form(Person))
        return (await agent.run(QUESTION)).output

    assert asyncio.run(run()) == Person(name="Ada", age=36)


def test_errors_are_told(asker: Asker) -> None:
    place = asker[1]

    async def fault(model: Model, text: str = QUESTION) -> int:
        with pytest.raises(ModelHTTPError) as caught:  # noqa: PT012 - the second may be the one too many
            await Agent(model).run(text)
            await Agent(model).run(text)
        return caught.value.status_code

    async def run() -> list[int]:
        return [
            await fault(connect(asker, model=UNKNOWN)),
            await fault(connect(asker, key=place.wrong_key)),
            await fault(connect(asker), "fail 400"),
            await fault(connect(asker, key=place.limited_key)),
        ]

    assert asyncio.run(run()) == [404, 401, 400, 429]


def test_who_leaves_a_stream_closes_the_providers(asker: Asker) -> None:
    async def run() -> None:
        async with Agent(connect(asker)).run_stream(ENDLESS) as stream:
            async for text in stream.stream_text(delta=True, debounce_by=None):
                if text:
                    break
            await stream.cancel()

    asyncio.run(run())
    assert asker[1].upstream.was_left()
