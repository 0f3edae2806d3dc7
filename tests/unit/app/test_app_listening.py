"""A crowd at the door: how many turns of the loop it takes to let it in."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import uvloop

from penstock.app.listening import bind, doors

CROWD = 20


async def _turns(listeners: list[socket.socket]) -> int:
    """Turns of the loop until a crowd that has connected meanwhile is let in."""
    let_in: list[asyncio.Protocol] = []

    class Guest(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            let_in.append(self)
            transport.close()

    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Guest, sock=listener) for listener in listeners]
    turns = 0
    with ExitStack() as clients:
        for _ in range(CROWD):
            clients.enter_context(socket.create_connection(listeners[0].getsockname()))
        async with asyncio.timeout(5):
            while len(let_in) < CROWD:
                await asyncio.sleep(0)
                turns += 1
    for server in servers:
        server.close()
        await server.wait_closed()
    return turns


def test_a_crowd_is_let_in_at_once_where_one_door_lets_in_one_a_turn() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with bind("127.0.0.1", 0) as listener:
            assert runner.run(_turns([listener])) >= CROWD
        with bind("127.0.0.1", 0) as listener:
            assert runner.run(_turns(doors(listener))) < CROWD / 2
