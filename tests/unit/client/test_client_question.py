"""What a program asks, as the gateway is asked it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.client.question import Asks, compose_question
from penstock.core.errors import InvalidParameter


def body(prompt: Any = "Hello", **asks: Any) -> Any:
    given: Any = asks
    return json.loads(compose_question(prompt, given, stream=False).body)


def test_a_text_is_a_message_of_the_users() -> None:
    assert body(model="chat") == {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}


def test_messages_stand_as_they_are() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert body(messages, model="chat")["messages"] == messages


def test_what_is_none_is_not_asked_for() -> None:
    assert body(**dict.fromkeys(Asks.__annotations__, None) | {"model": "chat"}) == body(model="chat")


def test_every_parameter_stands_under_its_name_on_the_wire() -> None:
    sent = body(
        None,
        model="chat",
        temperature=0,
        max_output_tokens=5,
        stop=["."],
        prompt_id="p",
        prompt_version="v1",
        variables={"a": "b"},
        drop_unsupported=True,
        extra={"logit_bias": {"1": 2}},
    )
    assert sent == {
        "model": "chat",
        "temperature": 0,
        "max_completion_tokens": 5,
        "stop": ["."],
        "prompt_id": "p",
        "prompt_version": "v1",
        "prompt_variables": {"a": "b"},
        "drop_unsupported": True,
        "logit_bias": {"1": 2},
    }


def test_what_is_the_gateways_own_stands_in_headers() -> None:
    asks = Asks(task="extract", user="Ngọc", cache="on", tags={"team": "search", "step": "1"})
    assert compose_question("Hello", asks, stream=False).headers == {
        b"x-penstock-task": b"extract",
        b"x-penstock-user": "Ngọc".encode(),
        b"x-penstock-cache": b"on",
        b"x-penstock-tags": b"team=search,step=1",
        b"x-penstock-explain": b"1",
    }


@pytest.mark.parametrize("asks", [Asks(task="a b"), Asks(user="a\nb"), Asks(tags={"a=b": "c"}), Asks(tags={"": "c"})])
def test_what_would_say_something_else_is_refused(asks: Asks) -> None:
    asks["model"] = "chat"
    with pytest.raises(InvalidParameter) as told:
        compose_question("Hello", asks, stream=False)
    assert told.value.param in asks
