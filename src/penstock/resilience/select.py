"""``select`` and ``split``: one of several, by how they do or by weight. Others decide; here the choice is followed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.plan import Ranking
from penstock.resilience.first import Trial, first


def select(targets: Mapping[str, Handler], rank: Callable[[], Ranking], trials: Mapping[str, Trial]) -> Handler:
    """Ask ``targets`` in the order that ``rank`` gives now, the next one where one fails or is on trial."""

    def handle(call: Call) -> Awaitable[Answer]:
        ranking = rank()
        call.trail.ranked += ranking.tries
        call.trail.skipped += ranking.excluded
        order = [ranked.target for ranked in ranking.tries]
        # With nobody after it the last one has its time.
        after = [*(trials[alias] for alias in order[:-1]), None]
        return first([targets[alias] for alias in order], after)(call)

    return handle


def split(arms: Sequence[Handler], arm: Callable[[Call], int]) -> Handler:
    """Ask the one arm that ``arm`` gives the call; nobody stands in for it, or an experiment would not be one."""

    def handle(call: Call) -> Awaitable[Answer]:
        return arms[arm(call)](call)

    return handle
