"""What the tests of every SDK ask, and what they must be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from upstream.script import GREETING, INPUT_TOKENS, OUTPUT_TOKENS
from upstream.server import ENDLESS, UNKNOWN

__all__ = [
    "CHAT_PLACES",
    "ENDLESS",
    "FAULTS",
    "GREETING",
    "INPUT_TOKENS",
    "MESSAGES_PLACES",
    "OUTPUT_TOKENS",
    "QUESTION",
    "RESPONSES_PLACES",
    "TOLD",
    "UNKNOWN",
    "WEATHER_SCHEMA",
    "Person",
    "nameless",
    "twice",
]

QUESTION = "Say hello to Ada."
TOLD = "12 degrees"
WEATHER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
# A provider's failure, and what a caller is told of it: a provider's refusal of our key is not the caller's.
FAULTS = ((400, 400), (429, 429), (500, 502))


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def _at(*places: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", places, indirect=True)


CHAT_PLACES = _at("direct", "gpt", "compatible", "claude", "gemini")
RESPONSES_PLACES = _at("direct", "gpt", "compatible", "claude", "gemini")
MESSAGES_PLACES = _at("direct", "claude", "gpt", "gemini")


def twice(ask: Callable[[], Any]) -> None:
    """Enough to meet a limit of one request a minute."""
    ask()
    ask()


def nameless(value: Any) -> Any:
    """``value`` without what a gateway may say in its own words: ids and the model's name."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", warnings=False)
    if isinstance(value, dict):
        return {name: nameless(each) for name, each in value.items() if name not in {"id", "model"}}
    return [nameless(each) for each in value] if isinstance(value, list) else value
