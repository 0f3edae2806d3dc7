"""Whatever bytes come, split anywhere: the server answers well, never with a 5xx, and lives."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.edge.faces import CHAT as MANNER
from penstock.edge.faces import ModelFace
from penstock.edge.http1 import HttpLimits
from support.gateways import FakeGateway
from support.http1 import not_found, request, serving

CHAT = request(b'{"model":"fast","messages":[{"role":"user","content":"Hello"}]}')
WORDS = [
    CHAT,
    request(b'{"model":"fast","messages":[{"role":"user","content":"Hello"}],"stream":true}'),
    b"authorization: Bearer sk-test\r\n",
    b"x-penstock-explain: 1\r\nx-penstock-tags: a=b\r\n",
    b'{"model":"fast",',
    b"POST /v1/chat/completions HTTP/1.1\r\n",
    b"GET /health HTTP/1.1\r\n",
    b"GET * HTTP/1.0\r\n",
    b"host: a\r\n",
    b"content-length: 3\r\n",
    b"content-length: 99999999999\r\n",
    b"transfer-encoding: chunked\r\n",
    b"connection: close\r\n",
    b"connection: upgrade\r\nupgrade: h2c\r\n",
    b"expect: 100-continue\r\n",
    b"authorization: Bearer x\r\n",
    b"\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"abc",
    b"\n",
    b" ",
    b"\x00\xff",
    b"a" * 3000,
    request(b"abc"),
    request(b"", method="GET", path="/other"),
]
LIMITS = HttpLimits(head_bytes=2048, body_bytes=4096, head_s=0.02, body_s=0.02, keep_alive_s=0.02, linger_s=0.02)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(WORDS) | st.binary(max_size=40), max_size=12).map(b"".join), st.integers(1, 5000))
def test_random_requests(data: bytes, piece: int) -> None:
    faults: list[Any] = []

    async def run() -> bytes:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with serving(ModelFace(FakeGateway(), MANNER), app=not_found, limits=LIMITS) as served:
            client = await served.connect()
            received = b""
            try:
                for start in range(0, len(data), piece):
                    await client.send(data[start : start + piece])
                received = await client.rest()
            except ConnectionError:
                pass
            after = await served.ask(CHAT)
            assert after.status == 200
            return received

    logs = _Records()
    logging.getLogger("penstock").addHandler(logs)
    logging.getLogger("uvicorn.error").addHandler(logs)
    try:
        received = uvloop.run(run())
    finally:
        logging.getLogger("penstock").removeHandler(logs)
        logging.getLogger("uvicorn.error").removeHandler(logs)
    assert b"HTTP/1.1 5" not in received
    assert faults == []
    assert [record.getMessage() for record in logs.errors] == []


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(record)
