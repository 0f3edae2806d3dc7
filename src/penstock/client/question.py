"""``compose_question``: a prompt and what is asked with it, as body and headers of a chat completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import msgspec
from msgspec import Struct

from penstock.core.errors import InvalidParameter
from penstock.edge.asks import read_asks
from penstock.llm.request import Prompt

# A gateway gives a call 600 s, and a route may give it more.
DEFAULT_TIMEOUT_S = 660.0

# How a chat completion spells what is asked for.
_BODY_NAMES = {
    **dict.fromkeys(
        ("temperature", "top_p", "stop", "seed", "tools", "tool_choice", "response_format", "drop_unsupported")
    ),
    "max_output_tokens": "max_completion_tokens",
    "prompt_id": "prompt_id",
    "prompt_version": "prompt_version",
    "variables": "prompt_variables",
}
# What a client says itself.
_NOT_HERE = frozenset(("model", "messages", "stream", "stream_options"))


class Asks(TypedDict, total=False):
    """What may be asked for beside the prompt; ``None`` asks for nothing.

    ``model`` is a model alias or a route; ``task`` is what the call is for, and names the route where no model is
    named. ``timeout_s`` bounds the whole call. ``extra`` are further fields of chat completions.
    """

    model: str | None
    task: str | None
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    stop: str | Sequence[str] | None
    seed: int | None
    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    response_format: Mapping[str, Any] | None
    prompt_id: str | None
    prompt_version: str | None
    variables: Mapping[str, str] | None
    user: str | None
    cache: Literal["auto", "on", "off"] | None
    tags: Mapping[str, str] | None
    drop_unsupported: bool | None
    timeout_s: float | None
    extra: Mapping[str, Any] | None


class Question(Struct, frozen=True, kw_only=True):
    """One call: what goes on the wire, were there one. ``headers`` are checked: none can break a request's framing."""

    body: bytes
    headers: Mapping[bytes, bytes]
    stream: bool
    timeout_s: float


def compose_question(prompt: Prompt | None, asks: Asks, *, stream: bool) -> Question:
    """The question that ``prompt`` and ``asks`` make. Raises ``InvalidParameter``, and ``TypeError`` for what is none."""
    for name in asks.keys() - Asks.__annotations__.keys():
        raise TypeError(f"there is no argument '{name}': further fields of chat completions go into `extra`")
    timeout_s = asks.get("timeout_s")
    return Question(
        body=msgspec.json.encode(_fields(prompt, asks, stream=stream)),
        headers=_headers(asks),
        stream=stream,
        timeout_s=DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s,
    )


def _fields(prompt: Prompt | None, asks: Asks, *, stream: bool) -> dict[str, Any]:
    model = asks.get("model") or asks.get("task")
    if not model:
        raise InvalidParameter("Say which `model` is asked, or for which `task`.", param="model")
    extra = asks.get("extra") or {}
    for param in extra.keys() & _NOT_HERE:
        raise InvalidParameter(f"`{param}` cannot stand in `extra`: the client says it.", param=param)
    fields = {"model": model, **extra}
    for name, wire_name in _BODY_NAMES.items():
        if (value := asks.get(name)) is not None:
            fields[wire_name or name] = value
    if isinstance(prompt, str):
        fields["messages"] = [{"role": "user", "content": prompt}]
    elif prompt is not None:
        fields["messages"] = prompt
    if stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return fields


def _headers(asks: Asks) -> dict[bytes, bytes]:
    tags = asks.get("tags") or {}
    said = {
        "task": asks.get("task"),
        "user": asks.get("user"),
        "cache": asks.get("cache"),
        "tags": ",".join(f"{name}={value}" for name, value in tags.items()),
    }
    headers = {f"x-penstock-{name}".encode(): value.encode() for name, value in said.items() if value}
    headers[b"x-penstock-explain"] = b"1"
    read = read_asks(headers)
    if read.invalid is not None:
        name = (read.invalid.param or "").removeprefix("x-penstock-")
        raise InvalidParameter(read.invalid.message.replace("x-penstock-", ""), param=name)
    if read.tags != tags:  # a comma in one makes two
        raise InvalidParameter("tags must hold no comma, and their names no equals sign.", param="tags")
    return headers
