"""``MessagesProvider``: asks a deployment that answers as the Messages API, whatever the caller speaks."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from penstock.core.call import Call
from penstock.core.conversation import Conversation, JsonFormat, OneTool, Reply, Thinking, Tool
from penstock.dialects.anthropic.answer import MessageItems, read_reply
from penstock.dialects.anthropic.turns import cache_control, write_turns
from penstock.dialects.translation import leave_out

# The API wants a figure where others do without: what every model on offer can write, so that few answers are cut
# (platform.claude.com/docs/en/about-claude/models/overview: 32k for Opus 4.1, 64k and more for the rest; 2026-11-21).
DEFAULT_MAX_TOKENS = 32_000
# The least that may be set aside for thoughts (types/thinking_config_enabled_param.py of anthropic 2.12, 2026-11-21).
_LEAST_BUDGET_TOKENS = 1024

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_encode = msgspec.json.encode
_read_object = msgspec.json.Decoder(dict[str, Raw]).decode


def least_tokens(call: Call, own_cap: int | None) -> int:
    """What an answer to ``call`` may be long at most: the least of what was asked, what is allowed and ``own_cap``."""
    said = [cap for cap in (call.max_output_tokens, own_cap) if cap is not None]
    return min(said, default=DEFAULT_MAX_TOKENS)


def least_budget(asked: int, max_tokens: int) -> int | None:
    """What is left for thoughts, which are part of the output; ``None`` where that is less than the API takes."""
    budget = min(asked, max_tokens - 1)
    return budget if budget >= _LEAST_BUDGET_TOKENS else None


class MessagesProvider:
    """Translates for one deployment: see ``dialects.translation.ProviderSide``."""

    def __init__(self, model_id: str, provider: str, max_output_tokens: int | None) -> None:
        self._model_id = model_id
        self._provider = provider
        self._max_output_tokens = max_output_tokens

    def request(self, conversation: Conversation, call: Call) -> bytes:
        """The body that asks it. Raises ``UnsupportedParameter`` for what it cannot do."""
        self._refuse(conversation, call)
        turns = write_turns(conversation, call, self._provider)
        max_tokens = least_tokens(call, self._max_output_tokens)
        body: dict[str, Any] = {"model": self._model_id, "max_tokens": max_tokens, "messages": turns.messages}
        if turns.system:
            body["system"] = turns.system
        body |= _tools(conversation)
        config: dict[str, Any] = {}
        form = conversation.format
        if form is not None and form.schema is not None and _is_object(form.schema):
            config["format"] = {"type": "json_schema", "schema": _schema(form, form.schema)}
        if conversation.thinking is not None:
            body |= self._thinking(conversation, conversation.thinking, call, config)
        if config:
            body["output_config"] = config
        body |= _sampling(conversation)
        if conversation.user:
            body["metadata"] = {"user_id": conversation.user}
        if call.stream:
            body["stream"] = True
        return _encode(body)

    def reply(self, body: bytes) -> Reply:
        """What a whole answer says. Raises ``UpstreamMalformed``."""
        return read_reply(body)

    def reader(self) -> MessageItems:
        """For one stream."""
        return MessageItems()

    def _refuse(self, conversation: Conversation, call: Call) -> None:
        """Name what the API has no word for; dropped, each leaves its default."""
        form = conversation.format
        form_name = "text.format" if call.dialect == "responses" else "response_format"
        cannot = {
            "tools": any(not _is_object(tool.parameters) for tool in conversation.tools),
            # Only a schema binds the API (docs/en/build-with-claude/structured-outputs, 2026-11-21): words would
            # promise what they cannot keep, and a forced tool would take the place of the caller's own and of thoughts.
            form_name: form is not None and not _is_object(form.schema),
            "n": conversation.choices > 1,
            "seed": conversation.seed is not None,
            "frequency_penalty": bool(conversation.frequency_penalty),
            "presence_penalty": bool(conversation.presence_penalty),
            "logprobs": conversation.logprobs is True,
            "top_logprobs": bool(conversation.top_logprobs),
            # From 0 to 1, and the default is 1.
            "temperature": conversation.temperature is not None and conversation.temperature > 1,
            # "each stop sequence must contain non-whitespace"
            "stop": any(not text.strip() for text in conversation.stop),
        }
        for param, asked in (cannot | dict.fromkeys(conversation.unread, True)).items():
            if asked:
                leave_out(call, param, self._provider)

    def _thinking(
        self, conversation: Conversation, asked: Thinking, call: Call, config: dict[str, Any]
    ) -> dict[str, Any]:
        """How it thinks; an effort goes to ``config``, with thoughts as many as the model likes."""
        if asked.effort == "none":
            return {"thinking": {"type": "disabled"}}
        if asked.effort is not None:
            config["effort"] = "low" if asked.effort == "minimal" else asked.effort  # the least that has a name
            if asked == Thinking(effort=asked.effort) and _forces_a_tool(conversation):
                return {}  # with thoughts it would be refused (docs/en/build-with-claude/extended-thinking, 2026-11-21)
        thinking: dict[str, Any] = {"type": "adaptive"}
        if asked.budget_tokens is not None:
            budget = least_budget(asked.budget_tokens, least_tokens(call, self._max_output_tokens))
            if budget is None:
                leave_out(call, "thinking", self._provider)
                return {}
            thinking = {"type": "enabled", "budget_tokens": budget}
        if asked.shown is not None:
            thinking["display"] = "summarized" if asked.shown else "omitted"
        return {"thinking": thinking}


def _sampling(conversation: Conversation) -> dict[str, Any]:
    asked: dict[str, Any] = {"top_p": conversation.top_p, "top_k": conversation.top_k}
    if conversation.temperature is not None and conversation.temperature <= 1:
        asked["temperature"] = conversation.temperature
    asked["stop_sequences"] = [text for text in conversation.stop if text.strip()] or None
    return {name: value for name, value in asked.items() if value is not None}


def _tools(conversation: Conversation) -> dict[str, Any]:
    tools = [
        _tool(tool, tool.parameters)
        for tool in conversation.tools
        if tool.parameters is not None and _is_object(tool.parameters)
    ]
    if not tools:
        return {}
    choice = _tool_choice(conversation)
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def _tool(tool: Tool, parameters: Raw) -> dict[str, Any]:
    schema: dict[str, Any] | Raw = parameters
    fields = _read_object(parameters)
    if "type" not in fields:  # which others do without where there are no parameters
        schema = {"type": "object", **fields}
    written: dict[str, Any] = {"name": tool.name, "input_schema": schema}
    if tool.description:
        written["description"] = tool.description
    if tool.strict is not None:
        written["strict"] = tool.strict
    return written | cache_control(tool.cached_for)


def _forces_a_tool(conversation: Conversation) -> bool:
    return conversation.tool_choice == "required" or isinstance(conversation.tool_choice, OneTool)


def _tool_choice(conversation: Conversation) -> dict[str, Any]:
    choice = conversation.tool_choice
    written: dict[str, Any] = {}
    if isinstance(choice, OneTool):
        written = {"type": "tool", "name": choice.name}
    elif choice is not None:
        written = {"type": _CHOICES[choice]}
    if conversation.parallel_tools is False and choice != "none":
        written = {"type": "auto"} | written | {"disable_parallel_tool_use": True}
    return written


def _is_object(schema: Raw | None) -> bool:
    """Whether it is one that the API takes: a free text has none, and `true` is a schema elsewhere alone."""
    return schema is not None and bytes(schema).startswith(b"{")


def _schema(form: JsonFormat, said: Raw) -> dict[str, Raw]:
    """The schema, with what was said of it in its own description."""
    schema = _read_object(said)
    if form.description and "description" not in schema:
        schema["description"] = Raw(_encode(form.description))
    return schema
