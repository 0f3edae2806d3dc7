"""``read_conversation``: the fields of a chat request, in no provider's words (openai 3.3.1, ``types/chat``, 2026-11-21).

What has no meaning there stays ``unread`` under its path, so that it is refused by name and not lost.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Call
from penstock.core.conversation import (
    Conversation,
    Document,
    Effort,
    Image,
    JsonFormat,
    Message,
    OneTool,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from penstock.core.errors import InvalidParameter
from penstock.dialects.explain import explain, wrong
from penstock.dialects.json_body import malformed
from penstock.dialects.openai.parts import KINDS, CacheControl, decode_part, read_part
from penstock.dialects.openai.request import MUST_BE
from penstock.dialects.openai.said import Said, ToolCall

# They change nothing of the answer's content: bookkeeping, who pays and how fast, where a cache lies, what was guessed
# of the answer, and how it is sent. `store` is the wish to find the answer at OpenAI's later.
_HINTS = frozenset(
    (
        "cache_control",
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "service_tier",
        "store",
        "stream",
        "stream_options",
    )
)
# The edge has read them already.
_DECIDED = frozenset(("drop_unsupported", "max_completion_tokens", "max_tokens", "model"))
_NOTHING = (b"", b"null")
# As SDKs and frameworks say it of options that are left alone (`"logit_bias": {}`).
_ASKS_NOTHING = (*_NOTHING, b"{}", b"[]")
# A function without parameters takes none (openai 3.3.1, types/shared_params/function_definition.py).
_NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')

_SAYS = "a string: what the part's type names"
_EXPECTED = MUST_BE | {
    "messages[].tool_calls": "an array of tool calls",
    "messages[].tool_calls[].id": "a non-empty string",
    "messages[].tool_calls[].function": "an object with the function's name and arguments",
    "messages[].tool_calls[].function.name": "a non-empty string",
    "messages[].tool_calls[].function.arguments": "a string: JSON as the model wrote it",
    "messages[].tool_call_id": "a string: the id of the tool call that this is the result of",
    "messages[].name": "a string",
    "messages[].content[].text": _SAYS,
    "messages[].content[].refusal": _SAYS,
    "messages[].content[].image_url": "an object with the image's url",
    "messages[].content[].image_url.url": "a string: an address, or data in base64",
    "messages[].content[].input_audio": "an object with data in base64 and its format",
    "messages[].content[].input_audio.data": "a string in base64",
    "messages[].content[].input_audio.format": "a string, `wav` or `mp3`",
    "messages[].content[].file": "an object with file_data or file_id",
    "tools[].custom": "an object with the tool's name",
    "tools[].function.parameters": "an object: a JSON Schema",
    "tools[].function.description": "a string",
    "reasoning_effort": "one of: none, minimal, low, medium, high, xhigh, max",
    "top_k": "an integer",
    "functions": "an array of functions",
    "function_call": "`none`, `auto` or an object that names a function",
    "modalities": "an array of strings",
}


class _Message(Said, kw_only=True):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    name: str | None = None
    tool_call_id: str | None = None
    audio: Raw = Raw()
    cache_control: CacheControl | None = None


class _Named(Struct):
    name: str


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: Raw = Raw()
    strict: bool | None = None


class _Custom(Struct):
    name: str
    description: str | None = None
    format: dict[str, Raw] | None = None


class _Tool(Struct):
    type: str
    function: _Function | None = None
    custom: _Custom | None = None
    cache_control: CacheControl | None = None


class _Allowed(Struct):
    mode: Literal["auto", "required"] = "auto"
    tools: list[_Tool] = []


class _Choice(Struct):
    type: str
    function: _Named | None = None
    custom: _Named | None = None
    allowed_tools: _Allowed | None = None


class _Schema(Struct):
    name: str = ""
    description: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None


class _Format(Struct):
    type: str
    json_schema: _Schema | None = None


class _Asked(Struct):
    messages: list[_Message]
    tools: list[_Tool] | None = None
    functions: list[_Function] | None = None
    tool_choice: Literal["none", "auto", "required", "any"] | _Choice | None = None
    function_call: Literal["none", "auto"] | _Named | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    reasoning_effort: Effort | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    modalities: list[str] | None = None


_KNOWN = _HINTS | _DECIDED | frozenset(_Asked.__struct_fields__)
_decode = msgspec.json.Decoder(_Asked).decode


def read_conversation(call: Call) -> Conversation:
    """What ``call.fields`` ask. Raises ``InvalidParameter``, and ``MalformedJson`` for a text that is none."""
    body = msgspec.json.encode(call.fields)
    try:
        asked = _decode(body)
    except msgspec.ValidationError as error:
        raise explain(str(error), _EXPECTED) from None
    except msgspec.DecodeError as error:
        raise malformed(body, error) from None
    unread = {name: raw for name, raw in call.fields.items() if name not in _KNOWN and bytes(raw) not in _ASKS_NOTHING}
    if set(asked.modalities or ()) - {"text"}:
        unread["modalities"] = call.fields["modalities"]
    if bytes(unread.get("verbosity", b"")) == b'"medium"':  # the default
        del unread["verbosity"]
    turns = _Turns(unread)
    messages = tuple(turns.read(index, message) for index, message in enumerate(asked.messages))
    tools, choice = _read_tools(asked, call.fields, unread)
    stop = asked.stop or ()
    return Conversation(
        messages=messages,
        tools=tools,
        tool_choice=choice,
        # A function_call is one, so a caller that asks for functions can be told of one alone.
        parallel_tools=False if asked.functions else asked.parallel_tool_calls,
        format=_read_format(asked.response_format, call.fields, unread),
        thinking=Thinking(effort=asked.reasoning_effort) if asked.reasoning_effort else None,
        max_output_tokens=call.max_output_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=asked.seed,
        frequency_penalty=asked.frequency_penalty,
        presence_penalty=asked.presence_penalty,
        choices=asked.n or 1,
        top_logprobs=asked.top_logprobs,
        logprobs=asked.logprobs,
        user=asked.safety_identifier or asked.user or "",
        unread=unread,
    )


class _Turns:
    """Reads messages in their order. A ``function_call`` has no id: its place is one, and its result's too."""

    def __init__(self, unread: dict[str, Raw]) -> None:
        self._unread = unread
        self._last_id = ""

    def read(self, index: int, message: _Message) -> Message:
        """One message."""
        where = f"messages[{index}]"
        if len(message.audio) and bytes(message.audio) not in _NOTHING:
            self._unread[f"{where}.audio"] = message.audio
        parts = self._content(message, where)
        if message.cache_control and parts and isinstance(parts[-1], Text | Image | Document):
            parts[-1] = msgspec.structs.replace(parts[-1], cached_for=message.cache_control.ttl)
        role: Role = "tool" if message.role == "function" else message.role
        if role == "assistant":
            parts = [*message.thoughts, *parts, *self._said(index, message)]
        elif role == "tool":
            return Message(role=role, parts=(self._result(message, parts, where),))
        return Message(role=role, parts=tuple(parts), name=message.name or "")

    def _content(self, message: _Message, where: str) -> list[Part]:
        content = message.content
        if not isinstance(content, list):
            return [Text(text=content)] if content else []
        parts = []
        for index, raw in enumerate(content):
            place = f"{where}.content[{index}]"
            try:
                wire = decode_part(raw)
            except msgspec.ValidationError as error:
                raise explain(str(error), _EXPECTED, place) from None
            except msgspec.DecodeError as error:
                raise malformed(raw, error) from None
            if (part := read_part(wire)) is not None:
                parts.append(part)
            elif wire.type in KINDS:
                raise wrong(f"{place}.{wire.type}", _EXPECTED, missing=True)
            else:
                self._unread[place] = raw
        return parts

    def _said(self, index: int, message: _Message) -> list[Part]:
        parts: list[Part] = [Refusal(text=message.refusal)] if message.refusal else []
        for place, call in enumerate(message.tool_calls or ()):
            parts.append(_read_call(call, f"messages[{index}].tool_calls[{place}]"))
        if (called := message.function_call) is not None and called.name:
            self._last_id = f"call_{index}"
            parts.append(ToolUse(id=self._last_id, name=called.name, arguments=called.text))
        return parts

    def _result(self, message: _Message, parts: list[Part], where: str) -> ToolResult:
        result_id = self._last_id if message.role == "function" else message.tool_call_id
        if not result_id and message.role == "tool":
            raise wrong(f"{where}.tool_call_id", _EXPECTED, missing=True)
        cached_for = message.cache_control.ttl if message.cache_control else ""
        held = tuple(part for part in parts if isinstance(part, Text | Image | Document))
        if len(held) != len(parts):
            raise _no_result(where)
        return ToolResult(id=result_id or "", parts=held, name=message.name or "", cached_for=cached_for)


