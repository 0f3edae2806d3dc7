"""The official Anthropic SDK at ``/v1/messages``."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from asking import (
    ENDLESS,
    FAULTS,
    GREETING,
    INPUT_TOKENS,
    MESSAGES_PLACES,
    OUTPUT_TOKENS,
    QUESTION,
    TOLD,
    UNKNOWN,
    WEATHER_SCHEMA,
    Person,
    twice,
)
from place import Place

WEATHER: Any = {"name": "weather", "description": "The weather there.", "input_schema": WEATHER_SCHEMA}
pytestmark = MESSAGES_PLACES


def connect(place: Place, key: str = "") -> Anthropic:
    """A client that asks once."""
    return Anthropic(base_url=place.anthropic_url, api_key=key or place.key, max_retries=0)


def ask(place: Place, text: str = QUESTION, **more: Any) -> Any:
    """The arguments of one question."""
    messages = [{"role": "user", "content": text}]
    return {"model": place.model, "max_tokens": 1000, "messages": messages, "system": "Be kind."} | more


def test_an_answer_has_text_usage_and_the_model_that_was_asked(place: Place) -> None:
    answer = connect(place).messages.create(**ask(place))
    (block,) = answer.content
    assert (block.type, block.text, answer.stop_reason) == ("text", GREETING, "end_turn")
    assert (answer.model, answer.role, answer.type) == (place.model, "assistant", "message")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert answer._request_id is not None or place.direct  # noqa: SLF001 - its documented name


def test_a_stream_has_every_event_in_its_order(place: Place) -> None:
    events = list(connect(place).messages.create(**ask(place), stream=True))
    kinds = [event.type for event in events if event.type != "content_block_delta"]
    assert kinds == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    assert "".join(event.delta.text for event in events if event.type == "content_block_delta") == GREETING


def test_the_streaming_helper_assembles_it(place: Place) -> None:
    with connect(place).messages.stream(**ask(place)) as stream:
        assert "".join(stream.text_stream) == GREETING
        final = stream.get_final_message()
    assert (final.content[0].text, final.stop_reason) == (GREETING, "end_turn")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert final.model == place.model


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_answered(place: Place, *, streamed: bool) -> None:
    client, asked = connect(place), ask(place, tools=[WEATHER])
    if streamed:
        with client.messages.stream(**asked) as stream:
            first: Any = stream.get_final_message()
    else:
        first = client.messages.create(**asked)
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (first.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Ada", "days": 36})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": TOLD}
    asked["messages"] += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    after = client.messages.create(**asked)
    assert after.content[0].text == f"The tool said: {TOLD}"


def test_a_forced_tool_is_called(place: Place) -> None:
    answer = connect(place).messages.create(
        **ask(place, tools=[WEATHER], tool_choice={"type": "tool", "name": "weather"})
    )
    assert answer.stop_reason == "tool_use"


def test_structured_output_is_parsed(place: Place) -> None:
    answer = connect(place).messages.parse(**ask(place, output_format=Person))
    assert answer.parsed_output == Person(name="Ada", age=36)


def test_tokens_are_counted(place: Place) -> None:
    asked = ask(place)
    del asked["max_tokens"]
    assert connect(place).messages.count_tokens(**asked).input_tokens > 0


def test_an_unknown_model_is_not_found(place: Place) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        connect(place).messages.create(**ask(place, model=UNKNOWN))
    assert caught.value.type == "not_found_error"


def test_a_wrong_key_is_no_authentication(place: Place) -> None:
    with pytest.raises(anthropic.AuthenticationError) as caught:
        connect(place, place.wrong_key).messages.create(**ask(place))
    assert caught.value.type == "authentication_error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_parameter_is_named(place: Place, *, stream: bool) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        connect(place).messages.create(**ask(place, extra_body={"temperature": "hot"}, stream=stream))
    assert caught.value.type == "invalid_request_error"
    assert "temperature" in caught.value.message


def test_too_many_requests_are_a_rate_limit(place: Place) -> None:
    client = connect(place, place.limited_key)
    with pytest.raises(anthropic.RateLimitError) as caught:
        twice(lambda: client.messages.create(**ask(place)))
    assert caught.value.type == "rate_limit_error"


@pytest.mark.parametrize(("status", "told"), FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_providers_failure_is_an_error_of_its_kind(place: Place, status: int, told: int, *, stream: bool) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        connect(place).messages.create(**ask(place, f"fail {status}"), stream=stream)
    assert caught.value.status_code == (status if place.direct else told)


def test_who_leaves_a_stream_closes_the_providers(place: Place) -> None:
    stream = connect(place).messages.create(**ask(place, ENDLESS), stream=True)
    for _ in range(6):
        next(stream)
    stream.close()
    assert place.upstream.was_left()
