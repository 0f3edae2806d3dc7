"""Callers of the three chat faces over raw HTTP: each asks in its dialect and reads its answers strictly."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from msgspec import Struct

from support.http1 import request

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
PROMPT = "What is the weather in Köln?"


class Heard(Struct, frozen=True, kw_only=True):
    """What a caller understands of an answer; ``said`` is the assistant's turn as it is given back."""

    text: str
    thought: str
    tools: list[tuple[str, str, Any]]
    finish: str
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    said: list[dict[str, Any]]


class ChatCaller(ABC):
    """One dialect. ``finishes`` are its words for an end and for a call of tools."""

    name: ClassVar[str]
    path: ClassVar[str]
    finishes: ClassVar[tuple[str, str]]

    def ask(self, body: dict[str, Any], key: str, *headers: str) -> bytes:
        """``body`` as a request of this dialect's clients."""
        return request(json.dumps(body).encode(), *headers, path=self.path, key=key)

    @abstractmethod
    def body(self, model: str, *, stream: bool = False, **more: Any) -> dict[str, Any]:
        """A short question."""

    @abstractmethod
    def with_tool(self, body: dict[str, Any]) -> dict[str, Any]:
        """The same with a tool that may be called: `weather`."""

    @abstractmethod
    def with_schema(self, body: dict[str, Any]) -> dict[str, Any]:
        """The same for an answer of ``SCHEMA``."""

    @abstractmethod
    def with_result(self, body: dict[str, Any], heard: Heard, result: str) -> dict[str, Any]:
        """The next turn: what was said, and the tool's result."""

    @abstractmethod
    def hear(self, answer: Any) -> Heard:
        """A whole answer."""

    @abstractmethod
    def hear_stream(self, stream: bytes) -> Heard:
        """A stream that is complete; asserts that its events are, and stand in order."""

    @abstractmethod
    def hear_error(self, body: Any) -> tuple[str, str, str | None]:
        """Type, message and, where the dialect tells it, parameter; asserts the shape."""

    @abstractmethod
    def hear_break(self, stream: bytes) -> str:
        """The text that came before the error that ends a stream; asserts that there is one, and no good end."""


def _blocks(stream: bytes) -> list[bytes]:
    *blocks, rest = stream.split(b"\n\n")
    assert rest == b"", "the last event is not whole"
    return blocks


def _named(stream: bytes) -> list[dict[str, Any]]:
    """Events whose name is their type."""
    told = []
    for block in _blocks(stream):
        first, second = block.split(b"\n")
        event: dict[str, Any] = json.loads(second.removeprefix(b"data: "))
        assert first == b"event: " + event["type"].encode()
        told.append(event)
    return told


