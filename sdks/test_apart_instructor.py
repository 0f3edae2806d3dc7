"""Instructor, which asks for values of a type; in an environment of its own, for it holds older SDKs."""

from __future__ import annotations

from typing import Any

import anthropic
import instructor
import openai
import pytest
from asking import ENDLESS, GREETING, QUESTION, UNKNOWN, Person
from instructor import Mode
from place import Place, at
from upstream import Upstream

CHAT = ("direct", "gpt", "compatible", "claude", "gemini")
WAYS = {
    Mode.TOOLS: CHAT,
    Mode.JSON_SCHEMA: CHAT,
    Mode.RESPONSES_TOOLS: CHAT,
    Mode.ANTHROPIC_TOOLS: ("direct", "claude", "gpt", "gemini"),
}
Asker = tuple[Mode, Place]


@pytest.fixture(
    params=[(way, name) for way, names in WAYS.items() for name in names],
    ids=lambda asked: f"{asked[0].value}-{asked[1]}",
)
def asker(request: pytest.FixtureRequest, upstream: Upstream, gateway_url: str) -> Asker:
    """A way of asking, and a place that has it."""
    way, name = request.param
    return way, at(name, upstream, gateway_url)


def connect(asker: Asker, key: str = "") -> Any:
    """A client that asks once."""
    way, place = asker
    key = key or place.key
    if way is Mode.ANTHROPIC_TOOLS:
        client = anthropic.Anthropic(base_url=place.anthropic_url, api_key=key, max_retries=0)
        return instructor.from_anthropic(client, mode=way)
    asked = openai.OpenAI(base_url=place.openai_url, api_key=key, max_retries=0)
    return instructor.from_openai(asked, mode=way)


def ask(asker: Asker, text: str = QUESTION, **more: Any) -> dict[str, Any]:
    """The arguments of one question."""
    said: dict[str, Any] = {"model": asker[1].model, "messages": [{"role": "user", "content": text}]}
    capped = {"max_tokens": 1000} if asker[0] is Mode.ANTHROPIC_TOOLS else {}
    return said | capped | {"max_retries": 0} | more


def test_a_value_of_a_type(asker: Asker) -> None:
    found = connect(asker).create(response_model=Person, **ask(asker))
    assert (found.name, found.age) == ("Ada", 36)


def test_a_value_that_grows(asker: Asker) -> None:
    *_, last = connect(asker).create_partial(response_model=Person, **ask(asker))
    assert (last.name, last.age) == ("Ada", 36)


def test_errors_are_told(asker: Asker) -> None:
    place = asker[1]
    for key, more, status in (
        ("", {"model": UNKNOWN}, 404),
        (place.wrong_key, {}, 401),
        ("", {"text": "fail 400"}, 400),
        (place.limited_key, {}, 429),
    ):
        client, asked = connect(asker, key), ask(asker, **more)
        with pytest.raises(Exception, match=str(status)):  # noqa: PT012 - the second may be the one too many
            client.create(response_model=Person, **asked)
            client.create(response_model=Person, **asked)


def test_text_and_who_leaves_a_stream(asker: Asker) -> None:
    """Without a type it passes on what the SDK below it gives."""
    if asker[0] is Mode.RESPONSES_TOOLS:
        pytest.skip("there it wants a type")
    client = connect(asker)
    whole = client.create(response_model=None, **ask(asker))
    assert GREETING in str(whole)
    stream = client.create(response_model=None, stream=True, **ask(asker, ENDLESS))
    for _ in range(6):
        next(stream)
    stream.close()
    assert asker[1].upstream.was_left()
