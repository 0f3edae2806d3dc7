"""Streams of providers with ``/responses`` of their own: passed on as they came, but for the model's name."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.answer import Event
from penstock.core.call import Usage
from penstock.core.errors import UpstreamMalformed
from penstock.core.plan import Target
from penstock.providers.responses import ResponseReader, ResponsesWay
from support.calls import make_call

# The events of a recorded stream, shortened (github.com/traceloop/openllmetry, commit a005fe0, 2026-11-21).
HEAD = {"id": "resp_0833", "object": "response", "status": "in_progress", "model": "gpt-4o-2024-08-06", "output": []}
MESSAGE = {"id": "msg_0833", "type": "message", "role": "assistant"}
USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 20,
}
WAY = ResponsesWay(Target("alias", "openai", "gpt-4o", max_output_tokens=100))


def event(kind: str, **fields: Any) -> bytes:
    data = msgspec.json.encode({"type": kind, "sequence_number": 0, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


CREATED = event("response.created", response=HEAD)
ADDED = event("response.output_item.added", output_index=0, item=MESSAGE | {"status": "in_progress", "content": []})
DELTA = event("response.output_text.delta", item_id="msg_0833", output_index=0, content_index=0, delta="1, 2, 3")
COMPLETED = event("response.completed", response=HEAD | {"status": "completed", "usage": USAGE})


def reader() -> ResponseReader:
    return WAY.reader(make_call({"model": "fast", "input": "Count to 3"}, dialect="responses"))


def read(reads: ResponseReader, *data: bytes) -> list[Event]:
    events: list[Event] = []
    for piece in data:
        reads.read(piece, events)
    return events


def test_every_event_passes_with_the_callers_model() -> None:
    reads = reader()
    events = read(reads, CREATED + ADDED, DELTA, COMPLETED)
    raw = b"".join(item.raw for item in events)
    assert raw == (CREATED + ADDED + DELTA + COMPLETED).replace(b"gpt-4o-2024-08-06", b"fast")
    assert [item.kind for item in events] == ["started", "started", "delta", "finished"]
    assert {item.dialect for item in events} == {"responses"}
    assert events[-1].finish_reason == "stop"
    assert (reads.finished, reads.done, reads.usage) == (True, True, Usage(11, 9))
    assert reads.ending() == Event(b"", "responses", "usage", Usage(11, 9))


def test_content_begins_with_what_a_client_sees() -> None:
    reads = reader()
    read(reads, CREATED, ADDED)
    assert not reads.has_content
    read(reads, DELTA)
    assert reads.has_content


def test_a_call_without_deltas_is_content_but_a_thought_is_not() -> None:
    reads = reader()
    read(reads, event("response.output_item.done", item={"type": "reasoning", "summary": []}))
    assert not reads.has_content
    read(reads, event("response.output_item.done", item={"type": "web_search_call", "id": "ws_1"}))
    assert reads.has_content


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
    ],
)
def test_an_answer_that_was_cut_says_why(changes: dict[str, Any], reason: str) -> None:
    ended = event("response.incomplete", response=HEAD | {"status": "incomplete"} | changes)
    assert read(reader(), DELTA, ended)[-1].finish_reason == reason


def test_a_stream_that_says_no_usage_is_estimated() -> None:
    reads = reader()
    read(reads, DELTA, event("response.completed", response=HEAD | {"status": "completed"}))
    assert reads.usage == Usage(10, 2, estimated=True)


def test_what_follows_the_end_is_not_read() -> None:
    assert len(read(reader(), COMPLETED, DELTA, b"data: [DONE]\n\n")) == 1
    assert reader().done is False


def test_a_stream_is_not_over_without_the_whole_answer() -> None:
    reads = reader()
    assert len(read(reads, DELTA, b"data: [DONE]\n\n")) == 1
    assert (reads.done, reads.finished) == (False, False)


@pytest.mark.parametrize(
    "broken",
    [
        event("error", code="server_error", message="secret", param=None),
        event("response.failed", response=HEAD | {"status": "failed"}),
        b"data: <html>\n\n",
    ],
)
def test_an_error_raises_behind_the_last_good_event(broken: bytes) -> None:
    events: list[Event] = []
    with pytest.raises(UpstreamMalformed):
        reader().read(DELTA + broken, events)
    assert [item.raw for item in events] == [DELTA]


def test_the_last_event_may_lack_its_blank_line() -> None:
    reads = reader()
    events = read(reads, DELTA, COMPLETED.rstrip())
    reads.flush(events)
    assert (len(events), reads.done) == (2, True)


def test_an_event_over_several_lines_is_one_line_here() -> None:
    (passed,) = read(reader(), b'data: {"type":"response.output_text.delta",\ndata: "delta":"x"}\n\n')
    assert (
        passed.raw == b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta", "delta":"x"}\n\n'
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(CREATED + ADDED + DELTA + COMPLETED)), max_size=6))
def test_it_does_not_matter_where_reads_are_cut(cuts: list[int]) -> None:
    stream = CREATED + ADDED + DELTA + COMPLETED
    bounds = sorted({0, len(stream), *cuts})
    pieces = [stream[start:stop] for start, stop in itertools.pairwise(bounds)]
    assert read(reader(), *pieces) == read(reader(), stream)


def test_a_whole_answer_passes_with_the_callers_model() -> None:
    call = make_call({"model": "fast", "input": "Count to 3"}, dialect="responses")
    body = msgspec.json.encode(HEAD | {"status": "completed", "usage": USAGE})
    answer = WAY.decode(body, call)
    assert answer.body == body.replace(b"gpt-4o-2024-08-06", b"fast")
    assert (answer.dialect, answer.usage, answer.finish_reason) == ("responses", Usage(11, 9), "stop")
    silent = WAY.decode(msgspec.json.encode(HEAD | {"status": "completed"}), call)
    assert silent.usage == Usage(10, 0, estimated=True)


def test_a_provider_is_asked_for_its_own_model() -> None:
    sent = WAY.encode(make_call({"model": "fast", "input": "Hi"}, dialect="responses", max_output_tokens=500))
    assert msgspec.json.decode(sent) == {"model": "gpt-4o", "input": "Hi", "max_output_tokens": 100}