def _no_result(where: str) -> InvalidParameter:
    param = f"{where}.content"
    return InvalidParameter(f"`{param}` of a tool's result may hold text, images and files.", param=param)


def _read_call(call: ToolCall, where: str) -> ToolUse:
    if not call.id:
        raise wrong(f"{where}.id", _EXPECTED, missing=True)
    if not call.name:
        raise wrong(f"{where}.function.name", _EXPECTED, missing=True)
    signature, signer = call.signature
    return ToolUse(
        id=call.id,
        name=call.name,
        arguments=call.text,
        freeform=call.custom is not None,
        signature=signature,
        signer=signer,
    )


def _read_tools(
    asked: _Asked, fields: dict[str, Raw], unread: dict[str, Raw]
) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    tools = []
    for index, tool in enumerate(asked.tools or ()):
        read = _read_tool(tool, f"tools[{index}]", unread)
        if read is None:
            unread[f"tools[{index}]"] = fields["tools"]
        else:
            tools.append(read)
    tools += [_read_function(tool, f"functions[{at}]") for at, tool in enumerate(asked.functions or ())]
    choice = asked.tool_choice
    if choice is None:
        named = asked.function_call
        return tuple(tools), OneTool(named.name) if isinstance(named, _Named) else named
    if not isinstance(choice, _Choice):
        return tuple(tools), "required" if choice == "any" else choice
    one = choice.function or choice.custom
    if one is not None:
        return tuple(tools), OneTool(one.name)
    # Some of the tools are all of the tools, for who can call no others.
    if (allowed := choice.allowed_tools) is not None:
        names = {name for tool in allowed.tools if (name := _name(tool))}
        if len(names) == len(allowed.tools) and names <= {tool.name for tool in tools}:
            return tuple(tool for tool in tools if tool.name in names), allowed.mode
    unread["tool_choice"] = fields["tool_choice"]
    return tuple(tools), None


