"""``read_response_request``: a request body becomes fields that are forwarded and facts that are decided by.

Nothing here is stricter than OpenAI's own API (openai 3.54, ``types/responses/response_create_params.py``,
2026-11-21), but that an answer is waited for and is of no ``conversation``: items, parts and tools that nobody here
knows are passed on as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from penstock.core.errors import InvalidParameter
from penstock.core.tokens import estimate_json_tokens
from penstock.dialects.json_body import malformed, read_object
from penstock.dialects.openai.request import MEDIA_TOKENS, ChatRequest
from penstock.dialects.responses.faults import explain, wrong

# Beside the items, what a provider reads as input; of JSON about four bytes are a token.
_BILLED_FIELDS = ("tools", "text")
# Without an input of their own, calls go on from what one of these names.
_INPUT_ELSEWHERE = ("prompt", "previous_response_id")

# Of nothing too: OpenAI gives no least (openai 3.54, ``response_create_params.py``, 2026-11-21); a provider may.
_Count: TypeAlias = Annotated[int, Meta(ge=0)]
_Name: TypeAlias = Annotated[str, Meta(min_length=1)]
_Penalty: TypeAlias = Annotated[float, Meta(ge=-2, le=2)]


class _Item(Struct):
    type: str | None = None
    content: Raw = Raw()
    output: Raw = Raw()
    arguments: Raw = Raw()
    input: Raw = Raw()


class _Part(Struct):
    type: str = ""
    text: Raw = Raw()
    refusal: Raw = Raw()


class _Tool(Struct):
    type: str
    name: str | None = None


class _Format(Struct):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: dict[str, Any] | None = None


class _Text(Struct):
    format: _Format | None = None


class _Reasoning(Struct):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None


class _Asked(Struct):
    model: _Name
    input: Raw = Raw()
    instructions: Raw = Raw()
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    # Of the Open Responses specification, ``schema/responses.tsp``, 2026-11-21.
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    max_output_tokens: _Count | None = None
    max_tool_calls: _Count | None = None
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    reasoning: _Reasoning | None = None
    text: _Text | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
    safety_identifier: str | None = None


_read_typed = msgspec.json.Decoder(_Asked).decode
_read_items = msgspec.json.Decoder(list[_Item]).decode
_read_raws = msgspec.json.Decoder(list[Raw]).decode
_read_parts = msgspec.json.Decoder(list[_Part]).decode


def read_response_request(body: bytes) -> ChatRequest:
    """Decode and check a request body. Raises ``MalformedJson``, ``JsonTooDeep``, ``InvalidParameter``.

    ``include_usage`` is always set: an answer in this dialect says its usage.
    """
    fields = read_object(body)
    try:
        asked = _read_typed(body)
    except msgspec.ValidationError as error:
        raise explain(str(error)) from None
    except msgspec.DecodeError as error:
        raise malformed(body, error) from None
    if asked.background:
        msg = "`background` must be false: an answer is waited for here, streamed or whole."
        raise InvalidParameter(msg, param="background")
    if _holds(fields.get("conversation", Raw())):
        # A provider's conversations belong to the operator's one key: any tenant could read and write another's.
        msg = "`conversation` is not kept here: send its items as `input`, or go on with `previous_response_id`."
        raise InvalidParameter(msg, param="conversation")
    if not _holds(asked.input) and not any(_holds(fields.get(name, Raw())) for name in _INPUT_ELSEWHERE):
        raise wrong("input", missing=True)
    return ChatRequest(
        fields=fields,
        model=asked.model,
        stream=asked.stream is True,
        include_usage=True,
        temperature=asked.temperature,
        max_output_tokens=asked.max_output_tokens,
        input_tokens=estimate_input_tokens(fields),
        choices=1,
        user=asked.safety_identifier or asked.user or "",
        prompt=None,
        tool_names=_tool_names(asked.tools or ()),
    )


def estimate_input_tokens(fields: Mapping[str, Raw]) -> int:
    """About how many tokens ``fields`` ask a model to read. Raises ``InvalidParameter`` for an input that is none."""
    tokens = sum(len(fields[name]) // 4 for name in _BILLED_FIELDS if name in fields)
    instructions = bytes(fields.get("instructions", Raw()))
    if _holds(instructions):
        if not instructions.startswith(b'"'):
            raise wrong("instructions")
        tokens += estimate_json_tokens(instructions)
    asked = bytes(fields.get("input", Raw()))
    if asked.startswith(b'"'):
        return tokens + estimate_json_tokens(asked)
    if not _holds(asked):
        return tokens
    try:
        items = _read_items(asked)
    except msgspec.ValidationError as error:
        raise explain(str(error), "input") from None
    for index, (item, raw) in enumerate(zip(items, _read_raws(asked), strict=True)):
        tokens += _item_tokens(item, len(raw), f"input[{index}]")
    return tokens


def _item_tokens(item: _Item, length_bytes: int, param: str) -> int:
    if item.type in (None, "message"):
        return _content_tokens(bytes(item.content), f"{param}.content")
    if item.type in ("function_call_output", "custom_tool_call_output"):
        return _content_tokens(bytes(item.output), f"{param}.output")
    said = bytes(item.arguments) or bytes(item.input)
    if said.startswith(b'"'):
        return estimate_json_tokens(said)
    return min(length_bytes // 4, MEDIA_TOKENS)


def _content_tokens(content: bytes, param: str) -> int:
    if content.startswith(b'"'):
        return estimate_json_tokens(content)
    if not _holds(content):
        return 0
    try:
        parts = _read_parts(content)
    except msgspec.ValidationError as error:
        raise explain(str(error), param) from None
    tokens = 0
    for part in parts:
        text = bytes(part.text) or bytes(part.refusal)
        tokens += estimate_json_tokens(text) if text.startswith(b'"') else MEDIA_TOKENS
    return tokens


def _tool_names(tools: list[_Tool] | tuple[()]) -> tuple[str, ...]:
    names = []
    for index, tool in enumerate(tools):
        if tool.type in ("function", "custom"):
            if not tool.name:
                raise wrong(f"tools[{index}].name", missing=tool.name is None)
            names.append(tool.name)
    return tuple(names)


def _holds(raw: Raw | bytes) -> bool:
    return bytes(raw) not in (b"", b"null")
