"""Generated requests, read by our server and by h11: what reaches a handler is what h11 reads, in the same order.

A request that only one of the two sees is a smuggled one. Where ours refuses what h11 takes, the difference has a name.
``FUZZ_EXAMPLES=100000 make test ARGS=tests/edge/test_http1_differential.py`` searches for long.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from msgspec import Struct

from penstock.edge.http1 import Head, HttpLimits, Reply
from support.behaviours import conversations
from support.differences import Difference, named
from support.faces import EchoFace
from support.http1 import CHAT, Client, Served, serving
from support.oracle import Asked, read_requests

SEARCH = os.environ.get("FUZZ_EXAMPLES")
EXAMPLES = int(SEARCH or 400)
LIMITS = HttpLimits(head_bytes=4096)
PATIENCE_S = 1.0

HOST = b"host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"

# What h11 takes and the server refuses with a 4xx, closing the connection: nothing behind it is acted on. The patterns
# look at everything that was sent.
STRICTER = (
    Difference(
        name="a line that ends with a line feed alone",
        why="RFC 9112, 2.2 lets a reader take it; two readers that differ here can be set against each other",
        example=b"GET / HTTP/1.1\nhost: a\n\n",
        heads=rb"(?<!\r)\n",
    ),
    Difference(
        name="a folded header",
        why="RFC 9112, 5.2: refuse it, or two readers join it differently",
        example=POST + b"x: a\r\n b\r\n\r\n",
        heads=rb"\n[ \t]",
    ),
    Difference(
        name="a control character in a header or a chunk extension",
        why="RFC 9110, 5.5: invalid, and dangerous where it is logged or sent on",
        example=POST + b"x: a\x01b\r\n\r\n",
        heads=rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)",
    ),
    Difference(
        name="content-length more than once",
        why="RFC 9112, 6.3 lets a reader refuse it even where the values are the same",
        example=POST + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok",
        heads=rb"^content-length:[^\n]*,|^content-length:[\s\S]*^content-length:",
    ),
    Difference(
        name="content-length beside transfer-encoding",
        why="RFC 9112, 6.3: the mark of a smuggled request",
        example=POST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        heads=rb"^content-length:[\s\S]*^transfer-encoding:|^transfer-encoding:[\s\S]*^content-length:",
    ),
    Difference(
        name="a tab behind `chunked`",
        why="llhttp does not take it for chunks",
        example=POST + b"transfer-encoding: chunked\t\r\n\r\n0\r\n\r\n",
        heads=rb"^transfer-encoding:[^\n]*\t *\r?$",
    ),
    Difference(
        name="what follows `proxy-connection: close`",
        why="llhttp takes it for `connection`, as old clients meant it: the connection is closed after the answer",
        example=POST + b"proxy-connection: close\r\n\r\n" + POST + b"\r\n",
        heads=rb"^proxy-connection:",
    ),
    Difference(
        name="chunks on HTTP/1.0",
        why="RFC 9112, 6.1: faulty framing",
        example=b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        heads=rb" HTTP/1\.0[\s\S]*^transfer-encoding:",
    ),
    Difference(
        name="content-type more than once",
        why="two readers may choose different ones: so it is with every header that decides something",
        example=POST + b"content-type: a\r\ncontent-type: b\r\n\r\n",
        heads=rb"^content-type:[\s\S]*^content-type:",
    ),
    Difference(
        name="another version of HTTP",
        why="only 1.0 and 1.1 are spoken here",
        example=b"POST / HTTP/1.2\r\n" + HOST + b"\r\n",
        heads=rb" HTTP/(?!1\.[01]\r)",
    ),
    Difference(
        name="an unknown method",
        why="no path has one; llhttp knows those that are registered",
        example=b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
        heads=rb"^(?!(POST|GET|HEAD|OPTIONS) )\S+ \S* HTTP/",
    ),
    Difference(
        name="CONNECT",
        why="this is no forward proxy",
        example=b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n",
        heads=rb"^CONNECT ",
    ),
    Difference(
        name="a target that is neither a path nor a URL",
        why="RFC 9112, 3.2 has no such form",
        example=b"POST x/y HTTP/1.1\r\n" + HOST + b"\r\n",
        heads=rb"^[A-Z]+ +[^/\s]",
    ),
    Difference(
        name="what follows an upgrade",
        why="an upgrade is never taken up; the connection is closed after the answer",
        example=POST + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n" + POST + b"\r\n",
        heads=rb"^upgrade:",
    ),
    Difference(
        name="a chunk extension that is none",
        why="RFC 9112, 7.1.1 wants a name after the semicolon, and no bytes above ASCII",
        example=CHUNKED + b"2;\r\nok\r\n0\r\n\r\n",
        heads=rb"^[0-9a-f]+[ \t]*;(\W|[^\r\n]*[^\t\x20-\x7e\r\n])",
    ),
    Difference(
        name="blanks behind a chunk size",
        why="RFC 9112, 7.1 has none there",
        example=CHUNKED + b"2 \r\nok\r\n0\r\n\r\n",
        heads=rb"^[0-9a-f]+[ \t]",
    ),
    Difference(
        name="framing in a trailer",
        why="RFC 9110, 6.5.1 forbids a length there: it comes too late to be one",
        example=CHUNKED + b"0\r\ncontent-length: 3\r\n\r\n",
        heads=rb"^0[^\n]*\n(content-length|transfer-encoding)\s*:",
    ),
)

# What h11 refuses, or reads otherwise, and the server takes.
LAXER = (
    Difference(
        name="two spaces in the request line",
        why="RFC 9112, 3 lets a reader take any blanks; nothing of the line is sent on",
        example=b"POST  / HTTP/1.1\r\n" + HOST + b"\r\n",
        heads=rb"[A-Z]+  \S|\S  HTTP/1\.",
    ),
    Difference(
        name="a target that is no path",
        why="the path alone chooses the handler: scheme, host and fragment are cut off, `*` is nobody's",
        example=b"POST /a#b HTTP/1.1\r\n" + HOST + b"\r\n",
        heads=rb"^[A-Z]+ +([^/]|\S*#)",
    ),
)


class Acted(Struct):
    """What reached a handler, and whether the server closed the connection."""

    asked: list[Asked]
    closed: bool


class Recorder(EchoFace):
    """A face and an ASGI app that write down the requests they are given whole."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Asked] = []

    async def answer(self, head: Head, ticket: Any, body: bytes) -> Reply:
        del ticket
        self.requests.append(Asked(head.method, target(head.path, head.query), folded(head.fields), body))
        return Reply(200, b"", b"")

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                path = target(scope["raw_path"], scope["query_string"])
                self.requests.append(Asked(scope["method"].encode(), path, folded(scope["headers"]), body))
                break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


