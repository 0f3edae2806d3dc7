"""Generated behaviours of a server: well-formed answers, answers of two readings, noise, cut and split anywhere."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st
from msgspec import Struct


class Behaviour(Struct, frozen=True):
    """What a server does with one request: the pieces it writes, each by itself, and how it ends."""

    method: bytes
    pieces: list[bytes]
    ending: str

    @property
    def data(self) -> bytes:
        """All that it writes."""
        return b"".join(self.pieces)


STATUS_LINES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 ",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 302 Found",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 500 x",
    b"HTTP/1.0 200 OK",
]
ODD_STATUS_LINES = [
    b"",
    b" HTTP/1.1 200 OK",
    b"HTTP/0.9 200 OK",
    b"HTTP/1.1  200 OK",
    b"HTTP/1.1 0200 OK",
    b"HTTP/1.1 20 OK",
    b"HTTP/1.1 20x OK",
    b"HTTP/1.1 101 Switching Protocols",
    b"HTTP/1.1 999 OK",
    b"HTTP/1.1\t200 OK",
    b"HTTP/1.2 200 OK",
    b"HTTP/2.0 200 OK",
    b"ICY 200 OK",
    b"http/1.1 200 OK",
    "HTTP/1.1 200 größer".encode(),
]
INTERIM = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nx: y\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\ncontent-length: 3\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\nconnection: close\r\n\r\n",
    b"HTTP/1.0 100 Continue\r\n\r\n",
    b"\r\n",
]
LINES = [
    b"Content-Type: text/event-stream",
    b"X-Empty:",
    b"X-Spaces: \t a  b \t ",
    b"x: y",
    b"connection: close",
    b"connection: keep-alive",
    b"Connection: keep-alive, close",
    b"content-encoding: identity",
    b"trailer: x",
    b"x-latin: \xe9",
    b"upgrade: h2c",
]
ODD_LINES = [
    b" folded",
    b"\tfolded",
    b": no name",
    b"content-encoding: gzip",
    b"no colon",
    b"x : y",
    b"x\t: y",
    b"x y: z",
    b"x: a\0b",
    b"x: a\rb",
    b"x: a\nb: c",
    b"x: a\x01b",
    b"x: a\x7fb",
    b"x:" + b"y" * 5000,
    b"\xff: y",
    b"proxy-connection: close",
]
FRAMINGS = [
    [b"content-length: %d"],
    [b"Content-Length:%d"],
    [b"content-length: \t%d \t"],
    [b"transfer-encoding: chunked"],
    [b"Transfer-Encoding:CHUNKED"],
    [],
]
ODD_FRAMINGS = [
    [b"content-length: %d", b"content-length: %d"],
    [b"content-length: %d", b"content-length: 1"],
    [b"content-length: 1", b"content-length: %d"],
    [b"content-length: %d, %d"],
    [b"content-length: 00%d"],
    [b"content-length: +%d"],
    [b"content-length: -%d"],
    [b"content-length: 0x%d"],
    [b"content-length: %d.0"],
    [b"content-length: 1 %d"],
    [b"content-length: 1_%d"],
    [b"content-length: "],
    [b"content-length: %d\x0b"],
    [b"content-length: 18446744073709551617"],
    [b"content-length: 9999999999999999999999%d"],
    [b"content-length : %d"],
    [b"content-length: %d", b"transfer-encoding: chunked"],
    [b"transfer-encoding: chunked", b"content-length: %d"],
    [b"transfer-encoding: chunked", b"transfer-encoding: chunked"],
    [b"transfer-encoding: chunked", b"transfer-encoding: identity"],
    [b"transfer-encoding: chunked, identity"],
    [b"transfer-encoding: identity, chunked"],
    [b"transfer-encoding: identity"],
    [b"transfer-encoding: gzip, chunked"],
    [b"transfer-encoding: chunked, chunked"],
    [b"transfer-encoding: xchunked"],
    [b"transfer-encoding: chunked;q=1"],
    [b'transfer-encoding: "chunked"'],
    [b"transfer-encoding: chunked\x0b"],
    [b"transfer-encoding: chunked\t"],
    [b"transfer-encoding: \t chunked "],
    [b"transfer-encoding:\x0bchunked"],
    [b"transfer-encoding: ,chunked"],
    [b"transfer-encoding: chunked,"],
    [b"transfer-encoding:"],
    [b"transfer-encoding:\r\n chunked"],
    [b"transfer-encoding : chunked"],
    [b"transfer_encoding: chunked"],
]
SIZES = [b"%x", b"%X", b"0%x", b"000000000000%x", b"%x;a=b", b'%x;a="b;c"', b"%x;"]
ODD_SIZES = [
    b"",
    b" %x",
    b"%x ",
    b"%x ;a",
    b"%x\t",
    b"+%x",
    b"-%x",
    b"0x%x",
    b"%xg",
    b"1%x",
    b"7fffffffffffffff",
    b"ffffffffffffffff",
    b"ffffffffffffffff%x",
    b"10000000000000000",
    b"%x;a\rb",
    b"%x;a\0b",
    b"%x;a\nb",
    b"%x;a=\xff",
    b"%x\x0b",
    b"%x,%x",
]
LAST_CHUNKS = [b"0\r\n\r\n", b"0\r\nx-trailer: 1\r\n\r\n", b"00\r\n\r\n", b"0;a=b\r\n\r\n"]
ODD_LAST_CHUNKS = [
    b"",
    b"0\r\n",
    b"0\n\n",
    b"0\r\n\n",
    b"0\n\r\n",
    b"0\r\r\n\r\n",
    b"0\r\nContent-Length: 3\r\n\r\n",
    b"0\r\ntransfer-encoding: chunked\r\n\r\n",
    b"0\r\nno colon\r\n\r\n",
    b"0\r\n folded\r\n\r\n",
    b"0\r\nx : y\r\n\r\n",
    b"0 \r\n\r\n",
    b"-0\r\n\r\n",
]
TAILS = [
    b"\r\n",
    b"\n",
    b"x",
    b"\0",
    b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    b"0\r\n\r\n",
]
NOISE = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"0",
    b"x",
    b"-",
    b"+",
    b"\x7f",
    b"\xff",
    b"\r\n\r\n",
]
BODIES = [b"", b"h", b"hello", b"data: \xc3\xa9\n\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", bytes(range(256))]


REQUEST_LINES = [
    b"POST /v1/chat/completions HTTP/1.1",
    b"POST /v1/chat/completions?a=b HTTP/1.1",
    b"POST /other HTTP/1.1",
    b"GET /v1/models HTTP/1.1",
    b"HEAD / HTTP/1.1",
    b"POST /v1/chat/completions HTTP/1.0",
]
ODD_REQUEST_LINES = [
    b"",
    b" POST / HTTP/1.1",
    b"POST  / HTTP/1.1",
    b"POST / HTTP/1.1 ",
    b"POST / HTTP/1.2",
    b"POST / HTTP/2.0",
    b"POST / http/1.1",
    b"POST /",
    b"POST\t/\tHTTP/1.1",
    b"POST /a b HTTP/1.1",
    b"POST /\0 HTTP/1.1",
    b"POST /\xff HTTP/1.1",
    b"POST /# HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"CONNECT a:1 HTTP/1.1",
    b"POST http://a/x HTTP/1.1",
    b"BREW / HTTP/1.1",
    b"P\x00ST / HTTP/1.1",
]
SMUGGLED = [
    b"GET /admin HTTP/1.1\r\nhost: a\r\n\r\n",
    b"0\r\n\r\nGET /admin HTTP/1.1\r\nhost: a\r\n\r\n",
    b"host: b\r\n\r\n",
]
BODIES += SMUGGLED


def mostly(usual: list[bytes], odd: list[bytes]) -> st.SearchStrategy[bytes]:
    """Four usual values to one odd one: an answer with many faults tells little of each."""
    return st.integers(0, 4).flatmap(lambda draw: st.sampled_from(odd if draw == 4 else usual))


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    """Chunks, mostly well-formed ones, and what ends them."""
    parts: list[bytes] = []
    for piece in draw(st.lists(st.sampled_from(BODIES[1:]), max_size=3)):
        size = draw(mostly(SIZES, ODD_SIZES))
        line = size.replace(b"%x", b"%x" % len(piece)).replace(b"%X", b"%X" % len(piece))
        parts += (
            line,
            draw(mostly([b"\r\n"], [b"\n", b"\r", b""])),
            piece,
            draw(mostly([b"\r\n"], [b"\n", b"", b"xx"])),
        )
    return b"".join([*parts, draw(mostly(LAST_CHUNKS, ODD_LAST_CHUNKS))])


@st.composite
def messages(draw: st.DrawFn, first_line: st.SearchStrategy[bytes], *needed: bytes) -> bytes:
    """One head, with its ``needed`` lines mostly in it, and a body that mostly fits it."""
    chunks = draw(st.booleans())
    body = draw(chunked_bodies()) if chunks else draw(st.sampled_from(BODIES))
    usual = [framing for framing in FRAMINGS if chunks == (b"chunked" in b"".join(framing).lower())]
    framing = draw(st.integers(0, 4).flatmap(lambda odd: st.sampled_from(ODD_FRAMINGS if odd == 4 else usual)))
    lines = [line.replace(b"%d", b"%d" % len(body)) for line in framing]
    lines += draw(st.lists(mostly(LINES, ODD_LINES), max_size=3))
    lines += needed if draw(st.integers(0, 9)) < 9 else needed[1:]
    ends = draw(mostly([b"\r\n"], [b"\n", b"\r", b"\r\r\n"]))
    return ends.join([draw(first_line), *draw(st.permutations(lines)), b"", b""]) + body


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """The bytes of one answer and of what may stand before and behind it."""
    answer = draw(messages(mostly(STATUS_LINES, ODD_STATUS_LINES)))
    before = draw(st.lists(st.sampled_from(INTERIM), max_size=2)) if draw(st.integers(0, 4)) == 4 else []
    behind = draw(st.sampled_from(TAILS)) if draw(st.integers(0, 4)) == 4 else b""
    return b"".join([*before, answer, behind])


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """What a client sends on one connection: pipelined requests, smuggled ones among them, split anywhere."""
    first_line = mostly(REQUEST_LINES, ODD_REQUEST_LINES)
    sent = draw(st.lists(messages(first_line, b"host: a"), min_size=1, max_size=3))
    behind = draw(st.sampled_from([*TAILS, *SMUGGLED])) if draw(st.integers(0, 3)) == 3 else b""
    return draw(pieces(draw(disturbed(st.just(b"".join([*sent, behind]))))))


@st.composite
def disturbed(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """``whole``, now and then cut short or with a byte changed, put in or taken out."""
    data = draw(whole)
    kind = draw(st.sampled_from(["as it is"] * 3 + ["cut", "changed", "put in", "taken out"]))
    at = draw(st.integers(0, max(0, len(data) - 1)))
    if kind == "cut":
        return data[:at]
    if kind == "as it is":
        return data
    noise = draw(st.sampled_from(NOISE)) if kind != "taken out" else b""
    return data[:at] + noise + data[at + (kind != "put in") :]


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """``data`` split: not at all, at every byte (a slow drip), or anywhere."""
    how = draw(st.sampled_from(["whole", "drip", "anywhere"]))
    if how == "drip" and len(data) <= 400:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=6)) if how == "anywhere" else []
    return [data[a:b] for a, b in itertools.pairwise([0, *sorted(cuts), len(data)]) if a < b]


@st.composite
def behaviours(draw: st.DrawFn) -> Behaviour:
    """A server's whole conduct towards one request."""
    method = draw(st.sampled_from([b"POST"] * 5 + [b"GET", b"HEAD"]))
    data = draw(
        disturbed(answers()) | disturbed(st.binary(max_size=40))
        if draw(st.integers(0, 9)) == 9
        else disturbed(answers())
    )
    return Behaviour(method, draw(pieces(data)), draw(st.sampled_from(["hang", "hang", "fin", "rst"])))
