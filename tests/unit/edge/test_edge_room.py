"""However a request ends, its body's room is given back."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.server import ServerState

from penstock.core.answer import END
from penstock.core.errors import InvalidRequest, Unavailable
from penstock.edge.http1 import HttpLimits, Reply, StreamReply
from penstock.edge.http1.asgi import AsgiApp
from penstock.edge.http1.connection import Connection
from penstock.edge.http1.room import BodyRoom
from penstock.edge.http1.service import Service
from support.faces import EchoFace, ScriptedFace
from support.gateways import Upstream
from support.http1 import CHAT, request

ROOM = 1000
LIMITS = HttpLimits(body_bytes=600, bodies_bytes=ROOM)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
HALF = HEAD + b"content-length: 600\r\n\r\n" + b"a" * 300


def test_room_is_taken_whole_or_not_at_all() -> None:
    room = BodyRoom(10)
    room.take(7)
    with pytest.raises(Unavailable) as refused:
        room.take(4)
    assert refused.value.retry_after_s == 1.0
    room.take(3)
    room.give_back(10)
    assert room.free_bytes == 10


class Line(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: Any) -> None:
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Server:
    """A service without sockets."""

    def __init__(self, face: EchoFace, app: Any = None) -> None:
        self.app_room = BodyRoom(ROOM)
        logger = logging.getLogger("test")
        asgi = AsgiApp(app, ServerState(), {}, "", "3.0", False, self.app_room, logger, logger)
        self.service = Service({CHAT: face}, LIMITS, asgi)

    def connect(self, *pieces: bytes) -> tuple[Connection, Line]:
        connection, line = Connection(self.service), Line()
        connection.connection_made(line)
        for piece in pieces:
            connection.data_received(piece)
        return connection, line

    @property
    def taken_bytes(self) -> int:
        return 2 * ROOM - self.service.room.free_bytes - self.app_room.free_bytes

    async def quiet(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([request(b"a" * 300)], b"200"),
        ([HALF, b"a" * 100, b"a" * 200], b"200"),
        ([CHUNKED + b"3\r\nabc\r\n", b"3\r\ndef\r\n0\r\n\r\n"], b"200"),
        ([request(b"a") + request(b"b" * 300) + request(b"c" * 300)], b"200"),
        ([request(b"a", "connection: close") + request(b"b")], b"200"),
        ([CHUNKED + b"3\r\nabc\r\n", b"zz\r\n"], b"400"),
        ([CHUNKED + b"1f4\r\n%b\r\n" % (b"a" * 500), b"1f4\r\n%b\r\n" % (b"a" * 500)], b"413"),
        ([request(b"a" * 601)], b"413"),
    ],
    ids=["whole", "pieces", "chunks", "pipelined", "close", "malformed", "too large", "announced too large"],
)
async def test_after_the_answer_nothing_is_held(pieces: list[bytes], status: bytes) -> None:
    server = Server(EchoFace())
    connection, line = server.connect(*pieces)
    await server.quiet()
    assert line.sent.startswith(b"HTTP/1.1 " + status)
    assert server.taken_bytes == 0
    connection.connection_lost(None)
    assert server.taken_bytes == 0


async def test_a_body_is_held_while_it_comes_and_while_it_is_answered() -> None:
    face = EchoFace()
    face.gate.clear()
    server = Server(face)
    connection, _ = server.connect(HALF)
    assert server.taken_bytes == 300
    connection.data_received(b"a" * 300)
    await server.quiet()
    assert server.taken_bytes == 600
    face.gate.set()
    await server.quiet()
    assert server.taken_bytes == 0
    connection.connection_lost(None)


@pytest.mark.parametrize("turns", [0, 5], ids=["before the call starts", "in the call"])
async def test_a_client_that_goes_gives_back_once(turns: int) -> None:
    face = EchoFace()
    face.gate.clear()
    server = Server(face)
    connection, _ = server.connect(request(b"a" * 600) + request(b"b" * 300))
    for _ in range(turns):
        await asyncio.sleep(0)
    assert server.taken_bytes == 900
    connection.connection_lost(None)
    await server.quiet()
    assert server.taken_bytes == 0
    assert not server.service.app.server_state.tasks


async def test_a_client_that_goes_in_its_body_gives_back() -> None:
    server = Server(EchoFace())
    connection, _ = server.connect(HALF)
    connection.connection_lost(None)
    assert server.taken_bytes == 0


async def test_a_body_that_is_late_gives_back() -> None:
    server = Server(EchoFace())
    connection, line = server.connect(HALF)
    connection.expire()
    assert line.sent.startswith(b"HTTP/1.1 408")
    assert server.taken_bytes == 0
    connection.connection_lost(None)


async def test_a_body_without_room_gives_back_what_it_had() -> None:
    face = EchoFace()
    face.gate.clear()
    server = Server(face)
    first, _ = server.connect(request(b"a" * 600))
    second, line = server.connect(CHUNKED + b"12c\r\n%b\r\n" % (b"a" * 300), b"12c\r\n%b\r\n" % (b"a" * 300))
    assert line.sent.startswith(b"HTTP/1.1 503")
    assert server.taken_bytes == 600
    face.gate.set()
    await server.quiet()
    assert server.taken_bytes == 0
    for connection in (first, second):
        connection.connection_lost(None)


@pytest.mark.parametrize("error", [InvalidRequest("No."), ZeroDivisionError()], ids=["refusal", "fault"])
async def test_a_face_that_raises_gives_back(error: Exception) -> None:
    async def script(body: bytes) -> Reply:
        del body
        raise error

    server = Server(ScriptedFace(script))
    connection, _ = server.connect(request(b"a" * 300))
    await server.quiet()
    assert server.taken_bytes == 0
    connection.connection_lost(None)


@pytest.mark.parametrize("lost", [True, False])
async def test_a_stream_holds_its_body_to_its_end(lost: bool) -> None:  # noqa: FBT001 - both ways
    upstream = Upstream()

    async def script(body: bytes) -> StreamReply:
        del body
        upstream.say("Hel")
        return StreamReply(200, b"", upstream.answer)

    server = Server(ScriptedFace(script))
    connection, line = server.connect(request(b"a" * 300))
    await server.quiet()
    assert b"Hel" in line.sent
    assert server.taken_bytes == 300
    if lost:
        connection.connection_lost(None)
    else:
        upstream.answer.end(END)
    assert server.taken_bytes == 0


@pytest.mark.parametrize("end", ["answer", "early answer", "fault", "loss"])
async def test_the_app_gives_back(end: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        while end != "early answer" and (await receive()).get("more_body"):
            pass
        if end == "fault":
            raise ZeroDivisionError
        if end != "loss":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    server = Server(EchoFace(), app)
    connection, _ = server.connect(request(path="/app")[:-2] + b"content-length: 600\r\n\r\n" + b"a" * 300)
    assert server.taken_bytes == 300
    await server.quiet()
    if end == "loss":
        connection.connection_lost(None)
    else:
        connection.data_received(b"a" * 300)
    await server.quiet()
    assert server.taken_bytes == 0
    if end != "loss":
        connection.connection_lost(None)
