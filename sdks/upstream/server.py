"""``playing``: every provider on one port of loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from upstream import chat, gemini, messages, responses, vectors
from upstream.script import Asked, Said, say

WRONG_KEY, LIMITED_KEY = "sk-wrong", "sk-limited"
ENDLESS, FAIL, UNKNOWN = "Never stop.", "fail ", "no-such-model"
_LEAVES_WITHIN_S = 5.0
_BETWEEN_PIECES_S = 0.02
_NO_CHAT = ("/embeddings", "/count_tokens")
_FAULT = re.compile(rf"^{FAIL}(\d\d\d)$")


class Upstream:
    """Where it listens, what it was ``asked`` (path and body), and whether a client has ``left`` a stream."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.left = threading.Event()

    def was_left(self) -> bool:
        """Whether the reader of an endless stream closes it soon."""
        return self.left.wait(_LEAVES_WITHIN_S)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                path, headers, raw = await _request(reader)
                body = json.loads(raw) if raw else {}
                self.asked.append((path, body))
                await self._answer(path.partition("?")[0], headers, body, (reader, writer))
        writer.close()

    async def _answer(self, path: str, headers: dict[str, str], body: dict[str, Any], pipe: Any) -> None:
        refused = _refusal(path, headers, body)
        if refused is not None:
            await _respond(pipe[1], *refused)
            return
        if path.endswith("/embeddings"):
            await _respond(pipe[1], 200, vectors.embeddings(body))
        elif path.endswith("/count_tokens"):
            await _respond(pipe[1], 200, {"input_tokens": 11})
        elif path.endswith("/completions") and "prompt" in body:
            if body.get("stream"):
                await self._stream(pipe, vectors.completion_events(body), endless=False)
            else:
                await _respond(pipe[1], 200, vectors.completion(body))
        else:
            await self._speak(path, body, pipe)

    async def _speak(self, path: str, body: dict[str, Any], pipe: Any) -> None:
        dialect, asked = _read(path, body)
        if not asked.stream:
            await _respond(pipe[1], 200, dialect.whole(asked, say(asked)))
            return
        endless = asked.text.endswith(ENDLESS)
        said = Said("Still here. " * 20_000) if endless else say(asked)
        await self._stream(pipe, dialect.events(asked, said), endless=endless)

    async def _stream(self, pipe: Any, events: Iterator[bytes], *, endless: bool) -> None:
        reader, writer = pipe
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        gone = asyncio.ensure_future(reader.read(1)) if endless else None
        for event in events:
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
            if gone is not None:
                await asyncio.wait([gone], timeout=_BETWEEN_PIECES_S)
                if gone.done():
                    self.left.set()
                    raise ConnectionError
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _read(path: str, body: dict[str, Any]) -> tuple[Any, Asked]:
    if path.startswith("/gemini/"):
        model, _, verb = path.rpartition("/")[2].partition(":")
        return gemini, gemini.read(body, model, stream=verb == "streamGenerateContent")
    dialect: Any = messages if path.startswith("/anthropic/") else responses if path.endswith("/responses") else chat
    return dialect, dialect.read(body)


def _refusal(path: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    """Why there is no answer, in the words of the provider that ``path`` belongs to."""
    key = headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("authorization", "")
    status, message, param = 0, "", None
    fault = None if path.endswith(_NO_CHAT) or "prompt" in body else _FAULT.match(_read(path, body)[1].text)
    if key.endswith(WRONG_KEY):
        status, message = 401, "Incorrect API key provided."
    elif key.endswith(LIMITED_KEY):
        status, message = 429, "Rate limit reached for requests."
    elif body.get("model") == UNKNOWN:
        status, message, param = 404, "The model does not exist or you do not have access to it.", "model"
    elif not isinstance(body.get("temperature", 1.0), int | float):
        status, message, param = 400, "Invalid type for 'temperature': expected a decimal.", "temperature"
    elif fault:
        status, message = int(fault[1]), "It was asked to fail."
    else:
        return None
    if path.startswith("/anthropic/"):
        return status, messages.error(status, message)
    if path.startswith("/gemini/"):
        return status, gemini.error(status, message)
    return status, chat.error(status, message, param)


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return first.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", "0")))


async def _respond(writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
    writer.write(head.encode() + raw)
    await writer.drain()


@contextmanager
def playing() -> Iterator[Upstream]:
    """Listens until the block ends."""
    upstream = Upstream()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=1 << 24))
    upstream.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_clear())
        loop.close()


async def _clear() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
