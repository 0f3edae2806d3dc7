"""However a stream of requests is split, the same requests are read out of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import PenstockError
from penstock.edge.http1.head import Head
from penstock.edge.http1.intake import Intake
from penstock.edge.http1.limits import HttpLimits


class Recorder:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes]] = []
        self.errors: list[PenstockError] = []
        self._path = b""
        self._body = b""

    def head_started(self) -> None:
        self._body = b""

    def head_read(self, head: Head) -> None:
        self._path = head.path

    def body_read(self, piece: bytes) -> None:
        self._body += piece

    def body_ended(self) -> None:
        self.requests.append((self._path, self._body))

    def refused(self, error: PenstockError) -> None:
        self.errors.append(error)


def encode(number: int, body: bytes, chunk_bytes: int) -> bytes:
    head = b"POST /%d?q HTTP/1.1\r\nhost: a\r\n" % number
    if not chunk_bytes:
        return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    pieces = [body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 7)), max_size=5), st.lists(st.integers(1, 40)))
def test_splits_do_not_matter(requests: list[tuple[bytes, int]], splits: list[int]) -> None:
    data = b"".join(encode(number, *request) for number, request in enumerate(requests))
    recorder = Recorder()
    intake = Intake(recorder, HttpLimits(), None)
    for split in splits:
        intake.feed(data[:split])
        data = data[split:]
    intake.feed(memoryview(data))
    assert recorder.errors == []
    assert recorder.requests == [(b"/%d" % number, body) for number, (body, _) in enumerate(requests)]


@given(st.integers(0, 300), st.integers(1, 64))
def test_a_head_is_taken_up_to_its_bound_and_refused_beyond(length: int, split: int) -> None:
    data = b"GET / HTTP/1.1\r\nhost: a\r\nx: %b\r\n\r\n" % (b"a" * length)
    counted_bytes = len("/") + len("hosta") + 4 + len("x") + length + 4
    recorder = Recorder()
    intake = Intake(recorder, HttpLimits(head_bytes=200), None)
    for start in range(0, len(data), split):
        intake.feed(data[start : start + split])
    assert len(recorder.requests) + len(recorder.errors) == 1
    if counted_bytes > 200:
        assert recorder.errors
    elif len(data) <= 200:
        assert recorder.requests
