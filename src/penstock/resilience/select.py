"""``select`` and ``split``: one of several, by how they do or by weight. Others decide; here the choice is followed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.plan import Ranking
from penstock.resilience.first import first


def select(targets: Mapping[str, Handler], rank: Callable[[], Ranking]) -> Handler:
    """Ask ``targets`` in the order that ``rank`` gives now, the next one where one fails."""

    def handle(call: Call) -> Awaitable[Answer]:
        ranking = rank()
        call.trail.ranked += ranking.tries
        call.trail.skipped += ranking.excluded
        return first([targets[ranked.target] for ranked in ranking.tries])(call)

    return handle


def split(arms: Sequence[Handler], arm: Callable[[Call], int]) -> Handler:
    """Ask the one arm that ``arm`` gives the call; nobody stands in for it, or an experiment would not be one."""

    def handle(call: Call) -> Awaitable[Answer]:
        return arms[arm(call)](call)

    return handle
