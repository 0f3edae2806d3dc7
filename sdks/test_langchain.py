"""``langchain-openai`` at chat completions and Responses, ``langchain-anthropic`` at Messages."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from asking import ENDLESS, GREETING, INPUT_TOKENS, OUTPUT_TOKENS, QUESTION, TOLD, UNKNOWN, Person
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from place import Place, at
from upstream import Upstream
from upstream.vectors import VECTOR

FACES = {
    "chat": ("direct", "gpt", "compatible", "claude", "gemini"),
    "responses": ("direct", "gpt", "compatible", "claude", "gemini"),
    "messages": ("direct", "claude", "gpt", "gemini"),
}
Asker = tuple[str, Place]


@pytest.fixture(params=[(face, name) for face, names in FACES.items() for name in names], ids="-".join)
def asker(request: pytest.FixtureRequest, upstream: Upstream, gateway_url: str) -> Asker:
    """A face, and a place that has it."""
    face, name = request.param
    return face, at(name, upstream, gateway_url)


def connect(asker: Asker, **more: Any) -> BaseChatModel:
    """A model that is asked once."""
    face, place = asker
    said: dict[str, Any] = {"model": place.model, "api_key": place.key, "max_retries": 0} | more
    if face == "messages":
        return ChatAnthropic(base_url=place.anthropic_url, **said)
    return ChatOpenAI(base_url=place.openai_url, use_responses_api=face == "responses", stream_usage=True, **said)


@tool
def weather(city: str, days: int) -> str:
    """The weather there."""
    return f"{TOLD} in {city} for {days} days"


def test_an_answer_and_its_stream(asker: Asker) -> None:
    model = connect(asker)
    for answer in (model.invoke(QUESTION), sum_up(model, QUESTION)):
        assert answer.text == GREETING
        assert answer.usage_metadata is not None
        assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (
            INPUT_TOKENS,
            OUTPUT_TOKENS,
        )


def sum_up(model: Any, question: Any) -> Any:
    """A stream's chunks as one message."""
    first, *rest = list(model.stream(question))
    return sum(rest, first)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_answered(asker: Asker, *, streamed: bool) -> None:
    model = connect(asker).bind_tools([weather])
    messages: list[Any] = [HumanMessage(QUESTION)]
    messages.append(sum_up(model, messages) if streamed else model.invoke(messages))
    (call,) = messages[-1].tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Ada", "days": 36})
    messages.append(ToolMessage(TOLD, tool_call_id=call["id"]))
    assert model.invoke(messages).text == f"The tool said: {TOLD}"


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(asker: Asker, method: str) -> None:
    model = connect(asker).with_structured_output(Person, method=method)
    assert model.invoke(QUESTION) == Person(name="Ada", age=36)


def test_errors_are_told(asker: Asker) -> None:
    errors: Any = anthropic if asker[0] == "messages" else openai
    place = asker[1]
    for error, model in (
        (errors.NotFoundError, connect(asker, model=UNKNOWN)),
        (errors.AuthenticationError, connect(asker, api_key=place.wrong_key)),
    ):
        with pytest.raises(error):
            model.invoke(QUESTION)
    with pytest.raises(errors.BadRequestError):
        connect(asker).invoke("fail 400")
    limited = connect(asker, api_key=place.limited_key)
    with pytest.raises(errors.RateLimitError):
        limited.batch([QUESTION, QUESTION])


def test_who_leaves_a_stream_closes_the_providers(asker: Asker) -> None:
    stream: Any = connect(asker).stream(ENDLESS)
    for _ in range(6):
        next(stream)
    stream.close()
    assert asker[1].upstream.was_left()


def test_embeddings(upstream: Upstream, gateway_url: str) -> None:
    place = at("gpt", upstream, gateway_url)
    model = OpenAIEmbeddings(
        model=place.model, base_url=place.openai_url, api_key=place.key, check_embedding_ctx_length=False
    )
    assert model.embed_documents([QUESTION, QUESTION]) == [list(VECTOR)] * 2
