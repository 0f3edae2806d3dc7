"""Whatever a provider or a caller of the Messages API sends, only typed errors come of it."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import InvalidRequest, UpstreamMalformed
from penstock.dialects.anthropic import MessagesCaller, MessagesProvider, read_count, read_messages
from support.calls import make_call

CALLER = MessagesCaller()
PROVIDER = MessagesProvider("claude-test", provider="anthropic", max_output_tokens=None)

odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "index", "delta", "text", "message", "content", "usage", "content_block", "input", "source"]
            ),
            inner
            | st.sampled_from(
                ["message", "message_start", "content_block_start", "content_block_delta", "message_delta", "tool_use"]
            ),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(odd.map(msgspec.json.encode) | st.binary())
def test_only_typed_errors_come_of_what_a_provider_sends(payload: bytes) -> None:
    for read in (PROVIDER.reply, PROVIDER.reader().read):
        try:
            read(payload)
        except UpstreamMalformed as error:
            assert error.message  # noqa: PT017 - what matters is that nothing else is raised


block_types = [
    "text",
    "image",
    "document",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "mid_conv_system",
]
odd_blocks = st.dictionaries(
    st.sampled_from(["text", "source", "content", "input", "id", "name", "tool_use_id", "data", "cache_control"]),
    odd
    | st.just({"type": "base64"})
    | st.just({"type": "content", "content": [{"type": "text"}]})
    | st.text(max_size=8),
).flatmap(lambda fields: st.sampled_from(block_types).map(lambda kind: fields | {"type": kind}))


@given(
    st.fixed_dictionaries(
        {"model": st.just("fast"), "max_tokens": st.just(5)},
        optional={
            "messages": st.lists(
                st.fixed_dictionaries({"role": st.just("user"), "content": odd | st.lists(odd_blocks, max_size=3)}),
                max_size=2,
            ),
            "system": odd,
            "tools": odd | st.lists(odd_blocks, max_size=1),
            "thinking": odd,
            "tool_choice": odd,
            "output_config": odd,
            "cache_control": odd,
        },
    )
)
def test_only_typed_errors_come_of_what_a_caller_sends(body: dict[str, Any]) -> None:
    sent = msgspec.json.encode(body)
    for read in (read_messages, read_count):
        try:
            read(sent)
        except InvalidRequest as error:
            assert error.message  # noqa: PT017 - as above
    try:
        CALLER.conversation(make_call(body, dialect="anthropic"))
    except InvalidRequest as error:
        assert error.message  # noqa: PT017 - as above
