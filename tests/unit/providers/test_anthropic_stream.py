"""A stream of the Messages API that passes to a caller of the same dialect, and the bodies around it.

Recorded streams: anthropic 0.121 ``tests/lib/streaming/fixtures`` and ``tests/fixtures``, shortened; 2026-11-21.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.answer import Event
from penstock.core.call import Usage
from penstock.core.errors import UpstreamMalformed
from penstock.core.plan import Target
from penstock.dialects.anthropic import read_passed_message, write_count, write_messages
from penstock.dialects.anthropic.passing import rename_start
from penstock.dialects.openai import rename_model
from penstock.providers.anthropic.adapter import MessagesWay
from penstock.providers.anthropic.stream import MessageStreamReader
from support.calls import make_call

MODEL = "claude-sonnet-4-20250514"


def framed(data: str) -> bytes:
    """One event as the API sends it."""
    kind = msgspec.json.decode(data)["type"]
    return f"event: {kind}\ndata: {data}\n\n".encode()


START = framed(
    '{"type":"message_start","message":{"model":"' + MODEL + '","id":"msg_01","type":"message","role":"assistant",'
    '"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":28,"cache_creation_input_tokens":2,'
    '"cache_read_input_tokens":10,"output_tokens":5,"service_tier":"standard"}}}               '
)
BLOCK = framed('{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}  }')
PING = framed('{"type": "ping"}')
HELLO = framed('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello, \\u4f60好"} }')
STOPPED = framed('{"type":"content_block_stop","index":0      }')
SERVER_TOOL = framed(
    '{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","content":[{"x":1}]}}'
)
CHANGE = framed(
    '{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":106,'
    '"output_tokens_details":{"thinking_tokens":67}}    }'
)
STOP = framed('{"type":"message_stop"      }')
WHOLE = START + BLOCK + PING + HELLO + STOPPED + SERVER_TOOL + CHANGE + STOP


def reader(**changes: Any) -> MessageStreamReader:
    return MessageStreamReader(make_call(dialect="anthropic", stream=True, **changes), "fast")


def read(made: MessageStreamReader, *data: bytes) -> list[Event]:
    events: list[Event] = []
    for piece in data:
        made.read(piece, events)
    return events


def test_all_but_the_model_is_passed_on_as_it_came() -> None:
    made = reader()
    events = read(made, WHOLE)
    assert [event.kind for event in events] == [
        "started",
        "started",
        "started",
        "delta",
        "started",
        "delta",
        "finished",
    ]
    ending = made.ending()
    sent = b"".join(event.raw for event in events) + ending.raw
    assert sent == WHOLE.replace(MODEL.encode(), b"fast")
    assert (made.has_content, made.finished, made.done) == (True, True, True)
    assert events[-1].finish_reason == "stop"
    assert {event.dialect for event in [*events, ending]} == {"anthropic"}
    said = Usage(40, 106, cached_tokens=10, cache_write_tokens=2, reasoning_tokens=67)
    assert (ending.kind, ending.usage, made.usage) == ("usage", said, said)


def test_nothing_is_content_before_a_client_sees_something() -> None:
    made = reader()
    read(made, START, BLOCK, PING)
    assert not made.has_content
    read(made, HELLO)
    assert (made.has_content, made.finished, made.done) == (True, False, False)


@pytest.mark.parametrize(
    "block",
    [
        '{"type":"tool_use","id":"t","name":"n","input":{}}',
        '{"type":"redacted_thinking","data":"x"}',
        '{"type":"text","text":"x"}',
    ],
)
def test_blocks_that_say_something_at_once_are_content(block: str) -> None:
    made = reader()
    read(made, framed('{"type":"content_block_start","index":0,"content_block":' + block + "}"))
    assert made.has_content


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
def test_it_is_the_same_however_it_is_cut(cuts: list[int], line_end: bytes) -> None:
    stream = WHOLE.replace(b"\n", line_end)
    marks = [0, *sorted(cuts), len(stream)]
    made = reader()
    events = read(made, *(stream[start:end] for start, end in pairwise(marks)))
    sent = b"".join(event.raw for event in events) + made.ending().raw
    assert sent == WHOLE.replace(MODEL.encode(), b"fast")
    assert made.usage.output_tokens == 106


def test_events_without_names_get_them_and_are_of_one_line() -> None:
    made = reader()
    events = read(made, b'data: {"type":\ndata: "ping"}\n\n', b'event: other\ndata: {"type":"ping"}\n\n: comment\n\n')
    assert [event.raw for event in events] == [
        b'event: ping\ndata: {"type": "ping"}\n\n',
        b'event: ping\ndata: {"type":"ping"}\n\n',
    ]


def test_usage_is_estimated_while_nothing_is_counted() -> None:
    made = reader(input_tokens=33)
    read(made, HELLO.replace(b"Hello, \\u4f60\xe5\xa5\xbd", b"a" * 40))
    assert made.usage == Usage(33, 10, estimated=True)
    made = reader(input_tokens=33)
    read(made, START, HELLO.replace(b"Hello, \\u4f60\xe5\xa5\xbd", b"a" * 40))
    assert made.usage == Usage(40, 10, estimated=True, cached_tokens=10, cache_write_tokens=2)


def test_a_count_without_input_is_estimated_but_for_its_output() -> None:
    made = reader()
    start = framed('{"type":"message_start","message":{"model":"m","id":"msg_01","type":"message","content":[]}}')
    read(made, start, BLOCK, HELLO, CHANGE, STOP)
    assert made.usage == Usage(10, 106, estimated=True, reasoning_tokens=67)


@pytest.mark.parametrize("said", ['"usage":{"input_tokens":0,"output_tokens":7}', '"usage":{"output_tokens":7}'])
def test_a_whole_answer_without_input_is_estimated_but_for_its_output(said: str) -> None:
    body = '{"type":"message","model":"m","content":[{"type":"text","text":"Hi"}],' + said + "}"
    answer = MessagesWay(Target("alias", "acme", "m")).decode(body.encode(), make_call(dialect="anthropic"))
    assert answer.usage == Usage(10, 7, estimated=True)


def test_a_count_of_no_output_is_none_where_there_was_some() -> None:
    made = reader()
    read(made, START, HELLO, CHANGE.replace(b"106", b"0"))
    assert made.usage.estimated
    assert made.usage.output_tokens > 0


def test_a_stream_that_ends_without_its_last_event_gets_one() -> None:
    made = reader()
    read(made, START, HELLO, CHANGE)
    assert (made.finished, made.done) == (True, False)
    assert made.ending().raw == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def test_a_last_event_without_its_blank_line_counts() -> None:
    made = reader()
    events = read(made, START, HELLO, CHANGE, STOP.rstrip(b"\n"))
    assert not made.done
    made.flush(events)
    assert made.done


def test_nothing_follows_the_end() -> None:
    made = reader()
    assert read(made, STOP + HELLO, HELLO) == []


def test_a_tools_input_and_thoughts_count_too() -> None:
    made = reader()
    read(
        made,
        framed(
            '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"' + "a" * 40 + '"}}'
        ),
        framed(
            '{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"'
            + "a" * 40
            + '"}}'
        ),
        framed('{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"x":1}}}'),
    )
    assert made.usage.output_tokens == 20


@pytest.mark.parametrize(
    "data",
    [
        b"data: <html>\n\n",
        b"data: []\n\n",
        b'data: {"type":"ping","x":"\xff"}\n\n',
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        b'data: {"type":"a\\nevent: error"}\n\n',
        b'event: message_start\ndata: {"type":"message_start","message":5}\n\n',
    ],
)
def test_what_is_no_event_is_told_behind_the_last_good_one(data: bytes) -> None:
    made = reader()
    events: list[Event] = []
    with pytest.raises(UpstreamMalformed):
        made.read(START + HELLO + data, events)
    assert [event.kind for event in events] == ["started", "delta"]


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "index", "delta", "text", "message", "content", "usage", "content_block", "model"]
            ),
            inner
            | st.sampled_from(
                ["message_start", "content_block_start", "content_block_delta", "message_delta", "message"]
            ),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.binary() | odd.map(lambda value: b"data: " + msgspec.json.encode(value) + b"\n\n"), max_size=5))
def test_only_typed_errors_come_of_what_a_provider_sends(data: list[bytes]) -> None:
    made = reader()
    try:
        for event in read(made, *data):
            assert event.raw.startswith(b"event: ")
            assert event.raw.count(b"\n") == 3
    except UpstreamMalformed as error:
        assert error.message  # noqa: PT017 - what matters is that nothing else is raised
    assert made.usage.output_tokens >= 0


# --- bodies ---


def test_the_request_is_the_callers_but_for_model_and_cap() -> None:
    fields = {"model": "fast", "max_tokens": 900, "messages": [], "x": {"a": 1}}
    call = make_call(fields, dialect="anthropic", max_output_tokens=500, stream=True)
    assert msgspec.json.decode(write_messages(call, MODEL, None)) == fields | {
        "model": MODEL,
        "max_tokens": 500,
        "stream": True,
    }
    assert msgspec.json.decode(write_messages(call, MODEL, 100))["max_tokens"] == 100
    assert msgspec.json.decode(write_count(call, MODEL)) == fields | {"model": MODEL}


def test_a_budget_for_thoughts_stays_below_a_cap_that_was_lowered() -> None:
    def budget(max_output_tokens: int, asked: Any) -> Any:
        thinking = {"type": "enabled", "budget_tokens": asked, "display": "omitted"}
        call = make_call({"thinking": thinking}, dialect="anthropic", max_output_tokens=max_output_tokens)
        written = msgspec.json.decode(write_messages(call, MODEL, None))["thinking"]
        assert written == thinking | {"budget_tokens": written["budget_tokens"]}
        return written["budget_tokens"]

    assert budget(32_000, 31_999) == 31_999
    assert budget(2048, 31_999) == 2047
    assert budget(1000, 31_999) == 31_999  # no budget fits: the provider says so in its own words
    assert budget(2048, "much") == "much"
    assert budget(2048, 10**30) == 10**30


BODY = (
    b'{"model":"claude-x","id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"\\"model\\""},'
    b'{"type":"tool_use","id":"t","name":"look_up","input":{"q":1.50}}],"stop_reason":"tool_use","stop_sequence":null,'
    b'"usage":{"input_tokens":5,"cache_read_input_tokens":3,"output_tokens":7}}'
)


def test_a_whole_answer_tells_its_facts() -> None:
    message = read_passed_message(BODY)
    assert (message.usage, message.finish_reason) == (Usage(8, 7, cached_tokens=3), "tool_calls")
    assert message.tool_names == ("look_up",)
    assert message.estimated_tokens > 0
    assert rename_model(BODY, "fast", message.model) == BODY.replace(b"claude-x", b"fast")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"type":"error"}', b'{"type":"message","x":"\xff"}'])
def test_what_is_no_message_is_told(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        read_passed_message(body)


@pytest.mark.parametrize(
    "start",
    [
        '{"type":"message_start","message":{"model": "claude-x","content":[]}}',
        '{"type":"message_start","message":{"content":[],"model":"claude-x","x":{"model":"claude-x"}}}',
        '{"type":"message_start","message":{"content":[]}}',
    ],
)
def test_the_message_has_the_callers_model_alone(start: str) -> None:
    before = msgspec.json.decode(start)
    renamed = rename_start(start.encode(), "fast", before["message"].get("model"))
    assert msgspec.json.decode(renamed) == before | {"message": before["message"] | {"model": "fast"}}
