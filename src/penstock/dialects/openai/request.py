"""``read_chat``: a request body becomes fields that are forwarded and facts that are decided by.

Nothing here is stricter than OpenAI's own API (openai 3.54, ``types/chat/completion_create_params.py``, 2026-11-21):
fields, content parts and tools that nobody here knows are passed on as they are.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from penstock.core.call import PromptRef
from penstock.core.errors import InvalidParameter
from penstock.core.tokens import estimate_json_tokens
from penstock.dialects.explain import explain, wrong
from penstock.dialects.json_body import malformed, read_object

# Beside the messages, what a provider reads as input; of JSON about four bytes are a token.
_BILLED_FIELDS = frozenset(("tools", "functions", "response_format", "prediction"))
# The gateway's own, which no provider sees.
_PROMPT_FIELDS = frozenset(("prompt_id", "prompt_version", "prompt_variables"))
# An image, a sound or a file is counted at a flat rate, never by the length of its base64.
MEDIA_TOKENS = 1000

# Of nothing too: OpenAI gives no least (openai 3.54, ``completion_create_params.py``, 2026-11-21); a provider may.
_Count: TypeAlias = Annotated[int, Meta(ge=0)]
_Name: TypeAlias = Annotated[str, Meta(min_length=1)]
_Penalty: TypeAlias = Annotated[float, Meta(ge=-2, le=2)]


class _Part(Struct):
    type: str
    text: Raw = Raw()
    refusal: Raw = Raw()


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Raw = Raw(b"null")
    tool_calls: Raw = Raw()


class _Named(Struct):
    name: _Name


class _Tool(Struct):
    type: str
    function: _Named | None = None
    custom: _Named | None = None


class _ToolChoice(Struct):
    type: Literal["function", "custom", "allowed_tools"]
    function: _Named | None = None


class _JsonSchema(Struct):
    name: _Name
    schema: dict[str, Any] | None = None


class _ResponseFormat(Struct):
    # The last three are extensions of vLLM, Fireworks and Together (their API references, 2026-11-21).
    type: Literal["text", "json_object", "json_schema", "structural_tag", "grammar", "regex"]
    json_schema: _JsonSchema | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Chat(Struct):
    model: _Name
    messages: list[_Message] = []
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    max_completion_tokens: _Count | None = None
    max_tokens: _Count | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[_Tool] | None = None
    # "any" is Mistral's word for "required" (docs.mistral.ai, function calling, 2026-11-21).
    tool_choice: Literal["none", "auto", "required", "any"] | _ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None
    prompt_id: _Name | None = None
    prompt_version: _Name | None = None
    prompt_variables: dict[str, str] | None = None


# What a parameter must be, for the message of its error; others are told that their type or value is wrong.
MUST_BE = {
    "model": "a non-empty string: the name of a model or route",
    "messages": "a non-empty array of message objects",
    "messages[]": "an object with a role and content",
    "messages[].role": "one of: system, developer, user, assistant, tool, function",
    "messages[].content": "a string, an array of content parts or null",
    "messages[].content[]": "a content part: an object with a type",
    "messages[].content[].type": "a string naming the kind of the content part",
    "stream": "true or false",
    "stream_options": "an object",
    "stream_options.include_usage": "true or false",
    "temperature": "a number from 0 to 2",
    "top_p": "a number from 0 to 1",
    "frequency_penalty": "a number from -2 to 2",
    "presence_penalty": "a number from -2 to 2",
    "max_completion_tokens": "an integer of at least 0",
    "max_tokens": "an integer of at least 0",
    "n": "an integer from 1 to 128",
    "seed": "an integer",
    "stop": "a string or an array of at most 4 strings",
    "stop[]": "a string",
    "logprobs": "true or false",
    "top_logprobs": "an integer from 0 to 20",
    "tools": "an array of tool objects",
    "tools[]": "an object with a type, usually `function`",
    "tools[].type": "a string, usually `function`",
    "tools[].function": "an object with the function's name",
    "tools[].function.name": "a non-empty string",
    "tools[].custom.name": "a non-empty string",
    "tool_choice": "`none`, `auto`, `required` or an object that names a tool",
    "tool_choice.type": "one of: function, custom, allowed_tools",
    "tool_choice.function": "an object with the function's name",
    "tool_choice.function.name": "a non-empty string",
    "parallel_tool_calls": "true or false",
    "response_format": "an object with a type",
    "response_format.type": "one of: text, json_object, json_schema",
    "response_format.json_schema": "an object with a name and a schema",
    "response_format.json_schema.name": "a non-empty string",
    "response_format.json_schema.schema": "an object: a JSON Schema",
    "user": "a string",
    "safety_identifier": "a string",
    "metadata": "an object whose values are strings",
    "prompt_id": "a non-empty string",
    "prompt_version": "a non-empty string",
    "prompt_variables": "an object whose values are strings",
}

_read_typed = msgspec.json.Decoder(_Chat).decode
_read_parts = msgspec.json.Decoder(list[_Part]).decode


class ChatRequest(Struct, frozen=True, kw_only=True):
    """What one chat request asks for.

    ``fields`` is the body one level deep, without the gateway's own keys; the rest are the facts that stages decide
    by. ``input_tokens`` is an estimate; ``choices`` is ``n``; a ``prompt`` without a version has ``""`` there.
    """

    fields: dict[str, Raw]
    model: str
    stream: bool
    include_usage: bool
    temperature: float | None
    max_output_tokens: int | None
    input_tokens: int
    choices: int
    user: str
    prompt: PromptRef | None
    tool_names: tuple[str, ...]


def read_chat(body: bytes) -> ChatRequest:
    """Decode and check a request body. Raises ``MalformedJson``, ``JsonTooDeep``, ``InvalidParameter``."""
    fields = read_object(body)
    try:
        chat = _read_typed(body)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except msgspec.DecodeError as error:
        raise malformed(body, error) from None
    prompt = _take_prompt(chat, fields)
    if not chat.messages and prompt is None:
        raise _wrong("messages")
    options = chat.stream_options
    return ChatRequest(
        fields=fields,
        model=chat.model,
        stream=chat.stream is True,
        include_usage=options is not None and options.include_usage is True,
        temperature=chat.temperature,
        max_output_tokens=chat.max_tokens if chat.max_completion_tokens is None else chat.max_completion_tokens,
        input_tokens=_input_tokens(chat, fields),
        choices=chat.n or 1,
        user=chat.safety_identifier or chat.user or "",
        prompt=prompt,
        tool_names=_tool_names(chat) if chat.tools else (),
    )


def _take_prompt(chat: _Chat, fields: dict[str, Raw]) -> PromptRef | None:
    if _PROMPT_FIELDS.isdisjoint(fields):
        return None
    for key in _PROMPT_FIELDS:
        fields.pop(key, None)
    if chat.prompt_id is not None:
        return PromptRef(chat.prompt_id, chat.prompt_version or "", chat.prompt_variables or {})
    if chat.prompt_version is not None or chat.prompt_variables is not None:
        msg = "`prompt_id` is missing: `prompt_version` and `prompt_variables` say more about the prompt that it names."
        raise InvalidParameter(msg, param="prompt_id")
    return None


def _input_tokens(chat: _Chat, fields: dict[str, Raw]) -> int:
    tokens = 0
    for index, message in enumerate(chat.messages):
        content = bytes(message.content)
        if content.startswith(b'"'):
            tokens += estimate_json_tokens(content)
        elif content != b"null":
            tokens += _parts_tokens(content, f"messages[{index}].content")
        tokens += len(message.tool_calls) // 4
    if not _BILLED_FIELDS.isdisjoint(fields):
        tokens += sum(len(fields[name]) // 4 for name in _BILLED_FIELDS if name in fields)
    return tokens


def _parts_tokens(content: bytes, param: str) -> int:
    try:
        parts = _read_parts(content)
    except msgspec.ValidationError as error:
        raise _explain(str(error), param) from None
    tokens = 0
    for part in parts:
        text = bytes(part.text)
        if text in (b"", b"null"):
            text = bytes(part.refusal)
        tokens += estimate_json_tokens(text) if text.startswith(b'"') else MEDIA_TOKENS
    return tokens


def _tool_names(chat: _Chat) -> tuple[str, ...]:
    names = []
    for index, tool in enumerate(chat.tools or ()):
        named = tool.function or tool.custom
        if named is not None:
            names.append(named.name)
        elif tool.type == "function":
            raise _wrong(f"tools[{index}].function")
    choice = chat.tool_choice
    if isinstance(choice, _ToolChoice) and choice.type == "function" and choice.function is None:
        raise _wrong("tool_choice.function")
    return tuple(names)


def _wrong(param: str) -> InvalidParameter:
    return wrong(param, MUST_BE)


def _explain(problem: str, root: str = "") -> InvalidParameter:
    return explain(problem, MUST_BE, root)
