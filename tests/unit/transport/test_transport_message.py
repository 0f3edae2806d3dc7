from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import UpstreamMalformed
from penstock.core.ports import Endpoint, Headers, Origin
from penstock.transport.message import RequestHead, ResponseParser, host_header

ORIGIN = Origin("https", "api.example.com", 443)
HEAD_BYTES = 1024


def head(method: bytes = b"POST", path: bytes = b"/v1", headers: Headers = ()) -> RequestHead:
    return RequestHead(Endpoint(ORIGIN, method, path, headers))


def parse(*pieces: bytes, bodiless: bool = False) -> tuple[ResponseParser, bytes]:
    parser = ResponseParser(HEAD_BYTES)
    parser.expect(bodiless=bodiless)
    body = b""
    for piece in pieces:
        body += parser.feed(piece)
    return parser, body


# --- requests ---


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin("https", "api.example.com", 443), b"api.example.com"),
        (Origin("http", "api.example.com", 443), b"api.example.com:443"),
        (Origin("http", "::1", 80), b"[::1]"),
        (Origin("http", "::1", 8080), b"[::1]:8080"),
        (Origin("https", "bücher.example", 443), b"xn--bcher-kva.example"),
    ],
)
def test_host_names_the_origin(origin: Origin, expected: bytes) -> None:
    assert host_header(origin) == expected


def test_a_request_is_one_piece_with_its_framing() -> None:
    assert head(headers=((b"X-Key", b"k"),)).followed_by(b"{}") == (
        b"POST /v1 HTTP/1.1\r\nhost: api.example.com\r\naccept-encoding: identity\r\nX-Key: k\r\n"
        b"content-length: 2\r\n\r\n{}"
    )


def test_get_without_a_body_states_no_length_and_post_does() -> None:
    assert head(method=b"GET").followed_by(b"").endswith(b"\r\naccept-encoding: identity\r\n\r\n")
    assert head(method=b"GET").followed_by(b"{}").endswith(b"content-length: 2\r\n\r\n{}")
    assert head().followed_by(b"").endswith(b"content-length: 0\r\n\r\n")


def test_one_head_begins_any_number_of_requests() -> None:
    begin = head()
    assert begin.followed_by(b"a") == begin.followed_by(b"b")[:-1] + b"a"


@pytest.mark.parametrize("bad", [b"a\rb", b"a\nb", b"a\0b", b"a\r\nx: y"])
def test_control_characters_cannot_reach_the_wire(bad: bytes) -> None:
    for headers, path in [(((b"x", bad),), b"/"), ((), b"/" + bad)]:
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            head(headers=headers, path=path)


@pytest.mark.parametrize("name", [b"", b"a b", b"content-length ", b"x:", b"x\r\ny", b"x\0", "ü".encode()])
def test_a_header_name_is_a_token(name: bytes) -> None:
    with pytest.raises(ValueError, match="not a header name"):
        head(headers=((name, b"x"),))


def test_a_path_with_a_space_cannot_reach_the_wire() -> None:
    with pytest.raises(ValueError, match="no space"):
        head(path=b"/a HTTP/1.1")


@pytest.mark.parametrize("name", [b"Host", b"Content-Length", b"transfer-encoding", b"connection", b"Accept-Encoding"])
def test_headers_of_the_transport_are_not_the_callers(name: bytes) -> None:
    with pytest.raises(ValueError, match="itself"):
        head(headers=((name, b"x"),))


# --- responses ---

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"9\r\ndata: \xc3\xa9\n\r\n1;ext=1\r\n\n\r\nC\r\ndata: [DONE]\r\n0\r\nx-trailer: 1\r\n\r\n"
)
CHUNKED_BODY = b"data: \xc3\xa9\n\ndata: [DONE]"


def test_a_recorded_answer_reads_the_same_when_split_at_every_byte() -> None:
    for cut in range(len(CHUNKED) + 1):
        parser, body = parse(CHUNKED[:cut], CHUNKED[cut:])
        assert (body, parser.complete, parser.reusable) == (CHUNKED_BODY, True, True)
        assert parser.fields == [
            (b"Content-Type", b"text/event-stream"),
            (b"X-Empty", b""),
            (b"Transfer-Encoding", b"chunked"),
        ]


@given(st.lists(st.integers(0, len(CHUNKED)), max_size=12))
def test_a_recorded_answer_reads_the_same_however_it_is_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CHUNKED)]
    parser, body = parse(*(CHUNKED[a:b] for a, b in itertools.pairwise(edges)))
    assert (body, parser.status, parser.complete, parser.reusable) == (CHUNKED_BODY, 200, True, True)


@given(st.binary(max_size=300))
def test_noise_is_malformed_or_waits_for_more_and_nothing_else(noise: bytes) -> None:
    for data in (noise, b"HTTP/1.1 200 OK\r\n" + noise, CHUNKED[:110] + noise):
        try:
            parse(data)
        except UpstreamMalformed as error:
            assert error.message.startswith("The provider sent ")  # noqa: PT017 - the point is that nothing else is raised


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_no_body_where_the_status_says_so(status: bytes) -> None:
    parser, body = parse(b"HTTP/1.1 " + status + b"\r\ncontent-type: x\r\n\r\n")
    assert (body, parser.complete, parser.reusable) == (b"", True, True)


