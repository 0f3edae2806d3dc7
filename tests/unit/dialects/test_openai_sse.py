"""``SseSplitter``: the same events, however the bytes are split."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core.errors import UpstreamMalformed
from penstock.dialects.openai import SseSplitter

RECORDED = (
    "\ufeff: ping\n\n"
    'data: {"a":"é😀"}\n\n'
    ": keep-alive\r\n\r\n"
    'event: message\r\nid: 7\r\ndata: {"b":1}\r\n\r\n'
    "data: first\ndata: second\n\n"
    "data:no space\n\n\n"
    "data\n\n"
    "data: \n\n"
    "retry: 10\n\n"
    "data: cr\r\r"
    "data: [DONE]\n\n"
).encode()
EVENTS = ['{"a":"é😀"}'.encode(), b'{"b":1}', b"first\nsecond", b"no space", b"cr", b"[DONE]"]


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    splitter = SseSplitter(1024)
    edges = [0, *sorted(cuts), len(stream)]
    payloads = []
    for start, end in pairwise(edges):
        payloads += splitter.feed(stream[start:end])
    return payloads + splitter.flush()


@settings(deadline=None)
@given(st.lists(st.integers(0, len(RECORDED)), max_size=40))
@example(list(range(len(RECORDED))))
@example([])
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    assert split(RECORDED, cuts) == EVENTS


@settings(deadline=None)
@given(st.binary(max_size=80), st.lists(st.integers(0, 80), max_size=8))
def test_any_bytes_split_anywhere_give_the_same_events(noise: bytes, cuts: list[int]) -> None:
    stream = b"data: " + noise.replace(b"\r", b"\n") + b"\n\n"
    assert split(stream, cuts) == split(stream, [])


def test_several_events_in_one_read() -> None:
    assert SseSplitter(1024).feed(b"data: 1\n\ndata: 2\n\ndata: [DONE]\n\n") == [b"1", b"2", b"[DONE]"]


def test_a_last_event_without_its_blank_line_is_not_lost() -> None:
    splitter = SseSplitter(1024)
    assert splitter.feed(b"data: 1\n\ndata: [DONE]\n") == [b"1"]
    assert splitter.flush() == [b"[DONE]"]
    assert splitter.flush() == []


@pytest.mark.parametrize("reads", [[b"data: " + b"x" * 2000 + b"\n\n"], [b"data: "] + [b"x" * 100] * 20])
def test_an_event_is_bounded(reads: list[bytes]) -> None:
    splitter = SseSplitter(1024)
    with pytest.raises(UpstreamMalformed):
        any(splitter.feed(data) for data in reads)
