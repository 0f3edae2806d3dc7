"""What a request of the Messages API asks beside its messages."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from penstock.core.conversation import Effort, JsonFormat, OneTool, Thinking, Tool, ToolChoice
from penstock.dialects.anthropic.explain import explain, wrong

# Asked for the provider's own sake: they change nothing of an answer's content
# (anthropic 2.12 ``types/message_create_params.py``, 2026-11-21).
_HINTS = frozenset({"metadata", "service_tier", "speed", "diagnostics", "user_profile_id"})
_READ = frozenset(
    {
        "model",
        "messages",
        "system",
        "max_tokens",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "cache_control",
    }
)
_T = TypeVar("_T")


class CacheControl(Struct):
    """A point up to which the prompt is kept."""

    type: str = "ephemeral"
    ttl: Literal["5m", "1h"] = "5m"


class _Tool(Struct):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Raw = Raw()
    strict: bool | None = None
    cache_control: CacheControl | None = None
    # What changes how a tool is used, and has no name elsewhere.
    input_examples: Raw = Raw()
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None


class _ToolChoice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct):
    type: str
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Format(Struct):
    type: Literal["json_schema"]
    schema: Raw


class _OutputConfig(Struct):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _Metadata(Struct):
    user_id: str | None = None


class _Edit(Struct):
    type: str


class _ContextManagement(Struct, forbid_unknown_fields=True):
    edits: list[_Edit] | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """The fields of a ``Conversation`` of the same names."""

    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    parallel_tools: bool | None
    format: JsonFormat | None
    thinking: Thinking | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop: tuple[str, ...]
    user: str
    unread: dict[str, Raw]


_CHOICES: dict[str, ToolChoice] = {"auto": "auto", "any": "required", "none": "none"}


def cached_for(control: CacheControl | None) -> str:
    """The life of a cache point, ``""`` without one."""
    return "" if control is None else control.ttl


def read_asked(fields: dict[str, Raw]) -> Asked:
    """What ``fields`` ask. Raises ``InvalidParameter``."""
    unread = {
        name: value
        for name, value in fields.items()
        if name not in _READ and name not in _HINTS and bytes(value) != b"null"
    }
    # Which of its own thoughts Anthropic leaves out; Claude Code asks so always, and no other provider gets any of them
    # (github.com/anthropics/claude-code/issues/21612, 2026-11-21).
    if "context_management" in unread and _clears_thoughts_alone(fields):
        del unread["context_management"]
    choice = read_field(fields, "tool_choice", _ToolChoice)
    config = read_field(fields, "output_config", _OutputConfig)
    metadata = read_field(fields, "metadata", _Metadata)
    return Asked(
        tools=_tools(fields, unread),
        tool_choice=None if choice is None else _tool_choice(choice),
        parallel_tools=None if choice is None else _unless(choice.disable_parallel_tool_use),
        format=None if config is None else _format(config),
        thinking=_thinking(fields, config, unread),
        temperature=read_field(fields, "temperature", float),
        top_p=read_field(fields, "top_p", float),
        top_k=read_field(fields, "top_k", int),
        stop=tuple(read_field(fields, "stop_sequences", list[str]) or ()),
        user=(metadata and metadata.user_id) or "",
        unread=unread,
    )


def _clears_thoughts_alone(fields: dict[str, Raw]) -> bool:
    try:
        management = msgspec.json.decode(fields["context_management"], type=_ContextManagement)
    except msgspec.ValidationError:
        return False
    return all(edit.type.startswith("clear_thinking_") for edit in management.edits or ())


def read_field(fields: dict[str, Raw], name: str, kind: type[_T]) -> _T | None:
    """The value of ``name`` as a ``kind``; ``None`` where it is not given. Raises ``InvalidParameter``."""
    value = fields.get(name)
    if value is None or bytes(value) == b"null":
        return None
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError as error:
        raise explain(str(error), name) from None


def _tools(fields: dict[str, Raw], unread: dict[str, Raw]) -> tuple[Tool, ...]:
    tools = []
    for index, tool in enumerate(read_field(fields, "tools", list[_Tool]) or ()):
        param = f"tools.{index}"
        if tool.type not in (None, "custom"):  # a tool of Anthropic's, run by it or known to its models alone
            unread[param] = Raw(msgspec.json.encode(tool.type))
            continue
        if not tool.name:
            raise wrong(f"{param}.name", missing=True)
        if not bytes(tool.input_schema).startswith(b"{"):
            raise wrong(f"{param}.input_schema", missing=not tool.input_schema)
        if tool.input_examples and bytes(tool.input_examples) not in (b"null", b"[]"):
            unread[f"{param}.input_examples"] = tool.input_examples
        if tool.defer_loading:
            unread[f"{param}.defer_loading"] = Raw(b"true")
        if tool.allowed_callers is not None and "direct" not in tool.allowed_callers:
            unread[f"{param}.allowed_callers"] = Raw(msgspec.json.encode(tool.allowed_callers))
        tools.append(
            Tool(
                name=tool.name,
                description=tool.description or "",
                parameters=tool.input_schema,
                strict=tool.strict,
                cached_for=cached_for(tool.cache_control),
            )
        )
    return tuple(tools)


def _tool_choice(choice: _ToolChoice) -> ToolChoice:
    if choice.type != "tool":
        return _CHOICES[choice.type]
    if not choice.name:
        raise wrong("tool_choice.name", missing=True)
    return OneTool(choice.name)


def _unless(disabled: bool | None) -> bool | None:  # noqa: FBT001 - a wire value
    return None if disabled is None else not disabled


def _format(config: _OutputConfig) -> JsonFormat | None:
    if config.format is None:
        return None
    if not bytes(config.format.schema).startswith(b"{"):
        raise wrong("output_config.format.schema")
    return JsonFormat(schema=config.format.schema, strict=True)  # it is always held to the letter


def _thinking(fields: dict[str, Raw], config: _OutputConfig | None, unread: dict[str, Raw]) -> Thinking | None:
    asked = read_field(fields, "thinking", _Thinking)
    effort: Effort | None = None if config is None else config.effort
    if asked is not None and asked.type not in (
        "enabled",
        "adaptive",
        "disabled",
    ):  # `between_tools`, and what may come
        unread["thinking"] = fields["thinking"]
        asked = None
    if asked is None:
        return None if effort is None else Thinking(effort=effort)
    if asked.type == "disabled":
        if effort is not None:  # how much is said without a thought has no name elsewhere
            unread["output_config.effort"] = Raw(msgspec.json.encode(effort))
        return Thinking(effort="none")
    if asked.type == "enabled" and asked.budget_tokens is None:
        raise wrong("thinking.budget_tokens", missing=True)
    return Thinking(
        effort=effort,
        budget_tokens=asked.budget_tokens if asked.type == "enabled" else None,
        shown=None if asked.display is None else asked.display == "summarized",
    )
