"""What the simulated provider says to a request: text, a tool call or a structured value. Pure and deterministic."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from penstock.core.tokens import estimate_tokens
from penstock.dialects.openai.request import MEDIA_TOKENS
from penstock.providers.simulated.schema import instance_of

_QUOTE_CHARACTERS = 200
_JSON_TOKEN_CHARACTERS = 4
# JSON mode has no schema: the keys that a prompt wants stand in it, mostly in quotes.
_QUOTED_NAME = re.compile(r"""['"`]([a-z_]\w{0,63})['"`]""")
_WORD = re.compile(r"\s*\S+\s*")


class Tool(Struct, frozen=True):
    """The tool that the answer calls; ``kind`` is ``function`` or ``custom``."""

    kind: str
    name: str


class Reply(Struct, frozen=True):
    """An answer before it is put on the wire.

    ``pieces`` are its tokens in order: of the text, or of the tool's arguments where there is a ``tool``.
    """

    pieces: tuple[str, ...]
    finish_reason: str
    input_tokens: int
    tool: Tool | None = None


def compose(request: dict[str, Any]) -> Reply:
    """Answer a chat request's body.

    A question with tools is answered by one call, a tool's result by text, a response format by a minimal instance or an object,
    anything else by text that says that it is simulated.
    """
    messages = request.get("messages") or [{}]
    asked = next((text_of(message) for message in reversed(messages) if message.get("role") == "user"), "")
    input_tokens = _input_tokens(messages, request)
    tool = _tool_to_call(request) if messages[-1].get("role") == "user" else None
    if tool is not None:
        called, schema = tool
        arguments = _json_of(schema, asked) if called.kind == "function" else asked[:_QUOTE_CHARACTERS]
        # A call's arguments are never cut at a stop sequence: those are for text.
        return _reply(_slices(arguments), request, "tool_calls", input_tokens, called)
    response_format = request.get("response_format") or {}
    if response_format.get("type") == "json_schema":
        text = _json_of((response_format.get("json_schema") or {}).get("schema") or {"type": "object"}, asked)
    elif response_format.get("type") == "json_object":
        names = _QUOTED_NAME.findall(asked) or ["answer"]
        text = msgspec.json.encode(dict.fromkeys(names, _sentence(request, messages, asked))).decode()
    else:
        text = _sentence(request, messages, asked)
    stops = request.get("stop") or ()
    for stop in (stops,) if isinstance(stops, str) else stops:
        if stop:
            text = text.partition(stop)[0]
    pieces = _slices(text) if response_format.get("type", "text") != "text" else _WORD.findall(text)
    return _reply(pieces, request, "stop", input_tokens)


def text_of(message: dict[str, Any]) -> str:
    """The text of a message, whose content is a string, parts or nothing."""
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return " ".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _reply(
    pieces: list[str], request: dict[str, Any], finish_reason: str, input_tokens: int, tool: Tool | None = None
) -> Reply:
    cap = request.get("max_completion_tokens") or request.get("max_tokens")
    if cap is not None and len(pieces) > cap:
        pieces, finish_reason = pieces[:cap], "length"
    return Reply(tuple(pieces), finish_reason, input_tokens, tool)


def _sentence(request: dict[str, Any], messages: list[dict[str, Any]], asked: str) -> str:
    model = request.get("model", "")
    if messages[-1].get("role") == "tool":
        return f'Simulated answer from {model} with the tool\'s result: "{text_of(messages[-1])[:_QUOTE_CHARACTERS]}"'
    return f'Simulated answer from {model} to: "{asked[:_QUOTE_CHARACTERS]}"'


def _tool_to_call(request: dict[str, Any]) -> tuple[Tool, Any] | None:
    """The tool that ``tool_choice`` names, else the first; with its parameters' schema."""
    choice = request.get("tool_choice") or "auto"
    kinds = [(str(tool.get("type")), tool) for tool in request.get("tools") or ()]
    tools = [(kind, tool[kind]) for kind, tool in kinds if isinstance(tool.get(kind), dict)]
    if choice == "none" or not tools:
        return None
    if isinstance(choice, dict):
        if choice["type"] == "allowed_tools":
            allowed = _object(choice.get("allowed_tools")).get("tools")
            choice = _object(allowed[0] if isinstance(allowed, list) and allowed else None)
        name = _object(choice.get(str(choice.get("type")))).get("name")
        tools = [(kind, tool) for kind, tool in tools if tool.get("name") == name] or tools
    kind, tool = tools[0]
    return Tool(kind, tool.get("name", "")), tool.get("parameters") or {"type": "object"}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _json_of(schema: Any, asked: str) -> str:
    try:
        return msgspec.json.encode(instance_of(schema, asked)).decode()
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        # The schema is the caller's: whatever is wrong with it, a model would answer something.
        return "{}"


def _slices(text: str) -> list[str]:
    return [text[at : at + _JSON_TOKEN_CHARACTERS] for at in range(0, len(text), _JSON_TOKEN_CHARACTERS)]


def _input_tokens(messages: list[dict[str, Any]], request: dict[str, Any]) -> int:
    tokens = 0
    for message in messages:
        tokens += estimate_tokens(text_of(message))
        if isinstance(message.get("content"), list):
            tokens += MEDIA_TOKENS * sum("text" not in part for part in message["content"])
    return tokens + (len(msgspec.json.encode(request["tools"])) // 4 if request.get("tools") else 0)