class Completions(ChatCaller):
    """Chat completions."""

    name = "chat"
    path = "/v1/chat/completions"
    finishes = ("stop", "tool_calls")

    def body(self, model: str, *, stream: bool = False, **more: Any) -> dict[str, Any]:
        asked = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 64}
        return asked | ({"stream": True, "stream_options": {"include_usage": True}} if stream else {}) | more

    def with_tool(self, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"tools": [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]}

    def with_schema(self, body: dict[str, Any]) -> dict[str, Any]:
        form = {"name": "place", "schema": SCHEMA, "strict": True}
        return body | {"response_format": {"type": "json_schema", "json_schema": form}}

    def with_result(self, body: dict[str, Any], heard: Heard, result: str) -> dict[str, Any]:
        answer = {"role": "tool", "tool_call_id": heard.tools[0][0], "content": result}
        return body | {"messages": [*body["messages"], *heard.said, answer]}

    def hear(self, answer: Any) -> Heard:
        assert answer["object"] == "chat.completion"
        (choice,) = answer["choices"]
        return self._heard(choice["message"], choice["finish_reason"], answer["model"], answer["usage"])

    def _heard(self, message: dict[str, Any], finish: str, model: str, usage: Any) -> Heard:
        calls = message.get("tool_calls") or []
        said = {name: value for name, value in message.items() if value is not None}
        return Heard(
            text=message.get("content") or "",
            thought=message.get("reasoning_content") or "",
            tools=[(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls],
            finish=finish,
            model=model,
            input_tokens=usage["prompt_tokens"],
            cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
            output_tokens=usage["completion_tokens"],
            reasoning_tokens=usage["completion_tokens_details"]["reasoning_tokens"],
            said=[{"role": "assistant"} | said],
        )

    def hear_stream(self, stream: bytes) -> Heard:
        *blocks, done = _blocks(stream)
        assert done == b"data: [DONE]"
        chunks = [json.loads(block.removeprefix(b"data: ")) for block in blocks]
        (model,) = {chunk["model"] for chunk in chunks}
        *_, last = chunks
        assert last["choices"] == []
        message = self._gather(chunks)
        (finish,) = {choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]} - {None}
        return self._heard(message, finish, model, last["usage"])

    def _gather(self, chunks: list[dict[str, Any]]) -> dict[str, Any]:
        message: dict[str, Any] = {}
        calls: dict[int, dict[str, Any]] = {}
        for delta in (choice["delta"] for chunk in chunks for choice in chunk["choices"]):
            for name in ("content", "reasoning_content"):
                if delta.get(name):
                    message[name] = message.get(name, "") + delta[name]
            if delta.get("thinking_blocks"):
                message["thinking_blocks"] = message.get("thinking_blocks", []) + delta["thinking_blocks"]
            for call in delta.get("tool_calls") or ():
                known = calls.setdefault(call["index"], {"type": "function", "function": {"arguments": ""}})
                known |= {name: call[name] for name in ("id", "extra_content") if name in call}
                function = dict(call.get("function") or {})
                known["function"]["arguments"] += function.pop("arguments", "")
                known["function"] |= function
        return message | ({"tool_calls": list(calls.values())} if calls else {})

    def hear_error(self, body: Any) -> tuple[str, str, str | None]:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        return body["error"]["type"], body["error"]["message"], body["error"]["param"]

    def hear_break(self, stream: bytes) -> str:
        *blocks, last = _blocks(stream)
        self.hear_error(json.loads(last.removeprefix(b"data: ")))
        chunks = [json.loads(block.removeprefix(b"data: ")) for block in blocks]
        assert b"[DONE]" not in stream
        text: str = self._gather(chunks).get("content", "")
        return text


class Responses(ChatCaller):
    """The Responses API."""

    name = "responses"
    path = "/v1/responses"
    finishes = ("completed", "completed")

    def body(self, model: str, *, stream: bool = False, **more: Any) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": model, "input": [{"role": "user", "content": PROMPT}], "store": False}
        return asked | {"max_output_tokens": 64} | ({"stream": True} if stream else {}) | more

    def with_tool(self, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"tools": [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]}

    def with_schema(self, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"text": {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}}

    def with_result(self, body: dict[str, Any], heard: Heard, result: str) -> dict[str, Any]:
        answer = {"type": "function_call_output", "call_id": heard.tools[0][0], "output": result}
        return body | {"input": [*body["input"], *heard.said, answer]}

    def hear(self, answer: Any) -> Heard:
        assert (answer["object"], answer["status"], answer["error"]) == ("response", "completed", None)
        items = answer["output"]
        texts = [part["text"] for item in items if item["type"] == "message" for part in item["content"]]
        thoughts = [part["text"] for item in items if item["type"] == "reasoning" for part in item["summary"]]
        calls = [item for item in items if item["type"] == "function_call"]
        usage = answer["usage"]
        return Heard(
            text="".join(texts),
            thought="".join(thoughts),
            tools=[(call["call_id"], call["name"], json.loads(call["arguments"])) for call in calls],
            finish=answer["status"],
            model=answer["model"],
            input_tokens=usage["input_tokens"],
            cached_tokens=usage["input_tokens_details"]["cached_tokens"],
            output_tokens=usage["output_tokens"],
            reasoning_tokens=usage["output_tokens_details"]["reasoning_tokens"],
            said=items,
        )

    def hear_stream(self, stream: bytes) -> Heard:
        told = _named(stream)
        assert [event["sequence_number"] for event in told] == list(range(len(told)))
        assert [event["type"] for event in told[:2]] == ["response.created", "response.in_progress"]
        *events, last = told
        assert last["type"] == "response.completed"
        heard = self.hear(last["response"])
        assert self._grown(events, "output_text") == heard.text
        assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == heard.said
        (model,) = {event["response"]["model"] for event in told if "response" in event}
        assert model == heard.model
        return heard

    def _grown(self, events: list[dict[str, Any]], name: str) -> str:
        return "".join(event["delta"] for event in events if event["type"] == f"response.{name}.delta")

    def hear_error(self, body: Any) -> tuple[str, str, str | None]:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        return body["error"]["type"], body["error"]["message"], body["error"]["param"]

    def hear_break(self, stream: bytes) -> str:
        *events, last = _named(stream)
        assert last["type"] == "error"
        assert last["message"]
        assert last["error"]["message"] == last["message"]
        assert not {"response.completed", "response.incomplete", "response.failed"} & {
            event["type"] for event in events
        }
        return self._grown(events, "output_text")


