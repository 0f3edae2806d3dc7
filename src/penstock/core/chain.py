"""Folding stages into one handler. Every stage, plan, provider and pool has the shape ``Handler``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Protocol, TypeAlias

from penstock.core.answer import CANCEL, Answer, Outcome, report
from penstock.core.call import Call
from penstock.core.errors import PenstockError

Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


class Stage(Protocol):
    """Does its part, then hands on to ``proceed``; ``name`` is what stage times and docs call it.

    What it must do however the call ends, it puts on the trail's ``endings`` before it proceeds.
    """

    name: str

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Answer the call, with or without ``proceed``."""


def chain(stages: Sequence[Stage], end: Handler) -> Handler:
    """One handler out of ``stages`` in their order, then ``end``, which dispatches.

    The call's trail learns the stages' names, and entering each leaves a mark there (``perf_counter`` seconds): the
    difference of two marks is what the outer of both did before it went on. When the answer ends, or the call without
    one, the trail's endings are told, inner stages first.
    """
    first = _entered(end)
    for stage in reversed(stages):
        first = _staged(stage.__call__, first)
    names = (*(stage.name for stage in stages), "dispatch")

    async def handle(call: Call) -> Answer:
        trail = call.trail
        trail.stages = names
        try:
            answer = await first(call)
        except BaseException as error:
            _mark_answer(call)
            _end(call, _outcome(error))
            raise
        _mark_answer(call)
        trail.answered = True

        def ended(outcome: Outcome) -> None:
            trail.reported = answer.usage
            _end(call, outcome)

        answer.on_close(ended)
        return answer

    return handle


def _staged(work: Callable[[Call, Handler], Awaitable[Answer]], proceed: Handler) -> Handler:
    def enter(call: Call) -> Awaitable[Answer]:
        call.trail.marks.append(perf_counter())
        return work(call, proceed)

    return enter


def _entered(end: Handler) -> Handler:
    def enter(call: Call) -> Awaitable[Answer]:
        call.trail.marks.append(perf_counter())
        return end(call)

    return enter


def _mark_answer(call: Call) -> None:
    """The stage that answered without asking anyone is over now; one that asked spent the time waiting."""
    if not call.trail.attempts:
        call.trail.marks.append(perf_counter())


def _outcome(error: BaseException) -> Outcome:
    if isinstance(error, PenstockError):
        return Outcome("error", error)
    return Outcome("error", PenstockError("")) if isinstance(error, Exception) else CANCEL


def _end(call: Call, outcome: Outcome) -> None:
    endings = call.trail.endings
    while endings:
        try:
            endings.pop()(call, outcome)
        except Exception as error:  # noqa: BLE001 - one stage's fault must not keep the next from settling
            report(error)
