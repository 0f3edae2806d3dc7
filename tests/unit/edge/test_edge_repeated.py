"""A request whose head is that of the one before reads the same without a parser, and any other is left to it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from penstock.core.errors import PenstockError
from penstock.edge.http1.head import Head
from penstock.edge.http1.intake import Intake
from penstock.edge.http1.limits import HttpLimits
from penstock.edge.http1.repeated import RepeatedHead

HEADS = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\nAuthorization: Bearer k\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\ncontent-length:%b \r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nx: 1\r\nx: %b\r\nContent-Length: %b\r\nx: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %b\r\n\r\n",
    b"POST / HTTP/1.0\r\nContent-Length: %b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\nContent-Length: %b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\n\r\n",
    b"POST / HTTP/1.1\nHost: a\nContent-Length: %b\n\n",
)
TAILS = (b"", b"", b"", b"\r\n", b"G", HEADS[0] % b"0")
BODIES = st.one_of(st.binary(max_size=12), st.sampled_from([b"\r\n", b"\r\n\r\n", b"a" * 9, b"a" * 10, b"a" * 100]))
LENGTHS = st.one_of(st.none(), st.sampled_from([b"", b"0", b"+2", b"02", b" 2", b"2 ", b"99999999999", b"2, 2", b"x"]))


class Heard:
    """Every word of an intake, and whether it still listens."""

    def __init__(self) -> None:
        self.words: list[object] = []

    def head_started(self) -> None:
        self.words.append("started")

    def head_read(self, head: Head) -> None:
        self.words.append(head)

    def body_read(self, piece: bytes) -> None:
        self.words.append(bytes(piece))

    def body_ended(self) -> None:
        self.words.append("ended")

    def refused(self, error: PenstockError) -> None:
        self.words.append((type(error), error.message))


def encode(number: int, body: bytes, length: bytes | None, tail: bytes) -> bytes:
    head = HEADS[number]
    said = b"%d" % len(body) if length is None else length
    return head % ((said,) * head.count(b"%b")) + body + tail


@given(
    st.lists(st.tuples(st.sampled_from(range(len(HEADS))), BODIES, LENGTHS, st.sampled_from(TAILS)), max_size=6),
    st.integers(1, 3),
)
@example([(0, b"ab", None, b"\r\n"), (0, b"cd", None, b"\r\n"), (0, b"\r\ncd", None, b"")], 1)
@example([(0, b"ab", b"02", b""), (0, b"ab", b"2", b""), (0, b"abc", b"2", b"")], 1)
def test_whatever_comes_it_is_heard_as_by_the_parser_alone(
    requests: list[tuple[int, bytes, bytes | None, bytes]], times: int
) -> None:
    pieces = [encode(*request) for request in requests for _ in range(times)]
    heard, by_parser_alone = Heard(), Heard()
    intake, parser_alone = Intake(heard, HttpLimits(), None), Intake(by_parser_alone, HttpLimits(), None)
    for piece in pieces:
        intake.feed(piece)
        parser_alone.feed(memoryview(piece))  # which is never taken for a repeated one
        assert intake.in_head == parser_alone.in_head
    assert heard.words == by_parser_alone.words


def test_a_repeated_head_is_read_with_its_own_length() -> None:
    heard, repeated = Heard(), RepeatedHead()
    first, second = encode(0, b"ab", None, b""), encode(0, b"0123456789", None, b"")
    Intake(heard, HttpLimits(), None).feed(first)
    head = heard.words[1]
    assert isinstance(head, Head)
    assert repeated.read(first) is None
    repeated.learn(first, head)
    assert repeated.read(first) == (head, b"ab")
    found = repeated.read(second)
    assert found is not None
    assert (found[0].body_bytes, found[0].headers[b"content-length"], found[1]) == (10, b"10", b"0123456789")
    assert (b"content-length", b"10") in found[0].fields


def test_a_body_over_the_bound_is_refused_all_the_same() -> None:
    heard = Heard()
    intake = Intake(heard, HttpLimits(body_bytes=4), None)
    intake.feed(encode(0, b"abcd", None, b""))
    intake.feed(encode(0, b"abcde", None, b""))
    assert [type(word) for word in heard.words[4:]] == [str, Head, tuple]


def test_a_client_whose_heads_differ_is_not_studied_for_ever() -> None:
    heard, repeated = Heard(), RepeatedHead()
    for number in range(20):
        body = b"%d" % number
        data = b"POST / HTTP/1.1\r\nhost: a\r\ntraceparent: %d\r\ncontent-length: %d\r\n\r\n%b" % (
            number,
            len(body),
            body,
        )
        Intake(heard, HttpLimits(), None).feed(data)
        head = heard.words[-3]
        assert isinstance(head, Head)
        repeated.learn(data, head)
    assert repeated.read(data) is None
