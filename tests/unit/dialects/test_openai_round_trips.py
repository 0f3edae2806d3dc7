"""What chat completions can say survives them: a conversation, a reply and a stream, there and back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from penstock.core.call import Usage
from penstock.core.conversation import Conversation, Item, PartEnded, Reply, Text, Thought
from penstock.core.errors import InvalidRequest, UpstreamMalformed
from penstock.dialects.json_body import read_object
from penstock.dialects.openai.sides import ChatCaller, ChatProvider
from penstock.dialects.sse import SseSplitter
from support.calls import make_call
from support.conversations import conversations, item_sequences, replies, reply_of
from support.sayable import Sayable

CALLER = ChatCaller(now_s=lambda: 1_795_219_200.0)
PROVIDER = ChatProvider(
    "m-1", provider="service", max_output_tokens=None, max_tokens_field="max_completion_tokens", asks_usage=True
)
UNUSED = Usage()

ASKED = Sayable(
    roles=("system", "user", "assistant"),
    cache_points=(),
    images=("url", "inline"),
    documents=("inline", "stored"),
    plain_documents=False,
    document_contexts=False,
    signatures=(),
    sealers=(),
    call_signers=("",),
    results_fail=False,
    results_show=False,
    results_named=False,
    ordered=True,
    budgets=False,
    thinking_shown=False,
    given=Sayable().given - {"top_k", "choices", "logprobs", "user"},
)
# A thought that is signed by the field in which it came is told by that field.
ANSWERED = Sayable(
    signatures=(("anthropic", "c2lnbmVk"), ("gemini", "Z2VtaW5p"), ("openai", "c2VhbGVk")),
    call_signers=("", "openai"),
    ordered=True,
    finishes=("stop", "length", "filtered"),
    stops=False,
)


@settings(max_examples=300, deadline=None)
@given(conversations(ASKED))
def test_a_conversation_is_asked_as_it_was_meant(conversation: Conversation) -> None:
    body = PROVIDER.request(conversation, make_call())
    call = make_call(msgspec.json.decode(body))
    assert CALLER.conversation(call) == conversation


@settings(max_examples=200, deadline=None)
@given(replies(ANSWERED))
def test_a_reply_is_answered_as_it_was_meant(reply: Reply) -> None:
    assert reply.usage is not None
    body = CALLER.reply(reply, make_call(), reply.usage)
    assert PROVIDER.reply(body) == replace(reply, model="fast")


def streamed(items: list[Item], usage: Usage) -> list[bytes]:
    writer = CALLER.writer(make_call(stream=True, include_usage=True))
    sent = b"".join(map(writer.write, items)) + writer.end(usage)
    return SseSplitter(1 << 20).feed(sent)


@settings(max_examples=200, deadline=None)
@given(item_sequences(ANSWERED))
def test_a_stream_is_told_as_it_was_meant(items: list[Item]) -> None:
    meant = reply_of(items)
    assert meant.usage is not None
    reader = PROVIDER.reader()
    told = [item for payload in streamed(items, meant.usage) for item in reader.read(payload)]
    assert reply_of(told) == replace(meant, model="fast")
    assert not reader.done
    assert (reader.read(b"[DONE]"), reader.done) == ([], True)


@settings(max_examples=100, deadline=None)
@given(item_sequences(), st.booleans())
def test_any_stream_can_be_told(items: list[Item], legacy: bool) -> None:  # noqa: FBT001 - drawn
    body: dict[str, Any] = {"messages": [], "functions": []} if legacy else {"messages": []}
    writer = CALLER.writer(make_call(body, stream=True))
    payloads = SseSplitter(1 << 20).feed(b"".join(map(writer.write, items)))
    chunks = [msgspec.json.decode(payload) for payload in payloads]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    said = "".join(part.text for part in reply_of(items).parts if isinstance(part, Text))
    assert "".join(delta.get("content") or "" for delta in deltas) == said
    assert [bool(chunk["choices"][0]["finish_reason"]) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert writer.end(UNUSED) == b""


@settings(max_examples=100, deadline=None)
@given(replies())
def test_any_reply_can_be_told_and_its_thoughts_come_back(reply: Reply) -> None:
    told = msgspec.json.decode(CALLER.reply(reply, make_call(), UNUSED))["choices"][0]["message"]
    call = make_call({"messages": [told]})
    thoughts = [part for part in reply.parts if isinstance(part, Thought)]
    signed = [thought for thought in thoughts if thought.signature or thought.sealed]
    (message,) = CALLER.conversation(call).messages
    back = [part for part in message.parts if isinstance(part, Thought)]
    assert [thought for thought in back if thought.signer in ("anthropic", "gemini")] == signed


@settings(max_examples=50, deadline=None)
@given(replies())
def test_openais_sdk_knows_any_reply(reply: Reply) -> None:
    told = CALLER.reply(reply, make_call(), reply.usage or UNUSED)
    ChatCompletion.model_validate(msgspec.json.decode(told), strict=True)


@settings(max_examples=50, deadline=None)
@given(item_sequences(Sayable(freeform=False)))  # of a custom tool the SDK knows no chunk
def test_openais_sdk_knows_any_stream(items: list[Item]) -> None:
    for payload in streamed(items, UNUSED):
        ChatCompletionChunk.model_validate(msgspec.json.decode(payload), strict=True)


@settings(max_examples=50, deadline=None)
@given(item_sequences())
def test_folding_a_stream_needs_no_mark_between_parts_that_differ(items: list[Item]) -> None:
    plain = [item for item in items if not isinstance(item, PartEnded)]
    kinds = [type(part) for part in reply_of(items).parts]
    if all(one is not next_one for one, next_one in pairwise(kinds)):
        assert reply_of(plain) == reply_of(items)


# --- what anyone may send --------------------------------------------------------------------------------------------

SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            (
                "choices", "delta", "message", "index", "content", "refusal", "tool_calls", "function", "custom", "name",
                "arguments", "input", "id", "type", "text", "thinking", "thinking_blocks", "signature", "data",
                "reasoning", "reasoning_content", "finish_reason", "usage", "prompt_tokens", "completion_tokens",
                "prompt_tokens_details", "cached_tokens", "error", "model", "extra_content", "google",
                "thought_signature", "function_call", "role", "image_url", "url", "input_audio", "format", "file",
                "file_data", "file_id", "tool_call_id", "cache_control", "ttl",
            )
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def near(good: Any) -> st.SearchStrategy[Any]:
    """Values as ``good``, of which anything may be something else."""
    if isinstance(good, dict):
        kept = st.fixed_dictionaries({}, optional={key: near(value) for key, value in good.items()})
        return kept | SCRAPS
    if isinstance(good, list):
        return st.lists(st.one_of([near(value) for value in good]), max_size=3) | SCRAPS
    return st.just(good) | SCRAPS


CALL = {
    "index": 0,
    "id": "c",
    "type": "function",
    "function": {"name": "f", "arguments": "{}"},
    "extra_content": {"google": {"thought_signature": "x"}},
}
SAID = {
    "content": "Hi",
    "reasoning_content": "hm",
    "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
    "tool_calls": [CALL],
    "refusal": "No.",
    "function_call": {"name": "f", "arguments": "{}"},
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}}
CHUNK = {"id": "i", "choices": [{"index": 0, "delta": SAID, "finish_reason": "stop"}], "usage": USAGE, "error": None}
WHOLE = {"id": "i", "choices": [{"index": 0, "message": SAID, "finish_reason": "stop"}], "usage": USAGE}


@settings(max_examples=300, deadline=None)
@given(st.lists(near(CHUNK).map(msgspec.json.encode) | st.binary(max_size=20), max_size=5))
def test_a_reader_survives_any_stream(payloads: list[bytes]) -> None:
    reader, items = PROVIDER.reader(), list[Item]()
    for payload in payloads:
        try:
            items += reader.read(payload)
        except UpstreamMalformed:
            break
    told = streamed(items, UNUSED)  # what was read is legal
    assert reply_of(items) is not None
    assert all(msgspec.json.decode(payload) for payload in told)


@settings(max_examples=300, deadline=None)
@given(near(WHOLE).map(msgspec.json.encode) | st.binary(max_size=20))
def test_a_reply_of_anything_is_a_reply_or_malformed(body: bytes) -> None:
    try:
        reply = PROVIDER.reply(body)
    except UpstreamMalformed:
        return
    assert read_object(CALLER.reply(reply, make_call(), reply.usage or UNUSED))


PARTS = [
    {"type": "text", "text": "Hi", "cache_control": {"ttl": "1h"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
    {"type": "file", "file": {"file_data": "aGk=", "file_id": "f", "filename": "a"}},
]
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
BODY = {
    "messages": [
        {"role": "user", "content": PARTS},
        {"role": "assistant", **SAID},
        {"role": "tool", "tool_call_id": "c", "content": "9"},
    ],
    "tools": [FUNCTION, {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [FUNCTION]}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
    "stop": ["a"],
    "modalities": ["text"],
}


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({key: st.just(value) | near(value) for key, value in BODY.items()}))
def test_any_request_is_read_or_refused(body: dict[str, Any]) -> None:
    call = make_call(body, drop_unsupported=True)
    try:
        conversation = CALLER.conversation(call)
    except InvalidRequest:
        return
    assert read_object(PROVIDER.request(conversation, call))
