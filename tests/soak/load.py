"""Callers of the gateway: each makes one call after another, of every kind, and checks what it gets."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import socket
from collections import Counter

from soak.provider import word

# What a caller does, and how often out of a hundred calls.
KINDS = {"stream": 68, "whole": 8, "leave": 10, "slow": 4, "bad": 6, "simulated": 4}
_MODELS = {"slow": "flood", "bad": "odd", "simulated": "simulated"}
_FLOOD_WORDS = 300
_LIMIT_S = 120.0
_WORDS = re.compile(rb'"content": ?"(w\d+ )')


class Load:
    """``outcomes`` counts calls by kind and end; ``broken`` holds what should not have happened."""

    def __init__(self, address: str, key: str, *, seconds_per_stream: float, words_per_s: float) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.broken: list[str] = []
        self._host, _, self._port = address.partition(":")
        self._key = key
        self._words = max(4, round(seconds_per_stream * words_per_s))
        self._numbers = itertools.count()

    async def call_forever(self, seed: int) -> None:
        """One caller."""
        chance = random.Random(seed)
        await asyncio.sleep(chance.random() * 2)  # not all at once
        while True:
            kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
            words = _FLOOD_WORDS if kind == "slow" else chance.randint(self._words // 2, self._words)
            try:
                async with asyncio.timeout(_LIMIT_S):
                    end = await self._call(kind, words, chance)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                end = "cut" if kind == "bad" else f"BROKEN {type(error).__name__}"
            self.outcomes[kind, end] += 1
            if end.startswith("BROKEN"):
                self.broken.append(f"{kind}: {end}")
                await asyncio.sleep(0.5)

    async def _call(self, kind: str, words: int, chance: random.Random) -> str:
        reader, writer = await self._connect(small=kind == "slow")
        try:
            writer.write(self._request(kind, words, stream=kind != "whole"))
            head = await reader.readuntil(b"\r\n\r\n")
            if kind == "leave":
                await reader.readuntil(word(chance.randrange(words // 2)).strip().encode())
                writer.transport.abort()
                return "left"
            body = b""
            while piece := await reader.read(2048 if kind == "slow" else 65536):
                body += piece
                if kind == "slow" and chance.random() < 0.5:
                    await asyncio.sleep(0.02)
            return judge(kind, head, body, words)
        finally:
            writer.transport.abort()

    async def _connect(self, *, small: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = socket.socket()
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (self._host, int(self._port)))
        except BaseException:
            sock.close()
            raise
        return await asyncio.open_connection(sock=sock, limit=4096 if small else 65536)

    def _request(self, kind: str, words: int, *, stream: bool) -> bytes:
        # A number of its own, so that no answer comes out of the cache.
        prompt = f"Call {next(self._numbers)}: count."
        body = json.dumps(
            {
                "model": _MODELS.get(kind, "even"),
                "max_tokens": words,
                "stream": stream,
                "messages": [{"role": "user", "content": prompt}],
            }
        )
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {self._host}\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return (head + body).encode()


def judge(kind: str, head: bytes, body: bytes, words: int) -> str:
    """How a call ended: ``ok``, an error that was told, or ``BROKEN`` and why."""
    status = int(head[9:12])
    if status != 200:
        expected = kind in {"bad", "simulated"} and status in {500, 502, 503, 504}
        return f"error {status}" if expected else f"BROKEN status {status}"
    if kind == "simulated":
        return "ok" if b"[DONE]" in body else "BROKEN no end"
    whole = b"[DONE]" in body and body.endswith(b"0\r\n\r\n")
    if kind == "whole":
        text = json.loads(body)["choices"][0]["message"]["content"]
        return "ok" if text == "".join(word(number) for number in range(words)) else "BROKEN text"
    found = _WORDS.findall(body)
    if found != [word(number).encode() for number in range(len(found))]:
        return "BROKEN order of words"
    if kind == "bad":
        return "BROKEN a clean end" if whole and len(found) < words else "told"
    return "ok" if whole and len(found) == words else f"BROKEN {len(found)} of {words} words"