def test_an_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    parser, body = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", bodiless=True)
    assert (body, parser.complete, parser.reusable) == (b"", True, False)


def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    parser, body = parse(interim, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    assert (parser.status, body, parser.fields) == (200, b"ok", [(b"content-length", b"2")])


@pytest.mark.parametrize("field", [b"transfer-encoding: gzip", b"content-encoding: gzip"])
def test_an_interim_answer_with_doubtful_framing_is_malformed(field: bytes) -> None:
    with pytest.raises(UpstreamMalformed, match="encoding"):
        parse(b"HTTP/1.1 103 Early Hints\r\n" + field + b"\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def test_a_length_in_an_interim_answer_is_not_the_answers() -> None:
    parser, body = parse(b"HTTP/1.1 103 Early Hints\r\ncontent-length: 2\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert (body, parser.eof()) == (b"hello", True)


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    parser, body = parse(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
    assert (body, parser.complete) == (b"hello", False)
    assert parser.eof()
    assert not parser.reusable


@pytest.mark.parametrize(
    "head", [b"content-length: 9\r\n\r\nhel", b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n", b"x: y"]
)
def test_a_stated_length_is_not_met_by_closing(head: bytes) -> None:
    parser, _ = parse(b"HTTP/1.1 200 OK\r\n" + head)
    assert not parser.eof()


@pytest.mark.parametrize(
    "rest",
    [
        b"connection: close\r\ncontent-length: 2\r\n\r\nok",
        b"content-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
        b"content-length: 2\r\n\r\nok\0",
    ],
)
def test_a_connection_is_not_reused_after_close_or_surplus_bytes(rest: bytes) -> None:
    parser, body = parse(b"HTTP/1.1 200 OK\r\n" + rest)
    assert (body, parser.complete, parser.reusable) == (b"ok", True, False)


@pytest.mark.parametrize(
    ("version", "framing", "reusable"),
    [
        (b"1.0", b"content-length: 0\r\n\r\n", True),
        (b"1.0", b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", False),
        (b"0.9", b"content-length: 0\r\n\r\n", False),
    ],
)
def test_an_older_version_may_ask_to_stay_but_knows_no_chunks(version: bytes, framing: bytes, reusable: bool) -> None:  # noqa: FBT001 - a parameter
    parser, body = parse(b"HTTP/" + version + b" 200 OK\r\nconnection: keep-alive\r\n" + framing)
    assert (body, parser.complete, parser.reusable) == (b"", True, reusable)


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        b"transfer-encoding: xchunked\r\n\r\n",
        b"transfer-encoding: chunked\t\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"transfer-encoding: gzip, chunked\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n",
        b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"content-length: 2, 3\r\n\r\nok",
        b"content-length: -2\r\n\r\nok",
        b"content-length: 99999999999999999999999\r\n\r\nok",
        b"transfer-encoding: chunked\r\n\r\nxyz\r\nok\r\n",
        b"transfer-encoding: chunked\r\n\r\n-2\r\nok\r\n",
        b"transfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nok",
        b"transfer-encoding: chunked\r\n\r\n2\nok\n0\n\n",
        b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
        b"a: b\r\n folded\r\ncontent-length: 2\r\n\r\nok",
        b"upgrade: h2c\r\nno-colon\r\n\r\n",
    ],
)
def test_shapes_that_two_readers_could_read_differently_are_malformed(head: bytes) -> None:
    data = b"HTTP/1.1 200 OK\r\n" + head
    with pytest.raises(UpstreamMalformed, match="The provider sent"):
        parse(data)
    with pytest.raises(UpstreamMalformed, match="The provider sent"):
        parse(*(data[i : i + 1] for i in range(len(data))))


@pytest.mark.parametrize("headers", [b"", b"connection: upgrade\r\nupgrade: x\r\n"])
def test_a_switch_of_protocols_is_malformed(headers: bytes) -> None:
    with pytest.raises(UpstreamMalformed, match="switch"):
        parse(b"HTTP/1.1 101 Switching\r\n" + headers + b"\r\n")


def test_what_follows_a_complete_answer_cannot_spoil_it() -> None:
    switch = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    parser, body = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + switch)
    assert (parser.status, body, parser.complete, parser.reusable) == (200, b"ok", True, False)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nx: " + b"y" * HEAD_BYTES],
        [b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * HEAD_BYTES + b"content-length: 2\r\n\r\nok"],
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * HEAD_BYTES,
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", *([b"x: yyyy\r\n"] * HEAD_BYTES)],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", *([b"xxxxxxxx"] * HEAD_BYTES)],
    ],
    ids=["one header", "many headers", "interim answers", "trailers", "chunk extension"],
)
def test_what_brings_no_body_is_bounded(pieces: list[bytes]) -> None:
    with pytest.raises(UpstreamMalformed, match="1024 bytes of headers"):
        parse(*pieces)


def test_a_large_first_read_is_not_taken_for_a_large_head() -> None:
    parser, body = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n" + b"x" * 9000)
    assert parser.complete
    assert len(body) == 9000


def test_one_parser_reads_one_answer_after_another() -> None:
    parser = ResponseParser(HEAD_BYTES)
    for number in range(3):
        parser.expect(bodiless=False)
        body = parser.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % number)
        assert (body, parser.complete, parser.reusable) == (b"%d" % number, True, True)
