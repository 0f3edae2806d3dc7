"""What concerns all workers of a gateway together."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from penstock.app.member import Member
from penstock.app.office import Office
from penstock.app.owned import OwnedStore
from penstock.stores.remote import messages as m
from penstock.stores.remote.channel import Channel
from penstock.telemetry import Totals, build_logger
from support.configs import WHOLE, load_text
from support.linked import link, make_channel


async def test_a_worker_that_dies_during_a_scrape_is_counted_once(tmp_path: Path) -> None:
    settings = load_text(tmp_path, WHOLE, {"PENSTOCK_STORE_URL": f"sqlite:///{tmp_path}/penstock.db"})
    logger = build_logger(io.StringIO(), style="json")
    owned = await OwnedStore.open(settings, b"a pepper of thirty-two characters", logger)
    try:
        office = Office(owned, settings, WHOLE, logger)
        asking, dying = await office.admit(0), await office.admit(1)
        channel = begin(asking, Totals(auth_failures=1), lambda: None)
        begin(dying, Totals(auth_failures=10), lambda: office.dismiss(dying))
        text = await channel.ask(m.Scrape(), bytes)
    finally:
        await owned.aclose()
    assert b"penstock_auth_failures_total 11.0" in text


def begin(member: Member, totals: Totals, on_report: Any) -> Channel:
    """A worker's end; ``on_report`` is called as its report is asked for."""
    member.totals = totals

    def report(_message: m.Report) -> Totals:
        on_report()
        return totals

    channel = make_channel({m.Report: report})
    link(member.channel, channel)
    return channel
