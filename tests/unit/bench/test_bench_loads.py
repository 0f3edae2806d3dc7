from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from bench.chat import request
from bench.steady_load import Load
from bench.stream_load import read_streams, summary
from bench.upstream import ANSWER, CHUNKS_PER_S, FIRST, FLOOD, Pace, Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
MESSAGE = request("Hello.", stream=False)


@asynccontextmanager
async def answering(answers: Callable[[int], bytes | float]) -> AsyncIterator[int]:
    """A server that asks ``answers`` of each request by its number: bytes to send, or seconds to stall before a 200."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while await reader.readexactly(len(MESSAGE)):
                answer = answers(count)
                count += 1
                if isinstance(answer, float):
                    await asyncio.sleep(answer)
                writer.write(OK if isinstance(answer, float) else answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def steady(port: int, *, connections: int, requests_per_s: float, seconds: float) -> Load:
    load = await asyncio.to_thread(Load, port, connections, MESSAGE)
    await asyncio.to_thread(load.run, requests_per_s, seconds)
    load.close()
    return load


async def test_every_request_of_the_rate_is_sent_and_answered() -> None:
    async with answering(lambda _: OK) as port:
        load = await steady(port, connections=4, requests_per_s=200, seconds=0.25)
    assert len(load.latencies_us) == 50
    assert load.errors == 0


async def test_a_stall_is_felt_by_all_requests_that_were_due_in_it() -> None:
    async with answering(lambda number: 0.2 if number == 0 else OK) as port:
        load = await steady(port, connections=1, requests_per_s=100, seconds=0.2)
    # Due every 10 ms while one connection stalls for 200: each waits for what is left of the stall.
    assert sorted(latency > 95_000 for latency in load.latencies_us).count(True) >= 10


async def test_answers_that_are_no_200_and_closed_connections_are_errors() -> None:
    refusal = OK.replace(b"200 OK", b"503 No")
    async with answering(lambda number: refusal if number == 3 else OK) as port:
        load = await steady(port, connections=4, requests_per_s=200, seconds=0.1)
    assert (len(load.latencies_us), load.errors) == (19, 1)


@asynccontextmanager
async def upstream(chunks: int) -> AsyncIterator[int]:
    pace, loop = Pace(), asyncio.get_running_loop()
    async with await loop.create_server(lambda: Upstream(chunks, pace), "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_streams_are_read_to_their_end_and_their_gaps_are_the_upstreams_pace() -> None:
    async with upstream(chunks=5) as port:
        streams, took_s = await read_streams(port, 8, request("Tell.", stream=True))
    figures = summary(streams)
    assert took_s >= 5 / CHUNKS_PER_S
    # Five words, the end and the usage.
    assert (figures["broken"], figures["chunks"]) == (0, 8 * 7)
    assert 10 < figures["gap_p50_ms"] < 40
    assert 0 < figures["first_p50_ms"] <= figures["first_p99_ms"] <= figures["first_max_ms"]


async def test_refused_and_cut_streams_are_counted_as_broken() -> None:
    message = request("Hello.", stream=False)
    refusal = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}"
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + FIRST
    async with answering(lambda number: refusal if number else cut) as port:
        streams, _ = await read_streams(port, 2, message, limit_s=0.2)
    figures = summary(streams)
    assert (figures["broken"], figures["chunks"]) == (2, 1)
    assert "gap_p50_ms" not in figures


async def test_the_upstream_answers_a_large_prompt_after_all_of_it_has_come() -> None:
    message = request("x" * 1_000_000, stream=False)
    async with upstream(chunks=0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(message[:-1])
        await writer.drain()
        early = asyncio.create_task(reader.readexactly(len(ANSWER)))
        await asyncio.wait([early], timeout=0.05)
        assert not early.done()
        writer.write(message[-1:])
        assert await early == ANSWER
        writer.close()


async def test_a_flood_waits_for_its_reader() -> None:
    loop = asyncio.get_running_loop()
    made: list[Upstream] = []
    sent: list[int] = []

    class Recorded(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            sent.append(len(data))
            if len(sent) == 4:
                made[0].pause_writing()

    made.append(Upstream(5, Pace()))
    made[0].connection_made(Recorded())
    made[0].data_received(request("Flood me.", stream=True))
    paused = loop.create_future()
    loop.call_later(0.05, partial(paused.set_result, None))
    await paused
    assert sent[1:] == [len(FLOOD)] * 3
    made[0].connection_lost(None)
