"""A provider on a real socket: streams numbered words at an even pace, and misbehaves as the model's name says."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

FAULTS = ("error", "half a head", "silence", "cut", "no end", "malformed", "mute")
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PADDING = "x" * 1000


class Provider:
    """``good`` streams and answers, ``flood`` streams a thousand bytes a word without a pace, ``bad`` does one of ``FAULTS``."""

    def __init__(self, words_per_s: float, seed: int) -> None:
        self.connections = 0
        self.port = 0
        self._gap_s = 1 / words_per_s
        self._random = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            # RuntimeError is uvloop's for a write after the end; a server that is closed cancels what is under way.
            with suppress(OSError, RuntimeError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self.connections -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        asked = json.loads(await reader.readexactly(length))
        fault = self._random.choice(FAULTS) if asked["model"] == "bad" else ""
        words = int(asked["max_tokens"])
        if fault == "error":
            writer.write(b"HTTP/1.1 500 x\r\ncontent-length: 2\r\n\r\n{}")
        elif fault in {"half a head", "mute"}:
            writer.write(_HEAD[:20] if fault == "half a head" else b"")
            await reader.read(1)  # until the gateway has had enough
            return False
        elif asked.get("stream"):
            return await self._stream(reader, writer, words, fault, flood=asked["model"] == "flood")
        else:
            body = json.dumps(_whole(words)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        return True

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: int, fault: str, *, flood: bool
    ) -> bool:
        writer.write(_HEAD)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number in itertools.count():
            if number == words // 2 and fault in {"cut", "silence", "malformed"}:
                if fault == "malformed":
                    writer.write(_framed(b"data: {not json\n\n"))
                if fault != "cut":
                    await reader.read(1)
                writer.transport.abort()
                return False
            if number == words:
                break
            writer.write(_framed(_event({"content": word(number) + (_PADDING if flood else "")}, None)))
            await writer.drain()
            if not flood:
                await asyncio.sleep(max(0.0, began_s + (number + 1) * self._gap_s - loop.time()))
        usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": words, "total_tokens": words + 9}}
        end = b"" if fault == "no end" else _framed(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(usage).encode())
        writer.write((_framed(_event({}, "stop")) if end else b"") + end + b"0\r\n\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def providing(words_per_s: float, seed: int) -> AsyncIterator[Provider]:
    """A provider that listens on loopback until the block ends."""
    provider = Provider(words_per_s, seed)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, backlog=4096)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()


def word(number: int) -> str:
    """The word at a place of every answer."""
    return f"w{number} "


def _event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def _whole(words: int) -> dict[str, object]:
    text = "".join(word(number) for number in range(words))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": words, "total_tokens": words + 9}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
