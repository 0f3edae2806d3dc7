"""Streams as OpenAI's service sends them, byte for byte, in the chunks of their HTTP response: what a cut is tried on.

The fields and their order are those of the streams that were recorded there for
https://git.secluded.site/fantasy-mirror/blob/v0.12.3/providertests/testdata/TestOpenAICommon/openai-o4-mini/tool_streaming.yaml
(2026-11-21); the values are ours.
"""

from __future__ import annotations

from typing import Any

import msgspec

from support.upstream_server import DONE

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_1\r\n"
_CHUNKED = _HEAD + b"transfer-encoding: chunked\r\n\r\n"
# As small servers send them: the body ends with the connection.
_CLOSING = _HEAD + b"connection: close\r\n\r\n"


class Recording(msgspec.Struct, frozen=True):
    """The response's bytes, the first ``done_bytes`` of them through the last word.

    ``finish_reason`` stands before that: who has it has not yet heard that nothing more comes.
    """

    wire: bytes
    done_bytes: int
    finish_reason: str


def _record(deltas: list[dict[str, Any]], finish_reason: str, *, chunked: bool = True) -> Recording:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    events = [*map(_event, deltas), _event({}, finish_reason), _event(None, usage=usage), DONE]
    if not chunked:
        wire = _CLOSING + b"".join(events)
        return Recording(wire, len(wire.rstrip()), finish_reason)
    told = _CHUNKED + b"".join(map(_chunk, events))
    return Recording(told + b"0\r\n\r\n", len(told.removesuffix(b"\r\n")), finish_reason)


def _event(delta: dict[str, Any] | None, finish_reason: str | None = None, usage: Any = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    chunk |= {"service_tier": "default", "system_fingerprint": None, "choices": choices, "usage": usage}
    return b"data: " + msgspec.json.encode(chunk | {"obfuscation": "x7"}) + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _arguments(text: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}


_WORDS: list[dict[str, Any]] = [
    {"role": "assistant", "content": "", "refusal": None},
    {"content": "Grü"},
    {"content": 'ße "[DONE]"'},
]
TEXT = _record(_WORDS, "stop")
TEXT_AT_CLOSE = _record(_WORDS, "stop", chunked=False)
_FUNCTION = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
TOOL_CALL = _record(
    [{"role": "assistant", "content": None, "tool_calls": [_FUNCTION]}, _arguments('{"a'), _arguments('":1}')],
    "tool_calls",
)
