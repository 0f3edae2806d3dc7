"""Folding stages into one handler. Every stage, plan, provider and pool has the shape ``Handler``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Protocol, TypeAlias

from penstock.core.answer import Answer
from penstock.core.call import Call

Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


class Stage(Protocol):
    """Does its part, then awaits ``proceed``; ``name`` is what stage times and docs call it."""

    name: str

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Answer the call, with or without ``proceed``."""


def chain(stages: Sequence[Stage], end: Handler) -> Handler:
    """One handler out of ``stages`` in their order, then ``end``, which dispatches.

    The call's trail learns the stages' names, and entering each leaves a mark there (``perf_counter`` seconds): the
    difference of two marks is what the outer of both did before it went on.
    """
    handler: Handler = partial(_dispatch, end)
    for stage in reversed(stages):
        handler = partial(_enter, stage, handler)
    return partial(_begin, (*(stage.name for stage in stages), "dispatch"), handler)


def _begin(names: tuple[str, ...], first: Handler, call: Call) -> Awaitable[Answer]:
    call.trail.stages = names
    return first(call)


def _enter(stage: Stage, proceed: Handler, call: Call) -> Awaitable[Answer]:
    call.trail.marks.append(perf_counter())
    return stage(call, proceed)


def _dispatch(end: Handler, call: Call) -> Awaitable[Answer]:
    call.trail.marks.append(perf_counter())
    return end(call)
