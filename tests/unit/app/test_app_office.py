"""What concerns all workers of a gateway together."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from penstock.app.member import Member
from penstock.app.office import Office
from penstock.app.owned import OwnedStore
from penstock.app.views import View
from penstock.core.errors import StoreFailed
from penstock.core.health import BreakerState
from penstock.resilience import Tally
from penstock.stores.remote import messages as m
from penstock.stores.remote.channel import Channel, Handlers
from penstock.telemetry import Totals, build_logger
from support.configs import WHOLE, load_text
from support.linked import link, make_channel


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    settings = load_text(tmp_path, WHOLE, {"PENSTOCK_STORE_URL": f"sqlite:///{tmp_path}/penstock.db"})
    logger = build_logger(io.StringIO(), style="json")
    owned = await OwnedStore.open(settings, b"a pepper of thirty-two characters", logger)
    yield Office(owned, settings, WHOLE, logger)
    await owned.aclose()


def begin(member: Member, handlers: Handlers) -> Channel:
    """A worker's end; it listens."""
    channel = make_channel(handlers)
    link(member.channel, channel)
    member.ready = True
    return channel


async def test_a_worker_that_dies_during_a_scrape_is_counted_once(office: Office) -> None:
    asking, dying = await office.admit(0), await office.admit(1)
    asking.totals, dying.totals = Totals(auth_failures=1), Totals(auth_failures=10)

    def die(_message: m.Report) -> Totals:
        office.dismiss(dying)
        return dying.totals

    channel = begin(asking, {m.Report: lambda _: asking.totals})
    begin(dying, {m.Report: die})
    text = await channel.ask(m.Scrape(), bytes)
    assert b"penstock_auth_failures_total 11.0" in text


def views(state: BreakerState, calls: int) -> dict[str, View]:
    return {"fast": View(state, 5.0, "", Tally(calls, calls, calls, 0, [0.1] * calls, [1.0] * calls))}


async def detail(channel: Channel) -> dict[str, Any]:
    told: dict[str, Any] = await channel.ask(m.Detail(), dict[str, Any])
    return told


async def test_targets_are_told_of_all_workers_whichever_is_asked(office: Office) -> None:
    one, other = await office.admit(0), await office.admit(1)
    channels = [
        begin(one, {m.Look: lambda _: views("closed", 3)}),
        begin(other, {m.Look: lambda _: views("open", 4)}),
    ]
    told = [await detail(channel) for channel in channels]
    assert [each["targets"] for each in told] == [told[0]["targets"]] * 2
    fast = told[0]["targets"]["fast"]
    assert (fast["state"], fast["workers"], fast["calls"]) == ("open", {"closed": 1, "open": 1}, 7)
    assert [worker["answered"] for worker in told[0]["workers"]] == [True, True]


async def test_a_worker_that_does_not_tell_is_left_out_and_named(office: Office) -> None:
    asking, mute, starting = [await office.admit(number) for number in range(3)]

    def refuse(_message: m.Look) -> None:
        raise StoreFailed("busy")

    channel = begin(asking, {m.Look: lambda _: views("closed", 3)})
    begin(mute, {m.Look: refuse})
    told = await detail(channel)
    assert (told["targets"]["fast"]["workers"], told["targets"]["fast"]["calls"]) == ({"closed": 1}, 3)
    assert [worker["answered"] for worker in told["workers"]] == [True, False, False]
    assert not starting.ready


async def test_a_worker_that_dies_meanwhile_is_not_among_them(office: Office) -> None:
    asking, dying = await office.admit(0), await office.admit(1)

    def die(_message: m.Look) -> dict[str, View]:
        office.dismiss(dying)
        return {}

    channel = begin(asking, {m.Look: lambda _: views("closed", 3)})
    begin(dying, {m.Look: die})
    assert [worker["worker"] for worker in (await detail(channel))["workers"]] == [0]
