"""The official OpenAI SDK at ``/v1/chat/completions``."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from asking import (
    CHAT_PLACES,
    ENDLESS,
    FAULTS,
    GREETING,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    QUESTION,
    TOLD,
    UNKNOWN,
    WEATHER_SCHEMA,
    Person,
    twice,
)
from openai import OpenAI
from place import Place

WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA, "strict": True}}
pytestmark = CHAT_PLACES


def connect(place: Place, key: str = "") -> OpenAI:
    """A client that asks once."""
    return OpenAI(base_url=place.openai_url, api_key=key or place.key, max_retries=0)


def ask(text: str = QUESTION) -> Any:
    """A conversation of one question."""
    return [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]


def test_an_answer_has_text_usage_and_the_model_that_was_asked(place: Place) -> None:
    answer = connect(place).chat.completions.create(model=place.model, messages=ask())
    (choice,) = answer.choices
    assert (choice.message.content, choice.message.role, choice.finish_reason) == (GREETING, "assistant", "stop")
    assert (answer.model, answer.object) == (place.model, "chat.completion")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)


def test_a_stream_grows_into_the_same_answer(place: Place) -> None:
    chunks = list(
        connect(place).chat.completions.create(
            model=place.model, messages=ask(), stream=True, stream_options={"include_usage": True}
        )
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == GREETING
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert choices[0].delta.role == "assistant"
    assert len(choices) > 3
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == OUTPUT_TOKENS
    assert {chunk.model for chunk in chunks} == {place.model}


def test_the_streaming_helper_assembles_it(place: Place) -> None:
    with connect(place).chat.completions.stream(model=place.model, messages=ask()) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_completion().choices[0].message.content == GREETING
    assert kinds.count("content.done") == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_answered(place: Place, *, streamed: bool) -> None:
    client, messages = connect(place), ask()
    asked: Any = {"model": place.model, "tools": [WEATHER]}
    if streamed:
        with client.chat.completions.stream(messages=messages, **asked) as stream:
            choice: Any = stream.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(messages=messages, **asked).choices[0]
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, call.function.name) == ("tool_calls", "weather")
    assert call.function.arguments.replace(" ", "") == '{"city":"Ada","days":36}'
    messages += [
        choice.message.model_dump(exclude_none=True, exclude={"parsed": True}),
        {"role": "tool", "tool_call_id": call.id, "content": TOLD},
    ]
    for made in messages[2].get("tool_calls", ()):
        made["function"].pop("parsed_arguments", None)
    after = client.chat.completions.create(messages=messages, **asked)
    assert after.choices[0].message.content == f"The tool said: {TOLD}"


def test_a_forced_tool_is_called(place: Place) -> None:
    choice: Any = {"type": "function", "function": {"name": "weather"}}
    answer = connect(place).chat.completions.create(
        model=place.model, messages=ask(), tools=[WEATHER], tool_choice=choice
    )
    assert answer.choices[0].message.tool_calls


def test_structured_output_is_parsed(place: Place) -> None:
    answer = connect(place).chat.completions.parse(model=place.model, messages=ask(), response_format=Person)
    assert answer.choices[0].message.parsed == Person(name="Ada", age=36)


def test_structured_output_is_parsed_from_a_stream(place: Place) -> None:
    with connect(place).chat.completions.stream(model=place.model, messages=ask(), response_format=Person) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Person(name="Ada", age=36)


def test_an_unknown_model_is_not_found(place: Place) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        connect(place).chat.completions.create(model=UNKNOWN, messages=ask())
    assert (caught.value.code, caught.value.type) == ("model_not_found", "invalid_request_error")
    assert caught.value.param == "model"


def test_a_wrong_key_is_no_authentication(place: Place) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        connect(place, place.wrong_key).chat.completions.create(model=place.model, messages=ask())
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_parameter_is_named(place: Place, *, stream: bool) -> None:
    hot: Any = "hot"
    with pytest.raises(openai.BadRequestError) as caught:
        connect(place).chat.completions.create(model=place.model, messages=ask(), temperature=hot, stream=stream)
    assert (caught.value.param, caught.value.type) == ("temperature", "invalid_request_error")


def test_too_many_requests_are_a_rate_limit(place: Place) -> None:
    client = connect(place, place.limited_key)
    with pytest.raises(openai.RateLimitError) as caught:
        twice(lambda: client.chat.completions.create(model=place.model, messages=ask()))
    assert caught.value.code == "rate_limit_exceeded"


@pytest.mark.parametrize(("status", "told"), FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_providers_failure_is_an_error_of_its_kind(place: Place, status: int, told: int, *, stream: bool) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        connect(place).chat.completions.create(model=place.model, messages=ask(f"fail {status}"), stream=stream)
    assert caught.value.status_code == (status if place.direct else told)


def test_who_leaves_a_stream_closes_the_providers(place: Place) -> None:
    stream = connect(place).chat.completions.create(model=place.model, messages=ask(ENDLESS), stream=True)
    for _ in range(3):
        next(stream)
    stream.close()
    assert place.upstream.was_left()