def _name(tool: _Tool) -> str:
    named = tool.function or tool.custom
    return named.name if named else ""


def _read_tool(tool: _Tool, where: str, unread: dict[str, Raw]) -> Tool | None:
    if tool.type == "function":
        if tool.function is None:
            raise wrong(f"{where}.function", _EXPECTED, missing=True)
        read = _read_function(tool.function, f"{where}.function")
    elif tool.custom is not None:
        form = tool.custom.format
        if form and bytes(form.get("type", Raw())) != b'"text"':
            unread[f"{where}.custom.format"] = Raw(msgspec.json.encode(form))
        read = Tool(name=tool.custom.name, description=tool.custom.description or "")
    else:
        return None
    return msgspec.structs.replace(read, cached_for=tool.cache_control.ttl) if tool.cache_control else read


def _read_function(function: _Function, where: str) -> Tool:
    parameters = function.parameters
    if bytes(parameters) in _NOTHING:
        parameters = _NO_PARAMETERS
    elif not bytes(parameters).startswith(b"{"):
        raise wrong(f"{where}.parameters", _EXPECTED)
    return Tool(
        name=function.name, description=function.description or "", parameters=parameters, strict=function.strict
    )


def _read_format(wire: _Format | None, fields: dict[str, Raw], unread: dict[str, Raw]) -> JsonFormat | None:
    if wire is None or wire.type == "text":
        return None
    if wire.type == "json_object":
        return JsonFormat()
    schema = wire.json_schema
    if wire.type != "json_schema" or schema is None:
        unread["response_format"] = fields["response_format"]
        return None
    return JsonFormat(
        schema=None if bytes(schema.schema) in _NOTHING else schema.schema,
        name=schema.name,
        description=schema.description or "",
        strict=schema.strict,
    )
