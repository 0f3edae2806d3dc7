"""What a provider may do wrong on a real socket: replies of an ``Upstream``. ``Upstream.stop`` is the one that refuses.

Each ends its connection, or waits until the client has left; those that answer within HTTP's rules keep it.
"""

from __future__ import annotations

import asyncio
import socket
import struct

from support.upstream_server import (
    DONE,
    Asked,
    Reply,
    Upstream,
    begin_stream,
    end_stream,
    respond,
    send,
    text_event,
    usage_event,
    watch_until_gone,
)

HALF = text_event("half")
_WHOLE = HALF + text_event(" and half") + text_event("", "stop") + DONE


# --- nothing, or half a head ---


async def silence(upstream: Upstream, asked: Asked, _: asyncio.StreamWriter) -> None:
    await watch_until_gone(upstream, asked)


async def reset_at_once(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def half_a_head_then_the_end(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-")
    writer.close()


async def half_a_head_then_silence(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-")
    await watch_until_gone(upstream, asked)


async def endless_headers(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await _endlessly(writer, b"x: " + b"y" * 1000 + b"\r\n")


# --- an answer that is none ---


async def internal_error(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 500, b'{"error": {"message": "overloaded"}}')


def too_many_requests(retry_after_s: float) -> Reply:
    """A 429 that asks for so much patience."""

    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await respond(writer, 429, b'{"error": {"message": "slow down"}}', f"retry-after: {retry_after_s:g}")

    return reply


async def error_in_200(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 200, b'{"error": {"message": "overloaded"}}')


async def html_page(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 200, b"<html>Bad gateway</html>", content_type="text/html")


async def malformed_json(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 200, b'{"choices": [')


async def too_short(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{}")
    writer.close()


async def two_lengths(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}")
    await watch_until_gone(upstream, asked)


async def endless_body(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    await _endlessly(writer, b" " * 65536)


# --- a stream without content ---


async def head_then_silence(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await watch_until_gone(upstream, asked)


async def head_then_reset(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await _reset_later(writer)


async def error_event(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, b'data: {"error": {"message": "overloaded"}}\n\n' + DONE)
    await end_stream(writer)


async def endless_event(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await _endlessly(writer, b"10000\r\n" + b"x" * 65536 + b"\r\n")


# --- a stream that breaks after content ---


async def silence_midway(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, HALF)
    await watch_until_gone(upstream, asked)


async def reset_midway(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, HALF)
    await _reset_later(writer)


async def an_end_without_done(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, HALF)
    await end_stream(writer)


async def malformed_event(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, HALF)
    await send(writer, b"data: {not json\n\n")
    await watch_until_gone(upstream, asked)


async def malformed_chunk(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, HALF)
    await asyncio.sleep(0.02)  # so that the first event is through
    writer.write(b"zz\r\n")
    await watch_until_gone(upstream, asked)


async def error_event_midway(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    await send(writer, HALF)
    await send(writer, b'data: {"error": {"message": "overloaded"}}\n\n')
    await watch_until_gone(upstream, asked)


async def endless_words(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await begin_stream(writer)
    words = text_event("half" + "x" * 1000)
    await _endlessly(writer, b"%x\r\n%b\r\n" % (len(words), words))


def cut(wire: bytes, size: int, *, by_reset: bool = False) -> Reply:
    """The first ``size`` bytes of a recorded response, and no more."""

    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(wire[:size])
        if by_reset:
            await _reset_later(writer)
        else:
            writer.close()

    return reply


# --- a stream that is odd, or slow ---


def dripping(pause_s: float, bytes_at_once: int = 1) -> Reply:
    """A whole stream, a few bytes at a time."""

    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer)
        for at in range(0, len(_WHOLE), bytes_at_once):
            await send(writer, _WHOLE[at : at + bytes_at_once])
            await asyncio.sleep(pause_s)
        await end_stream(writer)
        writer.close()

    return reply


def dripping_midway(pause_s: float) -> Reply:
    """The first content at once, and the rest byte by byte."""

    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer)
        await send(writer, HALF)
        for byte in _WHOLE.removeprefix(HALF):
            await send(writer, bytes([byte]))
            await asyncio.sleep(pause_s)

    return reply


def counting(*usages: tuple[int, int], content_type: str = "text/event-stream") -> Reply:
    """A whole stream that tells what it used so often: never, once, or again."""

    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer, content_type)
        said = b"".join(usage_event(*usage) for usage in usages)
        await send(writer, HALF + text_event("", "stop") + said + DONE)
        await end_stream(writer)

    return reply


def reset(writer: asyncio.StreamWriter) -> None:
    """Drop the connection with an RST; nothing where the client has left."""
    if writer.transport.is_closing():
        return
    # Without this an aborted socket closes in order.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _reset_later(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.02)  # a reset may overtake what was sent before it
    reset(writer)


async def _endlessly(writer: asyncio.StreamWriter, data: bytes) -> None:
    while not writer.transport.is_closing():
        writer.write(data)
        await writer.drain()
