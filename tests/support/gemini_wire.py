"""Gemini's wire from the other end: requests read back, and answers written as its API writes them.

Shapes: google-genai 2.19, ``types.py``, 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Usage
from penstock.core.conversation import (
    Conversation,
    Document,
    Effort,
    Image,
    Inline,
    JsonFormat,
    Message,
    OneTool,
    Part,
    Reply,
    Sound,
    Stored,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Url,
)

UNSIGNED = "skip_thought_signature_validator"
MODES: dict[str, ToolChoice] = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
LEVELS: dict[str, Effort] = {"LOW": "low", "MEDIUM": "medium", "HIGH": "high"}


class Asked(Struct, frozen=True):
    """A request as it was read back."""

    conversation: Conversation
    max_output_tokens: int | None


def read_request(body: bytes) -> Asked:
    """What a body of ``generateContent`` asks; an answer to a tool is read as part of the user's turn."""
    found = msgspec.json.decode(body)
    messages = []
    if "systemInstruction" in found:
        messages.append(_message("system", found["systemInstruction"]))
    messages += [_message("assistant" if turn["role"] == "model" else "user", turn) for turn in found["contents"]]
    config = found.get("generationConfig", {})
    return Asked(
        Conversation(
            messages=tuple(messages),
            tools=tuple(_tool(tool) for group in found.get("tools", ()) for tool in group["functionDeclarations"]),
            tool_choice=_tool_choice(found.get("toolConfig", {}).get("functionCallingConfig")),
            format=_format(config),
            thinking=_thinking(config.get("thinkingConfig")),
            temperature=config.get("temperature"),
            top_p=config.get("topP"),
            top_k=config.get("topK"),
            stop=tuple(config.get("stopSequences", ())),
            seed=config.get("seed"),
            frequency_penalty=config.get("frequencyPenalty"),
            presence_penalty=config.get("presencePenalty"),
        ),
        config.get("maxOutputTokens"),
    )


def _message(role: Literal["system", "user", "assistant"], content: dict[str, Any]) -> Message:
    return Message(role=role, parts=tuple(_part(part) for part in content["parts"]))


def _part(part: dict[str, Any]) -> Part:
    signature = part.get("thoughtSignature", "")
    if "functionCall" in part:
        call = part["functionCall"]
        signature = "" if signature == UNSIGNED else signature
        arguments = msgspec.json.encode(call["args"]).decode()
        signer = "gemini" if signature else ""
        return ToolUse(id=call["id"], name=call["name"], arguments=arguments, signature=signature, signer=signer)
    if "functionResponse" in part:
        return _tool_result(part["functionResponse"])
    if part.get("thought"):
        return Thought(text=part["text"], signature=signature, signer="gemini")
    if signature:
        return Thought(sealed=signature, signer="gemini")
    return Text(text=part["text"]) if "text" in part else _media(part)


def _tool_result(response: dict[str, Any]) -> ToolResult:
    failed = "error" in response["response"]
    text = response["response"]["error" if failed else "output"]
    parts = [Text(text=text)] if text else []
    media = [_media(part) for part in response.get("parts", ())]
    found = (*parts, *(part for part in media if isinstance(part, Image | Document)))
    return ToolResult(id=response["id"], name=response["name"], parts=found, failed=failed)


def _media(part: dict[str, Any]) -> Image | Sound | Document:
    place: Inline | Url | Stored
    if "inlineData" in part:
        place = Inline(part["inlineData"]["mimeType"], part["inlineData"]["data"])
        kind, _, form = place.media_type.partition("/")
        if kind == "audio":
            return Sound(format=form, data=place.data)
    else:
        uri = part["fileData"]["fileUri"]
        place = Url(uri) if uri.startswith("https:") else Stored(uri)
        kind = part["fileData"].get("mimeType", "").partition("/")[0]
    return Image(place=place) if kind == "image" else Document(place=place)