class Messages(ChatCaller):
    """Anthropic's Messages API."""

    name = "messages"
    path = "/v1/messages"
    finishes = ("end_turn", "tool_use")

    def ask(self, body: dict[str, Any], key: str, *headers: str) -> bytes:
        lines = (f"x-api-key: {key}", "anthropic-version: 2023-06-01", *headers)
        return request(json.dumps(body).encode(), *lines, path=self.path, key=None)

    def body(self, model: str, *, stream: bool = False, **more: Any) -> dict[str, Any]:
        asked = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 64}
        return asked | ({"stream": True} if stream else {}) | more

    def with_tool(self, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"tools": [{"name": "weather", "input_schema": SCHEMA}]}

    def with_schema(self, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}

    def with_result(self, body: dict[str, Any], heard: Heard, result: str) -> dict[str, Any]:
        block = {"type": "tool_result", "tool_use_id": heard.tools[0][0], "content": result}
        return body | {"messages": [*body["messages"], *heard.said, {"role": "user", "content": [block]}]}

    def hear(self, answer: Any) -> Heard:
        assert (answer["type"], answer["role"]) == ("message", "assistant")
        blocks, usage = answer["content"], answer["usage"]
        details = usage.get("output_tokens_details") or {}
        cached = usage["cache_read_input_tokens"]
        assert not blocks or blocks[-1]["type"] in ("text", "tool_use")  # the API takes back no other turn
        return Heard(
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            thought="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
            tools=[(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
            finish=answer["stop_reason"],
            model=answer["model"],
            input_tokens=usage["input_tokens"] + usage["cache_creation_input_tokens"] + cached,
            cached_tokens=cached,
            output_tokens=usage["output_tokens"],
            reasoning_tokens=details.get("thinking_tokens", 0),
            said=[{"role": "assistant", "content": blocks}],
        )

    def hear_stream(self, stream: bytes) -> Heard:
        start, *events, delta, stop = [event for event in _named(stream) if event["type"] != "ping"]
        assert (start["type"], delta["type"], stop["type"]) == ("message_start", "message_delta", "message_stop")
        blocks = self._gather(events, whole=True)
        usage = start["message"]["usage"] | delta["usage"]
        return self.hear(start["message"] | delta["delta"] | {"content": blocks, "usage": usage})

    def _gather(self, events: list[dict[str, Any]], *, whole: bool) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        open_index, arguments = -1, ""
        for event in events:
            match event["type"]:
                case "content_block_start":
                    assert (open_index, event["index"]) == (-1, len(blocks))
                    open_index, arguments = event["index"], ""
                    blocks.append(dict(event["content_block"]))
                case "content_block_delta":
                    assert event["index"] == open_index
                    delta, block = event["delta"], blocks[-1]
                    if delta["type"] == "input_json_delta":
                        arguments += delta["partial_json"]
                    else:
                        name = delta["type"].removesuffix("_delta")
                        block[name] += delta[name]
                case "content_block_stop":
                    assert event["index"] == open_index
                    open_index = -1
                    if blocks[-1]["type"] == "tool_use":
                        blocks[-1]["input"] = json.loads(arguments or "{}")
                case other:
                    raise AssertionError(other)
        assert open_index == -1 or not whole
        return blocks

    def hear_error(self, body: Any) -> tuple[str, str, str | None]:
        assert set(body) == {"type", "error", "request_id"}
        assert body["type"] == "error"
        assert set(body["error"]) == {"type", "message"}
        return body["error"]["type"], body["error"]["message"], None

    def hear_break(self, stream: bytes) -> str:
        *told, last = [event for event in _named(stream) if event["type"] != "ping"]
        assert last["type"] == "error"
        assert set(last["error"]) == {"type", "message"}
        assert "message_stop" not in {event["type"] for event in told}
        growing = [event for event in told if event["type"].startswith("content_block")]
        return "".join(block.get("text", "") for block in self._gather(growing, whole=False))


CALLERS: tuple[ChatCaller, ...] = (Completions(), Responses(), Messages())
