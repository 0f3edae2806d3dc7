"""The chain enters stages in order, marks when and tells them of the end; each class of the error tree is complete; plans tell their targets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from penstock.core import errors
from penstock.core.answer import DISCONNECT, END, Answer, Outcome
from penstock.core.call import Attempt, Call, Usage
from penstock.core.chain import Handler, chain
from penstock.core.plan import Degrade, First, Mirror, Race, Split, Use, plan_targets
from support.calls import complete_answer, make_call


class Passing:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self._log = log

    async def __call__(self, call: Call, proceed: Handler) -> Answer:
        self._log.append(f"{self.name} in")
        answer = await proceed(call)
        self._log.append(f"{self.name} out")
        return answer


async def test_stages_wrap_each_other_in_the_order_given_and_leave_marks() -> None:
    log: list[str] = []

    async def end(call: Call) -> Answer:
        assert call.model == "fast"
        log.append("end")
        call.trail.attempts.append(Attempt("fast", "p", "m", 1.0))
        return complete_answer()

    call = make_call()
    await chain((Passing("outer", log), Passing("inner", log)), end)(call)
    assert log == ["outer in", "inner in", "end", "inner out", "outer out"]
    assert call.trail.stages == ("outer", "inner", "dispatch")
    assert len(call.trail.marks) == 3
    assert call.trail.marks == sorted(call.trail.marks)


async def test_a_stage_that_answers_without_asking_anyone_is_marked_as_over() -> None:
    async def end(_call: Call) -> Answer:
        return complete_answer()

    call = make_call()
    await chain((), end)(call)
    assert len(call.trail.marks) == 2


class Closing:
    """Tells ``log`` how the call ended."""

    def __init__(self, name: str, log: list[str], error: Exception | None = None) -> None:
        self.name = name
        self._log = log
        self._error = error

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        call.trail.endings.append(self._ended)
        return proceed(call)

    def _ended(self, call: Call, outcome: Outcome) -> None:
        tokens = None if call.trail.reported is None else call.trail.reported.output_tokens
        self._log.append(f"{self.name} {outcome.kind} {call.trail.answered} {tokens}")
        if self._error is not None:
            raise self._error


async def test_endings_are_told_once_inner_first_when_the_answer_ends() -> None:
    log: list[str] = []

    async def end(_call: Call) -> Answer:
        return complete_answer(usage=Usage(1, 2))

    answer = await chain((Closing("outer", log), Closing("inner", log)), end)(make_call())
    assert log == []
    answer.close(DISCONNECT)
    answer.close(END)
    assert log == ["inner disconnect True 2", "outer disconnect True 2"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(errors.Unavailable("no"), "error"), (ValueError("bug"), "error"), (asyncio.CancelledError(), "cancel")],
)
async def test_endings_are_told_when_no_answer_comes_and_a_failing_one_stops_nobody(
    error: BaseException, kind: str
) -> None:
    log: list[str] = []
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))

    async def end(_call: Call) -> Answer:
        raise error

    with pytest.raises(type(error)):
        await chain((Closing("outer", log), Closing("inner", log, ValueError("bug"))), end)(make_call())
    assert log == [f"inner {kind} False None", f"outer {kind} False None"]
    assert reported == ["a close hook failed"]


def test_retries_are_attempts_beyond_the_first_at_each_target() -> None:
    trail = make_call().trail
    for target in ("a", "a", "a", "b"):
        trail.attempts.append(Attempt(target, "p", "m", 1.0, "upstream_unavailable"))
    assert trail.retry_count == 2


def _all_subclasses(kind: type[errors.PenstockError]) -> set[type[errors.PenstockError]]:
    return {kind}.union(*(_all_subclasses(child) for child in kind.__subclasses__()))


def test_every_error_has_a_code_of_its_own_and_a_status_that_clients_know() -> None:
    kinds = _all_subclasses(errors.PenstockError)
    # What groups others, to be caught together, is never raised itself and needs none.
    codes = [kind.code for kind in kinds if "code" in vars(kind) or not kind.__subclasses__()]
    assert len(codes) == len(set(codes))
    assert all(400 <= kind.status < 600 and kind.type for kind in kinds)
    # A mistake of the caller is never asked again at the same target.
    assert not any(
        kind.retryable for kind in kinds if kind.status < 500 and not issubclass(kind, errors.UpstreamRateLimited)
    )


def test_plans_name_their_targets_once_in_order() -> None:
    plan = First((Use("a"), Race(Use("b"), Use("a"), 1.5), Split((Use("c"),), (1.0,)), Degrade("later")))
    assert plan_targets(plan) == ("a", "b", "c")
    assert plan_targets(Mirror(Use("x"), Use("y"))) == ("x", "y")