class Stand:
    """One server for all examples."""

    def __init__(self, served: Served, recorder: Recorder) -> None:
        self._served = served
        self._recorder = recorder

    async def play(self, pieces: list[bytes], expected: int) -> Acted:
        """Send ``pieces``; wait until ``expected`` requests were handled or the server closed, and a little longer."""
        asked = self._recorder.requests = []
        client = await self._served.connect()
        closing = asyncio.create_task(self._closed(client))
        with suppress(ConnectionError, RuntimeError):  # uvloop: a write after the end
            for piece in pieces:
                if closing.done():
                    break
                await client.send(piece)
                await _turns(2)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while len(asked) < expected and not closing.done():
                    await _turns(1)
        await _turns(10)
        acted = Acted(list(asked), closing.done())
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        await client.aclose()
        return acted

    @staticmethod
    async def _closed(client: Client) -> None:
        with suppress(ConnectionError):
            await client.rest()


@pytest.fixture(scope="module")
def play() -> Iterator[Callable[[list[bytes]], Acted]]:
    recorder = Recorder()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await recorder.app(scope, receive, send)

        context = serving(recorder, app=app, limits=LIMITS, paths={CHAT: recorder})
        stand = Stand(runner.run(context.__aenter__()), recorder)
        yield lambda pieces: runner.run(stand.play(pieces, len(read_requests(b"".join(pieces))[0])))
        runner.run(context.__aexit__(None, None, None))


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, derandomize=SEARCH is None, suppress_health_check=list(HealthCheck))
@given(pieces=conversations())
def test_what_is_acted_on_is_what_h11_reads(play: Callable[[list[bytes]], Acted], pieces: list[bytes]) -> None:
    problem = difference(pieces, play(pieces))
    assert problem is None, (problem, pieces)


@pytest.mark.parametrize("row", [*STRICTER, *LAXER], ids=lambda row: row.name)
def test_every_named_difference_is_one(play: Callable[[list[bytes]], Acted], row: Difference) -> None:
    assert named((row,), row.example, whole=True) == [row.name]
    oracle, end = read_requests(row.example)
    acted = play([row.example])
    if row in STRICTER:
        assert len(acted.asked) < len(oracle)
        assert acted.closed
    else:
        assert end == "refused" or [each.target for each in acted.asked] != [each.target for each in oracle]
        assert len(acted.asked) == 1


def test_blanks_around_a_header_are_no_part_of_its_value(play: Callable[[list[bytes]], Acted]) -> None:
    (asked,) = play([POST + b"x-api-key: \t sk-test \t\r\n\r\n"]).asked
    assert (b"x-api-key", b"sk-test") in asked.headers


def difference(pieces: list[bytes], acted: Acted) -> str | None:
    """How what was acted on differs from what the oracle reads, unless that has a name."""
    data = b"".join(pieces)
    oracle, end = read_requests(data)
    stricter, laxer = named(STRICTER, data, whole=True), named(LAXER, data, whole=True)
    ours = acted.asked
    theirs = [Asked(each.method, each.target, folded(each.headers), each.body) for each in oracle]
    differs = {
        "a request that h11 does not see": len(ours) > len(theirs) and not laxer,
        "another reading of a request": any(mine != their for mine, their in zip(ours, theirs, strict=False))
        and not laxer,
        "h11 sees a request more": len(ours) < len(theirs) and not stricter and len(data) <= LIMITS.head_bytes,
        "h11 refuses, ours goes on": end == "refused" and not acted.closed and not laxer,
    }
    return next((name for name, found in differs.items() if found), None)


def target(path: bytes, query: bytes) -> bytes:
    return path + (b"?" + query if query else b"")


def folded(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """h11 writes the only transfer encoding there is in lower case."""
    return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]


async def _turns(count: int) -> None:
    """What was written on loopback is read within a few turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)
