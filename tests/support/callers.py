"""Callers of a gateway, from threads: for tests that count what becomes of many calls."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from support.server import Gateway

THREADS = ThreadPoolExecutor(20)
BODY = {"messages": [{"role": "user", "content": "Tell me about the sea."}]}


class Caller:
    """Calls on a connection of its own each, so that the kernel spreads them over the workers."""

    def __init__(self, gateway: Gateway, tenant: str, model: str = "small") -> None:
        self._address = gateway.address
        self._headers = {"authorization": f"Bearer sk-demo-{tenant}", "content-type": "application/json"}
        self._body = json.dumps({**BODY, "model": model})

    async def ask(self) -> str:
        """What became of one call: ``ok``, or the error's code."""
        return await asyncio.get_running_loop().run_in_executor(THREADS, self._ask)

    async def ask_many(self, calls: int, *, at_once: int = 20) -> Counter[str]:
        """What became of so many."""
        gate = asyncio.Semaphore(at_once)

        async def one() -> str:
            async with gate:
                return await self.ask()

        return Counter(await asyncio.gather(*(one() for _ in range(calls))))

    async def ask_one_worker(self, calls: int) -> list[str]:
        """What became of so many, one after the other on one connection."""
        return await asyncio.get_running_loop().run_in_executor(THREADS, self._ask_one_worker, calls)

    def _ask(self) -> str:
        return self._ask_one_worker(1)[0]

    def _ask_one_worker(self, calls: int) -> list[str]:
        connection = http.client.HTTPConnection(self._address, timeout=20)
        try:
            return [self._fate(connection) for _ in range(calls)]
        finally:
            connection.close()

    def _fate(self, connection: http.client.HTTPConnection) -> str:
        try:
            connection.request("POST", "/v1/chat/completions", self._body, self._headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            return "no answer"
        return str(answer["error"]["code"]) if "error" in answer else "ok"
