"""The two sides of chat completions: for callers that ask in it, and for deployments that answer in it."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from penstock.core.call import Call, Usage
from penstock.core.conversation import Conversation, Reply
from penstock.dialects.openai.compose import compose
from penstock.dialects.openai.conversation import read_conversation
from penstock.dialects.openai.items import ChunkItems, ItemChunks
from penstock.dialects.openai.reply import read_reply, write_reply
from penstock.dialects.translation import ItemReader, ItemWriter


class ChatCaller:
    """The ``CallerSide``. ``now_s`` is the wall clock, for ``created``."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s

    def conversation(self, call: Call) -> Conversation:
        """What ``call.fields`` ask. Raises ``InvalidParameter``."""
        return read_conversation(call)

    def reply(self, reply: Reply, call: Call, usage: Usage) -> bytes:
        """The body of a ``chat.completion``."""
        envelope = self._envelope("chat.completion", call)
        if reply.id:
            envelope["id"] = reply.id
        return write_reply(reply, envelope=envelope, usage=usage, legacy=_is_legacy(call))

    def writer(self, call: Call) -> ItemWriter:
        """For one stream of ``chat.completion.chunk``; its edge adds ``[DONE]``."""
        envelope = self._envelope("chat.completion.chunk", call)
        return ItemChunks(envelope, include_usage=call.include_usage, legacy=_is_legacy(call))

    def _envelope(self, kind: str, call: Call) -> dict[str, object]:
        return {
            "id": f"chatcmpl-{call.call_id}",
            "object": kind,
            "created": int(self._now_s()),
            "model": call.model or call.task,
        }


class ChatProvider:
    """The ``ProviderSide`` of one deployment, whose ``provider`` is named in errors.

    The cap is the least of the call's and its own, under the one spelling that the service takes. A stream asks for
    usage where ``asks_usage``.
    """

    def __init__(
        self,
        model_id: str,
        *,
        provider: str,
        max_output_tokens: int | None,
        max_tokens_field: str,
        asks_usage: bool,
    ) -> None:
        self._model_id = model_id
        self._provider = provider
        self._max_output_tokens = max_output_tokens
        self._max_tokens_field = max_tokens_field
        self._asks_usage = asks_usage

    def request(self, conversation: Conversation, call: Call) -> bytes:
        """The body that asks it. Raises ``UnsupportedParameter`` for what it cannot do."""
        fields = {"model": self._model_id} | compose(conversation, call, self._provider)
        caps = [cap for cap in (call.max_output_tokens, self._max_output_tokens) if cap is not None]
        if caps:
            fields[self._max_tokens_field] = min(caps)
        if call.stream:
            fields["stream"] = True
            if self._asks_usage:
                fields["stream_options"] = {"include_usage": True}
        return msgspec.json.encode(fields)

    def reply(self, body: bytes) -> Reply:
        """What the first choice says. Raises ``UpstreamMalformed``."""
        return read_reply(body)

    def reader(self) -> ItemReader:
        """For one stream."""
        return ChunkItems()


def _is_legacy(call: Call) -> bool:
    """Whether the caller asked with ``functions``, and knows no ``tool_calls``."""
    functions, tools = (bytes(call.fields.get(name, b"null")) for name in ("functions", "tools"))
    return functions != b"null" and tools == b"null"
