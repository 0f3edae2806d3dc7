"""The official OpenAI SDK at ``/v1/responses``."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from asking import (
    ENDLESS,
    FAULTS,
    GREETING,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    QUESTION,
    RESPONSES_PLACES,
    TOLD,
    UNKNOWN,
    WEATHER_SCHEMA,
    Person,
    twice,
)
from place import Place
from test_openai_chat import connect

WEATHER: Any = {"type": "function", "name": "weather", "parameters": WEATHER_SCHEMA, "strict": True}
pytestmark = RESPONSES_PLACES


def test_an_answer_has_text_usage_and_the_model_that_was_asked(place: Place) -> None:
    answer = connect(place).responses.create(model=place.model, input=QUESTION, instructions="Be kind.")
    assert (answer.output_text, answer.status, answer.model) == (GREETING, "completed", place.model)
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)


def test_a_stream_has_every_event_in_its_order(place: Place) -> None:
    events = list(connect(place).responses.create(model=place.model, input=QUESTION, stream=True))
    kinds = [event.type for event in events if event.type != "response.output_text.delta"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == GREETING
    last: Any = events[-1]
    assert last.response.output_text == GREETING
    assert last.response.usage.output_tokens == OUTPUT_TOKENS


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_answered(place: Place, *, streamed: bool) -> None:
    client = connect(place)
    asked: Any = {"model": place.model, "tools": [WEATHER]}
    given: list[Any] = [{"role": "user", "content": QUESTION}]
    if streamed:
        with client.responses.stream(input=given, **asked) as stream:
            first: Any = stream.get_final_response()
    else:
        first = client.responses.create(input=given, **asked)
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert (call.name, call.arguments.replace(" ", "")) == ("weather", '{"city":"Ada","days":36}')
    given += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    given.append({"type": "function_call_output", "call_id": call.call_id, "output": TOLD})
    assert client.responses.create(input=given, **asked).output_text == f"The tool said: {TOLD}"


def test_structured_output_is_parsed(place: Place) -> None:
    answer = connect(place).responses.parse(model=place.model, input=QUESTION, text_format=Person)
    assert answer.output_parsed == Person(name="Ada", age=36)


def test_structured_output_is_parsed_from_a_stream(place: Place) -> None:
    with connect(place).responses.stream(model=place.model, input=QUESTION, text_format=Person) as stream:
        assert stream.get_final_response().output_parsed == Person(name="Ada", age=36)


def test_an_unknown_model_is_not_found(place: Place) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        connect(place).responses.create(model=UNKNOWN, input=QUESTION)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_wrong_key_is_no_authentication(place: Place) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        connect(place, place.wrong_key).responses.create(model=place.model, input=QUESTION)
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_parameter_is_named(place: Place, *, stream: bool) -> None:
    hot: Any = "hot"
    with pytest.raises(openai.BadRequestError) as caught:
        connect(place).responses.create(model=place.model, input=QUESTION, temperature=hot, stream=stream)
    assert caught.value.param == "temperature"


def test_too_many_requests_are_a_rate_limit(place: Place) -> None:
    client = connect(place, place.limited_key)
    with pytest.raises(openai.RateLimitError) as caught:
        twice(lambda: client.responses.create(model=place.model, input=QUESTION))
    assert caught.value.code == "rate_limit_exceeded"


@pytest.mark.parametrize(("status", "told"), FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_providers_failure_is_an_error_of_its_kind(place: Place, status: int, told: int, *, stream: bool) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        connect(place).responses.create(model=place.model, input=f"fail {status}", stream=stream)
    assert caught.value.status_code == (status if place.direct else told)


def test_who_leaves_a_stream_closes_the_providers(place: Place) -> None:
    stream = connect(place).responses.create(model=place.model, input=ENDLESS, stream=True)
    for _ in range(6):
        next(stream)
    stream.close()
    assert place.upstream.was_left()
