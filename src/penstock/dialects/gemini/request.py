"""``write_request``: a conversation becomes the body of ``generateContent``."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from penstock.core.call import Call
from penstock.core.conversation import Conversation, JsonFormat, OneTool, Tool
from penstock.dialects.gemini.contents import ContentWriter
from penstock.dialects.gemini.model import Model

_Json: TypeAlias = dict[str, Any]
# ai.google.dev/api/generate-content, GenerationConfig.stopSequences, 2026-11-21.
_MOST_STOPS = 5
# `seed` is an int32 there, and 64 bits wide at OpenAI: another seed is as good, if it is always the same one.
_SEEDS = 2**31
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def write_request(conversation: Conversation, call: Call, model: Model, max_output_tokens: int | None) -> bytes:
    """The body. Raises ``UnsupportedParameter`` for what Gemini cannot do, ``InvalidParameter``."""
    for param in conversation.unread:
        model.refuse(call, param)
    if conversation.choices > 1:
        model.refuse(call, "n")
    writer = ContentWriter(model, call)
    writer.write(conversation)
    system, contents = writer.system, writer.contents
    if not contents:  # there must be one
        system, contents = [], [{"role": "user", "parts": system}]
    body: _Json = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    tools = _tools(conversation, call, model)
    if tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in tools]}]
        if calling := _calling(conversation, tools):
            body["toolConfig"] = {"functionCallingConfig": calling}
    if config := _config(conversation, call, model, has_tools=bool(tools)):
        body["generationConfig"] = config
    if max_output_tokens is not None:
        body.setdefault("generationConfig", {})["maxOutputTokens"] = max_output_tokens
    return msgspec.json.encode(body)


def _tools(conversation: Conversation, call: Call, model: Model) -> list[Tool]:
    tools = [tool for tool in conversation.tools if tool.parameters is not None]
    if len(tools) < len(conversation.tools):
        model.refuse(call, "tools")  # it has none that take free text
    if tools and conversation.parallel_tools is False:
        # Clients force a tool of theirs for structured output, and read one call of it (ai 7.0, langchain-openai 1.7;
        # 2026-11-21).
        choice = conversation.tool_choice
        forced = isinstance(choice, OneTool) or (choice == "required" and len(tools) == 1)
        model.refuse(call, "parallel_tool_calls", hint=forced)
    return tools


def _declaration(tool: Tool) -> _Json:
    declaration: _Json = {"name": tool.name}
    if tool.description:
        declaration["description"] = tool.description
    if bytes(tool.parameters or b"") not in {b"", b"{}"}:  # a function without parameters is declared without them
        declaration["parametersJsonSchema"] = tool.parameters
    return declaration


def _calling(conversation: Conversation, tools: list[Tool]) -> _Json:
    choice = conversation.tool_choice
    if isinstance(choice, OneTool):
        if all(tool.name != choice.name for tool in tools):
            return {}  # it went with what could not be asked
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    if choice in {None, "auto"} and any(tool.strict for tool in tools):
        return {"mode": "VALIDATED"}  # as AUTO, and arguments keep to their schema
    return {} if choice is None else {"mode": _MODES[choice]}


def _config(conversation: Conversation, call: Call, model: Model, *, has_tools: bool) -> _Json:
    config: _Json = {
        "temperature": conversation.temperature,
        "topP": conversation.top_p,
        "topK": conversation.top_k,
        "seed": conversation.seed,
        "presencePenalty": conversation.presence_penalty,
        "frequencyPenalty": conversation.frequency_penalty,
    }
    config = {name: value for name, value in config.items() if value is not None}
    if conversation.seed is not None and not -_SEEDS <= conversation.seed < _SEEDS:
        config["seed"] = conversation.seed % _SEEDS
    if len(conversation.stop) > _MOST_STOPS:
        model.refuse(call, "stop")
    elif conversation.stop:
        config["stopSequences"] = conversation.stop
    # Gemini could say them for some models; a reply has no place for them.
    if conversation.logprobs:
        model.refuse(call, "logprobs")
    if conversation.top_logprobs:
        model.refuse(call, "top_logprobs")
    if conversation.thinking is not None and (thinking := model.thinking_config(conversation.thinking, call)):
        config["thinkingConfig"] = thinking
    if conversation.format is not None:
        if has_tools and not model.is_third:
            model.refuse(call, "response_format")
        else:
            config |= _format(conversation.format)
    return config


def _format(form: JsonFormat) -> _Json:
    config: _Json = {"responseMimeType": "application/json"}
    if form.schema is not None:
        schema: Raw | dict[str, Any] = form.schema
        if form.description:
            schema = {"description": form.description, **_read_fields(form.schema)}
        config["responseJsonSchema"] = schema
    return config
