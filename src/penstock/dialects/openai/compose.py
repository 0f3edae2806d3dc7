"""``compose``: a conversation as the body of a chat request."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from penstock.core.call import Call
from penstock.core.conversation import (
    Conversation,
    Document,
    Image,
    JsonFormat,
    Message,
    OneTool,
    Part,
    Refusal,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.dialects.openai.parts import write_part
from penstock.dialects.openai.said import GIVEN_BACK, SIGNER, write_call
from penstock.dialects.translation import leave_out

# What Gemini's compatible API takes `low` and `medium` for (ai.google.dev/gemini-api/docs/openai, 2026-11-21).
_LOW_TOKENS, _MEDIUM_TOKENS = 1024, 8192
# One name for both, for many services know `developer` not (DeepSeek, github.com/num-scope/pix/issues/34; Qwen,
# github.com/DayuanJiang/next-ai-draw-io/issues/304), and OpenAI takes either for the same; all 2026-11-21. Of a turn of
# tools, what is left beside the results is the user's.
_ROLES = {"developer": "system", "tool": "user"}
# OpenAI takes no longer id of a tool's call (github.com/Portkey-AI/gateway/issues/1062, 2026-11-21).
_ID_LENGTH = 40


def compose(conversation: Conversation, call: Call, provider: str) -> dict[str, object]:
    """The fields that ``conversation`` makes, without model, token cap and streaming.

    Of a ``user`` nothing is said: it changes no answer, and a long one is refused (64 characters at OpenAI,
    github.com/maximhq/bifrost/pull/1000; 128 at OpenRouter, github.com/ujisati/claude-code-provider-proxy/pull/11;
    2026-11-21). Raises ``UnsupportedParameter``.
    """
    _refuse_unsaid(conversation, call, provider)
    fields: dict[str, object] = {"messages": _Writer(call, provider).write(conversation.messages)}
    if conversation.tools:
        fields["tools"] = [_tool(tool) for tool in conversation.tools]
        if conversation.tool_choice is not None:
            fields["tool_choice"] = _choice(conversation.tool_choice, conversation.tools)
        if conversation.parallel_tools is not None:
            fields["parallel_tool_calls"] = conversation.parallel_tools
    if conversation.format is not None:
        fields["response_format"] = _format(conversation.format)
    if conversation.thinking is not None and (effort := _effort(conversation.thinking)):
        fields["reasoning_effort"] = effort
    if conversation.stop:
        fields["stop"] = conversation.stop
    for name in ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"):
        if (value := getattr(conversation, name)) is not None:
            fields[name] = value
    return fields


def _refuse_unsaid(conversation: Conversation, call: Call, provider: str) -> None:
    for name in conversation.unread:
        leave_out(call, name, provider)
    # OpenAI does not know it, and of those that do nothing here tells.
    if conversation.top_k is not None:
        leave_out(call, "top_k", provider)
    # A translated answer has one choice, and no place for probabilities.
    if conversation.choices > 1:
        leave_out(call, "n", provider)
    if conversation.logprobs or conversation.top_logprobs:
        leave_out(call, "logprobs", provider)


class _Writer:
    """Writes messages in their order. A result goes into a message of its own, before anything else of its turn.

    What a result shows beside text follows it as the user's: pictures are taken from nobody else
    (github.com/openai/openai-node/issues/1030, 2026-11-21), and nothing may stand between two results.
    """

    def __init__(self, call: Call, provider: str) -> None:
        self._call = call
        self._provider = provider
        self._written: list[dict[str, object]] = []
        self._shown: list[dict[str, object]] = []

    def write(self, messages: Sequence[Message]) -> list[dict[str, object]]:
        """All of them."""
        for message in messages:
            rest = []
            for part in message.parts:
                if isinstance(part, ToolResult):
                    self._result(part)
                else:
                    rest.append(part)
            if rest or len(rest) == len(message.parts):
                self._show()
                self._message(message, rest)
        self._show()
        return self._written

    def _show(self) -> None:
        if self._shown:
            self._written.append({"role": "user", "content": self._shown})
            self._shown = []

    def _result(self, result: ToolResult) -> None:
        texts = [part for part in result.parts if isinstance(part, Text)]
        others = [part for part in result.parts if not isinstance(part, Text)]
        content = self._content(texts)
        if result.failed and not content:
            content = "The tool failed."  # nothing but its words says so
        self._written.append({"role": "tool", "tool_call_id": result.id[-_ID_LENGTH:], "content": content})
        self._shown += self._parts(others)

    def _message(self, message: Message, parts: Sequence[Part]) -> None:
        fields: dict[str, object] = {"role": _ROLES.get(message.role, message.role)}
        if message.name:
            fields["name"] = message.name
        if message.role == "assistant":
            self._assistant(fields, parts)
        else:
            fields["content"] = self._content(parts)
        self._written.append(fields)

    def _assistant(self, fields: dict[str, object], parts: Sequence[Part]) -> None:
        said = [part for part in parts if not isinstance(part, Thought | ToolUse | Refusal)]
        calls = [part for part in parts if isinstance(part, ToolUse)]
        refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
        fields["content"] = self._content(said) or (None if calls or refusal else "")
        if refusal:
            fields["refusal"] = refusal
        if calls:
            fields["tool_calls"] = [_call(call) for call in calls]
            if thought := "".join(part.text for part in parts if isinstance(part, Thought) and _is_ours(part)):
                fields[GIVEN_BACK] = thought

    def _content(self, parts: Sequence[Part]) -> str | list[dict[str, object]]:
        if not parts:
            return ""
        first = parts[0]
        return first.text if len(parts) == 1 and isinstance(first, Text) else self._parts(parts) or ""

    def _parts(self, parts: Sequence[Part]) -> list[dict[str, object]]:
        written = []
        for part in parts:
            if (wire := write_part(part)) is not None:
                written.append(wire)
            else:
                leave_out(self._call, _unsaid(part), self._provider)
        return written


def _unsaid(part: Part) -> str:
    if isinstance(part, Document) and isinstance(part.place, Url):
        return "document_url"
    return "image_file_id" if isinstance(part, Image) else type(part).__name__.lower()


def _is_ours(thought: Thought) -> bool:
    return thought.signer == SIGNER and thought.signature == GIVEN_BACK


def _call(call: ToolUse) -> dict[str, object]:
    # A signature came from Gemini's compatible API, which is the one that gives any.
    written = write_call(call, vendor="google")
    written["id"] = call.id[-_ID_LENGTH:]
    if call.signer != SIGNER:
        written.pop("extra_content", None)
    return written


def _tool(tool: Tool) -> dict[str, object]:
    fields: dict[str, object] = {"name": tool.name}
    if tool.description:
        fields["description"] = tool.description
    if tool.parameters is None:
        return {"type": "custom", "custom": fields}
    fields["parameters"] = tool.parameters
    if tool.strict is not None:
        fields["strict"] = tool.strict
    return {"type": "function", "function": fields}


def _choice(choice: ToolChoice, tools: Sequence[Tool]) -> object:
    if not isinstance(choice, OneTool):
        return choice
    freeform = any(tool.name == choice.name and tool.parameters is None for tool in tools)
    kind = "custom" if freeform else "function"
    return {"type": kind, kind: {"name": choice.name}}


def _format(form: JsonFormat) -> dict[str, object]:
    if form.schema is None:
        return {"type": "json_object"}
    schema: dict[str, str | bool | Raw] = {"name": form.name or "answer", "schema": form.schema}
    if form.description:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}


def _effort(thinking: Thinking) -> str | None:
    budget = thinking.budget_tokens
    if thinking.effort is not None or budget is None:
        return thinking.effort
    if budget <= 0:
        return "none" if budget == 0 else None
    return "low" if budget <= _LOW_TOKENS else "medium" if budget <= _MEDIUM_TOKENS else "high"
