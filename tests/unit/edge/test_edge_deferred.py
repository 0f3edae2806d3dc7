"""``Deferred``: the app is made once, beside the loop, when somebody asks for it."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Any, cast

import pytest

from penstock.edge.deferred import Deferred

SCOPE = cast("Any", {"type": "http"})
NOTHING = cast("Any", None)


class Kitchen:
    """Makes an app that counts its requests; ``may_end`` holds the making back."""

    def __init__(self) -> None:
        self.begun = Event()
        self.may_end = Event()
        self.made = self.answered = 0
        self.fails = False

    def make(self) -> Any:
        self.begun.set()
        assert self.may_end.wait(10)
        self.made += 1
        if self.fails:
            raise ImportError("no such module")
        return self._app

    async def _app(self, *_: object) -> None:
        self.answered += 1


def ask(app: Deferred) -> asyncio.Task[None]:
    return asyncio.create_task(app(SCOPE, NOTHING, NOTHING))


async def test_early_requests_wait_for_one_app_while_the_loop_goes_on() -> None:
    kitchen = Kitchen()
    app = Deferred(kitchen.make)
    assert not kitchen.begun.is_set()
    first, second = ask(app), ask(app)
    await asyncio.to_thread(kitchen.begun.wait)
    kitchen.may_end.set()
    await asyncio.gather(first, second)
    await ask(app)
    assert (kitchen.made, kitchen.answered) == (1, 3)


async def test_a_client_that_goes_away_leaves_the_app_to_the_next() -> None:
    kitchen = Kitchen()
    app = Deferred(kitchen.make)
    gone, waiting = ask(app), ask(app)
    await asyncio.to_thread(kitchen.begun.wait)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    kitchen.may_end.set()
    await waiting
    assert (kitchen.made, kitchen.answered) == (1, 1)


async def test_what_cannot_be_made_is_told_to_each() -> None:
    kitchen = Kitchen()
    kitchen.fails = True
    kitchen.may_end.set()
    app = Deferred(kitchen.make)
    for _ in range(2):
        with pytest.raises(ImportError):
            await ask(app)
    assert kitchen.made == 1
