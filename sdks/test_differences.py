"""Where a provider speaks the caller's own dialect, an SDK gets through the gateway what it gets without: all but names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import test_anthropic
import test_openai_chat
import test_openai_responses
from asking import QUESTION, WEATHER_SCHEMA, nameless
from place import Place, at
from test_openai_chat import connect
from upstream import Upstream

# The deployment's name, its cap, and the usage that the gateway needs of a stream.
ADDED = {"model", "max_tokens", "max_completion_tokens", "max_output_tokens", "stream_options"}
FORM: Any = {"type": "json_schema", "schema": WEATHER_SCHEMA}
CHAT_FORM: Any = {"type": "json_schema", "json_schema": {"name": "weather", "schema": WEATHER_SCHEMA}}


def _chat(**more: Any) -> Callable[[Place, dict[str, Any]], Any]:
    return lambda place, how: connect(place).chat.completions.create(
        model=place.model, messages=test_openai_chat.ask(), **more, **how
    )


def _responses(**more: Any) -> Callable[[Place, dict[str, Any]], Any]:
    return lambda place, how: connect(place).responses.create(model=place.model, input=QUESTION, **more, **how)


def _messages(**more: Any) -> Callable[[Place, dict[str, Any]], Any]:
    return lambda place, how: test_anthropic.connect(place).messages.create(**test_anthropic.ask(place, **more, **how))


CASES: dict[str, tuple[str, Callable[[Place, dict[str, Any]], Any]]] = {
    "chat": ("gpt", _chat()),
    "chat with a tool": ("gpt", _chat(tools=[test_openai_chat.WEATHER])),
    "chat with a schema": ("gpt", _chat(response_format=CHAT_FORM)),
    "compatible chat": ("compatible", _chat()),
    "responses": ("gpt", _responses()),
    "responses with a tool": ("gpt", _responses(tools=[test_openai_responses.WEATHER])),
    "responses with a schema": ("gpt", _responses(text={"format": FORM | {"name": "weather"}})),
    "messages": ("claude", _messages()),
    "messages with a tool": ("claude", _messages(tools=[test_anthropic.WEATHER])),
    "messages with a schema": ("claude", _messages(output_config={"format": FORM})),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", CASES)
def test_there_is_no_difference(upstream: Upstream, gateway_url: str, case: str, *, stream: bool) -> None:
    model, ask = CASES[case]
    seen, heard = [], []
    for name in ("direct", model):
        place = at(name, upstream, gateway_url)
        answer = ask(place, {"stream": True} if stream else {})
        seen.append(nameless(list(answer) if stream else answer))
        heard.append({name: value for name, value in upstream.asked[-1][1].items() if name not in ADDED})
    assert seen[0] == seen[1]
    assert heard[0] == heard[1]