def _tool(tool: dict[str, Any]) -> Tool:
    schema = tool.get("parametersJsonSchema", {})
    return Tool(name=tool["name"], description=tool.get("description", ""), parameters=Raw(msgspec.json.encode(schema)))


def _tool_choice(calling: dict[str, Any] | None) -> ToolChoice | None:
    if calling is None:
        return None
    names = calling.get("allowedFunctionNames")
    return OneTool(names[0]) if names else MODES[calling["mode"]]


def _format(config: dict[str, Any]) -> JsonFormat | None:
    if config.get("responseMimeType") != "application/json":
        return None
    schema = config.get("responseJsonSchema")
    return JsonFormat(schema=None if schema is None else Raw(msgspec.json.encode(schema)))


def _thinking(config: dict[str, Any] | None) -> Thinking | None:
    if config is None:
        return None
    level, shown = config.get("thinkingLevel"), config.get("includeThoughts")
    budget = config.get("thinkingBudget")
    return Thinking(effort=LEVELS[level] if level else None, budget_tokens=budget, shown=shown)


# --- answers ---------------------------------------------------------------------------------------------------------


def write_response(reply: Reply, *, finish: str) -> bytes:
    """``reply`` as one ``GenerateContentResponse``, printed as the API prints it; ``finish`` is its finish reason."""
    candidate = {"content": {"role": "model", "parts": list(_written(reply.parts))}, "finishReason": finish, "index": 0}
    return msgspec.json.format(msgspec.json.encode(_response(reply, candidate)), indent=2)


def write_events(reply: Reply, *, finish: str, characters: int = 8) -> list[bytes]:
    """The data of a stream's events: texts in pieces of ``characters``, tool calls whole, the finish reason last."""
    pieces: list[dict[str, Any]] = []
    for part in _written(reply.parts):
        text = part.get("text", "")
        for start in range(0, max(len(text) - characters, 0), characters):
            early = {name: value for name, value in part.items() if name == "thought"}
            pieces.append(early | {"text": text[start : start + characters]})
        rest = (len(text) - 1) // characters * characters if text else 0
        pieces.append(part | {"text": text[rest:]} if "text" in part else part)
    candidates: list[dict[str, Any]] = [
        {"content": {"role": "model", "parts": [piece]}, "index": 0} for piece in pieces
    ]
    candidates.append({"content": {"role": "model"}, "finishReason": finish, "index": 0})
    return [msgspec.json.encode(_response(reply, candidate)) for candidate in candidates]


def _response(reply: Reply, candidate: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"candidates": [candidate], "modelVersion": reply.model, "responseId": reply.id}
    if reply.usage is not None:
        response["usageMetadata"] = _usage(reply.usage)
    return response


def _usage(usage: Usage) -> dict[str, int]:
    said = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
    }
    said = {name: count for name, count in said.items() if count or name == "promptTokenCount"}
    return said | {"totalTokenCount": usage.input_tokens + usage.output_tokens}


def _written(parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    """What was thought before a text is signed on the text itself; where there is none, on an empty one."""
    for index, part in enumerate(parts):
        after = parts[index + 1] if index + 1 < len(parts) else None
        match part:
            case Text():
                sealed = after.sealed if isinstance(after, Thought) else ""
                yield {"text": part.text} | ({"thoughtSignature": sealed} if sealed else {})
            case Thought() if part.sealed:
                if not (index and isinstance(parts[index - 1], Text)):
                    yield {"text": "", "thoughtSignature": part.sealed}
            case Thought():
                signed = {"thoughtSignature": part.signature} if part.signature else {}
                yield {"text": part.text, "thought": True} | signed
            case ToolUse():
                signed = {"thoughtSignature": part.signature} if part.signature else {}
                yield {
                    "functionCall": {"id": part.id, "name": part.name, "args": Raw(part.arguments.encode())}
                } | signed
            case _:
                msg = f"no Gemini model answers with {part!r}"
                raise AssertionError(msg)
