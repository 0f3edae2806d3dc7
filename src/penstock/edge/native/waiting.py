"""Waiting for an answer while the client does."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from penstock.core.answer import CANCEL, DISCONNECT, Answer, Outcome
from penstock.core.call import Call
from penstock.core.ports import Gateway


async def answer_while_connected(gateway: Gateway, call: Call, receive: Receive) -> Answer:
    """The gateway's answer to ``call``; the call is cancelled when the client goes or this wait is cancelled.

    Raises ``PenstockError`` as the gateway does, and ``ClientDisconnect``. The request body must have been read.
    """
    work = asyncio.ensure_future(gateway.answer(call))
    gone = asyncio.ensure_future(_disconnect(receive))
    claimed = False
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        claimed = True
        return work.result()
    finally:
        if not claimed:
            outcome = DISCONNECT if gone.done() else CANCEL
            work.cancel()
            work.add_done_callback(lambda late: _close_unclaimed(late, outcome))
        gone.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _close_unclaimed(work: asyncio.Future[Answer], outcome: Outcome) -> None:
    """An answer may come in the very moment of cancelling; nobody else would end it."""
    if not work.cancelled() and work.exception() is None:
        work.result().close(outcome)
