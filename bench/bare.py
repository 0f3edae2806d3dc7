"""A relay that does nothing: what sockets cost in Python on uvloop before a gateway has done anything.

``python bench/bare.py PORT UPSTREAM_PORT``, for ``bench.run --gateway-command``: one connection to the upstream for each
client, bytes passed on as they come. What Penstock adds to its figures is Penstock's own.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

BACKLOG = 4096


class Side(asyncio.Protocol):
    """One end of a pair: writes to the other what it reads."""

    def __init__(self, other: Side | None = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.other = other
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        for data in self.early:
            self.transport.write(data)
        self.early.clear()

    def data_received(self, data: bytes) -> None:
        other = cast("Side", self.other)
        if other.transport is None:
            other.early.append(data)
        else:
            other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


async def main(port: int, upstream: int) -> None:
    loop = asyncio.get_running_loop()
    dialing: set[asyncio.Task[object]] = set()

    def accept() -> Side:
        client = Side()
        upstream_side = client.other = Side(client)
        dial = loop.create_connection(lambda: upstream_side, "127.0.0.1", upstream)
        task: asyncio.Task[object] = loop.create_task(dial)
        dialing.add(task)
        task.add_done_callback(dialing.discard)
        return client

    server = await loop.create_server(accept, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
