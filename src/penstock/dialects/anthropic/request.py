"""``read_messages``: a request body becomes fields that are forwarded and facts that are decided by.

Nothing here is stricter than Anthropic's own API (platform.claude.com/docs/en/api/messages and anthropic 2.12,
``types/message_create_params.py``, 2026-11-21): fields, blocks and tools that nobody here knows are passed on.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from penstock.core.call import PromptRef
from penstock.core.tokens import estimate_json_tokens
from penstock.dialects.anthropic.explain import explain, wrong
from penstock.dialects.json_body import malformed, read_object
from penstock.dialects.openai.request import MEDIA_TOKENS, ChatRequest

# Beside the messages, what a provider reads as input; of JSON about four bytes are a token.
_BILLED_FIELDS = ("tools", "output_config")
# The gateway's own, which no provider sees.
_PROMPT_FIELDS = ("prompt_id", "prompt_version", "prompt_variables")

_Name: TypeAlias = Annotated[str, Meta(min_length=1)]


class _Block(Struct):
    type: str
    text: Raw = Raw()
    thinking: Raw = Raw()
    data: Raw = Raw()
    input: Raw = Raw()
    content: Raw = Raw()
    source: Raw = Raw()


class _Source(Struct):
    data: Raw = Raw()
    type: str = ""


class _Message(Struct):
    role: Literal["user", "assistant", "system"]
    content: Raw


class _Tool(Struct):
    name: str = ""


class _ToolChoice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct):
    type: str
    budget_tokens: int | None = None


class _Metadata(Struct):
    user_id: str | None = None


class _Messages(Struct):
    model: _Name
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    messages: list[_Message] = []
    system: Raw = Raw()
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    metadata: _Metadata | None = None
    prompt_id: _Name | None = None
    prompt_version: _Name | None = None
    prompt_variables: dict[str, str] | None = None


_read_typed = msgspec.json.Decoder(_Messages).decode
_read_blocks = msgspec.json.Decoder(list[_Block]).decode
_read_source = msgspec.json.Decoder(_Source).decode


def read_messages(body: bytes) -> ChatRequest:
    """Decode and check a request body. Raises ``MalformedJson``, ``JsonTooDeep``, ``InvalidParameter``."""
    request, asked = _read(body)
    if asked.max_tokens is None:
        raise wrong("max_tokens", missing=True)
    return request


def read_count(body: bytes) -> ChatRequest:
    """The same of a request to count tokens: nothing is said in answer, so no `max_tokens` is needed, nor a stream."""
    request, _ = _read(body)
    request.fields.pop("stream", None)
    return replace(request, stream=False, max_output_tokens=0)


def _read(body: bytes) -> tuple[ChatRequest, _Messages]:
    fields = read_object(body)
    try:
        asked = _read_typed(body)
    except msgspec.ValidationError as error:
        raise explain(str(error)) from None
    except msgspec.DecodeError as error:
        raise malformed(body, error) from None
    prompt = _prompt(asked)
    if not asked.messages and prompt is None:
        raise wrong("messages", missing="messages" not in fields)
    if asked.tool_choice is not None and asked.tool_choice.type == "tool" and not asked.tool_choice.name:
        raise wrong("tool_choice.name", missing=True)
    request = ChatRequest(
        model=asked.model,
        stream=asked.stream is True,
        include_usage=True,  # a stream of this dialect always says it
        temperature=asked.temperature,
        max_output_tokens=asked.max_tokens,
        input_tokens=_input_tokens(asked, fields),
        choices=1,
        user=(asked.metadata and asked.metadata.user_id) or "",
        prompt=prompt,
        tool_names=tuple(tool.name for tool in asked.tools or () if tool.name),
        fields=fields,
    )
    for name in _PROMPT_FIELDS:
        fields.pop(name, None)
    return request, asked


def _prompt(asked: _Messages) -> PromptRef | None:
    if asked.prompt_id is not None:
        return PromptRef(asked.prompt_id, asked.prompt_version or "", asked.prompt_variables or {})
    if asked.prompt_version is not None or asked.prompt_variables is not None:
        raise wrong("prompt_id", missing=True)
    return None


def _input_tokens(asked: _Messages, fields: dict[str, Raw]) -> int:
    tokens = _content_tokens(bytes(asked.system), "system") if asked.system else 0
    for index, message in enumerate(asked.messages):
        tokens += _content_tokens(bytes(message.content), f"messages.{index}.content")
    return tokens + sum(len(fields[name]) // 4 for name in _BILLED_FIELDS if name in fields)


def _content_tokens(content: bytes, param: str) -> int:
    if content.startswith(b'"'):
        return estimate_json_tokens(content)
    try:
        blocks = _read_blocks(content)
    except msgspec.ValidationError as error:
        raise explain(str(error), param) from None
    return sum(_block_tokens(block, f"{param}.{index}") for index, block in enumerate(blocks))


def _block_tokens(block: _Block, param: str) -> int:
    for text in (bytes(block.text), bytes(block.thinking), bytes(block.data)):
        if text.startswith(b'"'):
            return estimate_json_tokens(text)
    if block.type == "tool_result":
        content = bytes(block.content)
        return 0 if content in (b"", b"null") else _content_tokens(content, f"{param}.content")
    if block.source:
        return _source_tokens(bytes(block.source))
    return (len(block.input) + len(block.content)) // 4


def _source_tokens(source: bytes) -> int:
    try:
        read = _read_source(source)
    except msgspec.ValidationError:  # of a kind that nobody here knows
        return MEDIA_TOKENS
    data = bytes(read.data)
    return estimate_json_tokens(data) if read.type == "text" and data.startswith(b'"') else MEDIA_TOKENS
