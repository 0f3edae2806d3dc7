"""The fields of a Responses call become a ``Conversation``."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Call
from penstock.core.conversation import (
    Conversation,
    Effort,
    JsonFormat,
    OneTool,
    Text,
    Thinking,
    Tool,
    ToolChoice,
)
from penstock.dialects.responses.faults import explain, wrong
from penstock.dialects.responses.items import Messages

# Nothing of the answer's content hangs on these: they are for the gateway, or hints to OpenAI's own platform. What
# `include` adds beside logprobs and sealed thoughts comes from OpenAI's own tools, as does what `max_tool_calls` counts.
_SAID_ELSEWHERE = frozenset(
    {
        "background",
        "include",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "previous_response_id",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
    }
)
_NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
# What asks for nothing out of the ordinary.
_ORDINARY = {
    "truncation": "disabled",
    "text.verbosity": "medium",
    "reasoning.context": "auto",
    "reasoning.mode": "standard",
}


class _Tool(Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: Raw = Raw()
    strict: bool | None = None
    format: dict[str, Any] | None = None


class _Allowed(Struct):
    name: str | None = None


class _Named(Struct):
    type: str
    name: str = ""
    mode: Literal["auto", "required", "none"] = "auto"
    tools: list[_Allowed] = []


class _Format(Struct):
    type: Literal["text", "json_object", "json_schema"]
    name: str = ""
    description: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None


class _Text(Struct):
    format: _Format | None = None
    verbosity: Raw = Raw()


class _Reasoning(Struct):
    effort: Effort | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: Raw = Raw()
    mode: Raw = Raw()


class _Fields(Struct):
    input: Raw = Raw(b"[]")
    instructions: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: Raw = Raw()
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    truncation: Raw = Raw()
    user: str | None = None
    safety_identifier: str | None = None


_READ = frozenset(_Fields.__struct_fields__)
_read_fields = msgspec.json.Decoder(_Fields).decode
_read_choice = msgspec.json.Decoder(Literal["auto", "none", "required"] | _Named | None).decode


def read_conversation(call: Call) -> Conversation:
    """What ``call.fields`` ask. Raises ``InvalidParameter``."""
    try:
        asked = _read_fields(msgspec.json.encode({name: call.fields[name] for name in _READ if name in call.fields}))
    except msgspec.ValidationError as error:
        raise explain(str(error)) from None
    unread = {
        name: raw
        for name, raw in call.fields.items()
        if name not in _READ and name not in _SAID_ELSEWHERE and bytes(raw) != b"null"
    }
    said = Messages()
    if asked.instructions:
        said.say("system", Text(text=asked.instructions))
    if bytes(asked.input) != b"null":
        said.read(asked.input)
    unread |= said.unread
    tools = _tools(asked.tools or (), unread)
    choice, allowed = _tool_choice(asked.tool_choice, unread)
    if allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    _leave_ordinary("truncation", asked.truncation, unread)
    wants_logprobs = "message.output_text.logprobs" in (asked.include or ()) or bool(asked.top_logprobs)
    return Conversation(
        messages=said.messages,
        tools=tools,
        tool_choice=choice,
        parallel_tools=asked.parallel_tool_calls,
        format=_format(asked.text, unread),
        thinking=_thinking(asked.reasoning, unread),
        max_output_tokens=call.max_output_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        frequency_penalty=asked.frequency_penalty or None,
        presence_penalty=asked.presence_penalty or None,
        top_logprobs=asked.top_logprobs or None,
        logprobs=True if wants_logprobs else None,
        user=asked.safety_identifier or asked.user or "",
        unread=unread,
    )


def _tools(given: list[_Tool] | tuple[()], unread: dict[str, Raw]) -> tuple[Tool, ...]:
    tools = []
    for index, tool in enumerate(given):
        if tool.type not in ("function", "custom"):
            unread[tool.type] = Raw(msgspec.json.encode(tool.type))  # OpenAI's own: nobody else can run it
            continue
        if not tool.name:
            raise wrong(f"tools[{index}].name")
        parameters = None
        if tool.type == "function":
            parameters = tool.parameters if _holds(tool.parameters) else _NO_PARAMETERS
            if not bytes(parameters).startswith(b"{"):
                raise wrong(f"tools[{index}].parameters")
        elif tool.format is not None and tool.format.get("type") != "text":
            unread[f"tools[{index}].format"] = Raw(msgspec.json.encode(tool.format))
        tools.append(
            Tool(name=tool.name, description=tool.description or "", parameters=parameters, strict=tool.strict)
        )
    return tuple(tools)


def _tool_choice(raw: Raw, unread: dict[str, Raw]) -> tuple[ToolChoice | None, set[str | None] | None]:
    """The choice, and the names of the tools that it leaves, where it does."""
    if not _holds(raw):
        return None, None
    try:
        choice = _read_choice(raw)
    except msgspec.ValidationError as error:
        raise explain(str(error), "tool_choice") from None
    if not isinstance(choice, _Named):
        return choice, None
    if choice.type == "allowed_tools":
        return choice.mode, {tool.name for tool in choice.tools}
    if choice.type in ("function", "custom"):
        if not choice.name:
            raise wrong("tool_choice.name")
        return OneTool(choice.name), None
    unread["tool_choice"] = raw
    return None, None


def _format(text: _Text | None, unread: dict[str, Raw]) -> JsonFormat | None:
    if text is None:
        return None
    _leave_ordinary("text.verbosity", text.verbosity, unread)
    asked = text.format
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return JsonFormat()
    if not bytes(asked.schema).startswith(b"{"):
        raise wrong("text.format.schema", missing=not _holds(asked.schema))
    return JsonFormat(schema=asked.schema, name=asked.name, description=asked.description or "", strict=asked.strict)


def _thinking(reasoning: _Reasoning | None, unread: dict[str, Raw]) -> Thinking | None:
    if reasoning is None:
        return None
    _leave_ordinary("reasoning.context", reasoning.context, unread)
    _leave_ordinary("reasoning.mode", reasoning.mode, unread)
    shown = True if reasoning.summary or reasoning.generate_summary else None
    if reasoning.effort is None and shown is None:
        return None
    return Thinking(effort=reasoning.effort, shown=shown)


def _leave_ordinary(name: str, raw: Raw, unread: dict[str, Raw]) -> None:
    if _holds(raw) and bytes(raw) != msgspec.json.encode(_ORDINARY[name]):
        unread[name] = raw


def _holds(raw: Raw) -> bool:
    return bytes(raw) not in (b"", b"null")
