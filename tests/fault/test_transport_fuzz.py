"""Generated behaviours of a server, read by the transport and by h11: the same answer, or a refusal, or a named reason.

``make test`` runs few examples, the same ones each time. For a long search:
``FUZZ_EXAMPLES=100000 make test ARGS=tests/fault/test_transport_fuzz.py``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings

from support.behaviours import Behaviour, behaviours
from support.differences import Difference, named
from support.oracle import Fields, read_response
from support.played import HEAD_BYTES, Played, Stage

SEARCH = os.environ.get("FUZZ_EXAMPLES")
EXAMPLES = int(SEARCH or 400)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

# What h11 takes and the transport refuses. A refusal is an error told, never a wrong answer: the reasons say why no
# provider that works is lost by it.
STRICTER = (
    Difference(
        name="a line that ends with a line feed alone",
        why="RFC 9112, 2.2 lets a reader take it; two readers that differ here can be set against each other",
        example=b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        heads=rb"(?<!\r)\n",
    ),
    Difference(
        name="a folded header",
        why="RFC 9112, 5.2: obsolete, and two readers join it differently",
        example=OK + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n",
        heads=rb"\n[ \t]",
    ),
    Difference(
        name="a control character in a header",
        why="RFC 9110, 5.5: invalid, and dangerous where it is logged or sent on",
        example=OK + b"x: a\x01b\r\ncontent-length: 0\r\n\r\n",
        heads=rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)",
    ),
    Difference(
        name="content-length more than once",
        why="RFC 9112, 6.3 lets a reader refuse it even where the values are the same",
        example=OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok",
        heads=rb"^content-length:[^\n]*,|^content-length:[\s\S]*^content-length:",
    ),
    Difference(
        name="content-length beside transfer-encoding",
        why="RFC 9112, 6.3: the mark of a smuggled answer",
        example=OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        heads=rb"^content-length:[\s\S]*^transfer-encoding:|^transfer-encoding:[\s\S]*^content-length:",
    ),
    Difference(
        name="a tab behind `chunked`",
        why="llhttp does not take it for chunks",
        example=OK + b"transfer-encoding: chunked\t\r\n\r\n0\r\n\r\n",
        heads=rb"^transfer-encoding:[^\n]*\t *\r?$",
    ),
    Difference(
        name="a content encoding",
        why="every request asks for `identity`: what comes otherwise cannot be read here",
        example=OK + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
        heads=rb"^content-encoding:(?!\s*(identity)?\s*$)",
    ),
    Difference(
        name="another version of HTTP",
        why="HTTP/1.1 was asked for, and an answer says 1.0 or 1.1 to that",
        example=b"HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n",
        heads=rb"^HTTP/(?!1\.[01] )",
    ),
    Difference(
        name="a length beyond 64 bits",
        why="nobody sends as much, and a reader that wraps around would see another length",
        example=b"HTTP/1.1 204 x\r\ncontent-length: 18446744073709551617\r\n\r\n",
        heads=rb"^content-length:\s*\d{17}",
    ),
    Difference(
        name="an interim answer that closes the connection",
        why="what follows `close` is no part of the conversation (RFC 9112, 9.6)",
        example=b"HTTP/1.1 100 x\r\nconnection: close\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        heads=rb"^HTTP/1\.0 1\d\d|^HTTP/1\.\d 1\d\d[\s\S]*^connection:[^\n]*close",
    ),
    Difference(
        name="a chunk extension that is none",
        why="RFC 9112, 7.1.1 wants a name after the semicolon, and no controls or bytes above ASCII",
        example=CHUNKED + b"2;\r\nok\r\n0\r\n\r\n",
        rest=rb"^[0-9a-f]+[ \t]*;(\W|[^\r\n]*([^\t\x20-\x7e\r\n]|\r(?!\n)|(?<!\r)\n))",
    ),
    Difference(
        name="blanks behind a chunk size",
        why="RFC 9112, 7.1 has none there",
        example=CHUNKED + b"2 \r\nok\r\n0\r\n\r\n",
        rest=rb"^[0-9a-f]+[ \t]",
    ),
    Difference(
        name="framing in a trailer",
        why="RFC 9110, 6.5.1 forbids a length there: it comes too late to be one",
        example=CHUNKED + b"0\r\ncontent-length: 3\r\n\r\n",
        rest=rb"^(content-length|transfer-encoding)\s*:",
    ),
    Difference(
        name="a malformed trailer",
        why="as in a head: folded lines, control characters and bare line feeds are refused",
        example=CHUNKED + b"0\r\nx: y\n\r\n",
        rest=rb"^0[^\n]*\n([^\n]*\n)*?([ \t]|[^\r\n]*([\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n))",
    ),
)

# What h11 refuses, takes for unfinished or would not follow with another request, and the transport does.
LAXER = (
    Difference(
        name="HTTP/1.0 that asks to stay",
        why="RFC 9112, 9.3 lets a client use the connection again where `keep-alive` says so and the length is stated",
        example=b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        heads=rb"^HTTP/1\.0 [\s\S]*^connection:[^\n]*keep-alive",
        reuse_only=True,
    ),
    Difference(
        name="a NUL in the reason phrase",
        why="nobody reads the reason phrase",
        example=b"HTTP/1.1 200 \0\r\ncontent-length: 2\r\n\r\nok",
        heads=rb"^HTTP/\d\.\d \d\d\d [^\r\n]*\0",
    ),
)
REUSE_ONLY = {row.name for row in LAXER if row.reuse_only}


@pytest.fixture(scope="module", params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def play(request: pytest.FixtureRequest) -> Iterator[Callable[[Behaviour], Played]]:
    stage = Stage()
    with asyncio.Runner(loop_factory=request.param) as runner:
        runner.run(stage.open())
        yield lambda behaviour: runner.run(stage.play(behaviour, patient=_oracle_ends(behaviour)))
        runner.run(stage.aclose())


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, derandomize=SEARCH is None, suppress_health_check=list(HealthCheck))
@given(behaviour=behaviours())
def test_the_transport_reads_what_h11_reads_or_says_why_not(
    play: Callable[[Behaviour], Played], behaviour: Behaviour
) -> None:
    problem = difference(behaviour, play(behaviour))
    assert problem is None, (problem, behaviour)


@pytest.mark.parametrize("row", [*STRICTER, *LAXER], ids=lambda row: row.name)
def test_every_named_difference_is_one(play: Callable[[Behaviour], Played], row: Difference) -> None:
    behaviour = Behaviour(b"POST", [row.example], "hang")
    assert named((row,), row.example) == [row.name]
    oracle, played = read_response(row.example, method=b"POST", ending="hang"), play(behaviour)
    if row in STRICTER:
        assert (oracle.end, played.reading.end) == ("whole", "refused")
    elif row.reuse_only:
        assert (oracle.end, oracle.reusable, played.reused) == ("whole", False, True)
    else:
        assert (oracle.end, played.reading.end) == ("refused", "whole")


def test_blank_lines_around_an_answer_are_skipped(play: Callable[[Behaviour], Played]) -> None:
    answer = OK + b"content-length: 2\r\n\r\nok"
    played = play(Behaviour(b"POST", [b"\r\n\n" + answer + b"\r\n"], "hang"))
    assert (played.reading.end, played.reading.body, played.reused) == ("whole", b"ok", True)


def difference(behaviour: Behaviour, played: Played) -> str | None:
    """How our reading and the oracle's differ, unless that has a name."""
    ours, oracle = played.reading, read_response(behaviour.data, method=behaviour.method, ending=behaviour.ending)
    stricter, kept = named(STRICTER, behaviour.data), named(LAXER, behaviour.data)
    laxer = [name for name in kept if name not in REUSE_ONLY]
    shorter, longer = sorted((ours.body, oracle.body), key=len)
    differs = {
        "ours uses a connection again after doubtful framing": played.reused and not oracle.reusable and not kept,
        f"h11 takes it, ours is {ours.end}": oracle.end == "whole" != ours.end
        and not stricter
        and len(behaviour.data) <= HEAD_BYTES,
        f"ours takes it, h11 is {oracle.end}": ours.end == "whole" != oracle.end and not laxer,
        f"ours waits, h11 is {oracle.end}": ours.end == "waiting" != oracle.end and not laxer,
        "another body": not longer.startswith(shorter) and not laxer,
    }
    if ours.end == oracle.end == "whole":
        differs["another status or body"] = (ours.status, ours.body) != (oracle.status, oracle.body)
        differs["other headers"] = folded(ours.headers) != folded(oracle.headers)
    return next((name for name, found in differs.items() if found), None)


def folded(headers: Fields) -> Fields:
    """h11 writes the only transfer encoding there is in lower case."""
    return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]


def _oracle_ends(behaviour: Behaviour) -> bool:
    return read_response(behaviour.data, method=behaviour.method, ending=behaviour.ending).end != "waiting"
