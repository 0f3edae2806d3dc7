"""``race``: two handlers at the same call, the second later; the first good answer wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from penstock.core.answer import CANCEL, Answer, report
from penstock.core.call import CANCELLED, Call
from penstock.core.chain import Handler
from penstock.core.errors import DeadlineExceeded, PenstockError, UpstreamTimeout
from penstock.core.policy import NO_RETRY
from penstock.resilience.attempts import OUTRUN

# A cancelled task ends within a turn or two of the loop; nobody waits longer for one that does not.
_CALL_OFF_S = 0.25


def race(main: Handler, fallback: Handler, *, after_s: Callable[[], float], limit_s: float | None) -> Handler:
    """Ask ``main`` without retries, and ``fallback`` beside it after ``after_s()`` or once ``main`` has failed.

    A stream wins with its first content, a whole answer when it is complete; an error never wins while the other one
    may still answer. ``main`` may go on as long as ``fallback`` may: ``limit_s`` from the fallback's start, or to the
    call's deadline. The loser is cancelled, and what it has used stands in the trail's attempts to be billed.

    Raises the caller's own mistake if there was one, else the fallback's error, or ``UpstreamTimeout``.
    """

    async def handle(call: Call) -> Answer:
        runners = [asyncio.ensure_future(main(replace(call, retry=NO_RETRY)))]
        winner, slow = None, runners[:0]
        try:
            await asyncio.wait(runners, timeout=after_s())
            error = _error(runners[0]) if runners[0].done() else None
            if not runners[0].done() or (error is not None and moves_on(error)):
                runners.append(asyncio.ensure_future(fallback(call)))
            winner = await _soonest(runners, limit_s)
            slow = runners[:1]  # the fallback has begun later: it is not slow because the main one was sooner
        except UpstreamTimeout:
            slow = runners
            raise
        finally:
            await _call_off(runners, winner, slow, call)
        answer = winner.result()
        if len(runners) > 1:
            _credit(call, answer, by_fallback=winner is runners[1])
        return answer

    return handle


def moves_on(error: PenstockError) -> bool:
    """Whether another plan may do better: not with the caller's own mistakes; a fixed text needs no time at all."""
    return error.curable_elsewhere or isinstance(error, DeadlineExceeded)


async def _soonest(runners: Sequence[asyncio.Future[Answer]], limit_s: float | None) -> asyncio.Future[Answer]:
    """The runner whose answer, or when all have failed whose error, is the race's."""
    loop = asyncio.get_running_loop()
    until_s = None if limit_s is None or len(runners) == 1 else loop.time() + limit_s
    running = {runner for runner in runners if not runner.done()}
    while running:
        left_s = None if until_s is None else until_s - loop.time()
        done, running = await asyncio.wait(running, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise UpstreamTimeout(f"Neither the main model nor its fallback answered within {limit_s:g} s more.")
        for runner in runners:  # when both are there, the main one wins
            if runner in done and _error(runner) is None:
                return runner
    errors = [_error(runner) for runner in runners]
    mistakes = [runner for runner, error in zip(runners, errors, strict=True) if error and not moves_on(error)]
    return mistakes[0] if mistakes else runners[-1]


def _error(runner: asyncio.Future[Answer]) -> PenstockError | None:
    """Why a runner that is done has no answer. Raises what is no ``PenstockError``."""
    error = None if runner.cancelled() else runner.exception()
    if error is None or isinstance(error, PenstockError):
        return error
    raise error


async def _call_off(
    runners: Sequence[asyncio.Future[Answer]],
    winner: asyncio.Future[Answer] | None,
    slow: Sequence[asyncio.Future[Answer]],
    call: Call,
) -> None:
    """End all but the winner, and close the answers that they may have all the same.

    That of the winner too, if we are cancelled meanwhile: nobody would take it.
    """
    losers = [runner for runner in runners if runner is not winner]
    for runner in losers:
        runner.cancel(OUTRUN if runner in slow else None)
        runner.add_done_callback(partial(_discard, call))
    try:
        if losers:
            await asyncio.wait(losers, timeout=_CALL_OFF_S)
    except BaseException:
        if winner is not None:
            winner.add_done_callback(partial(_discard, call))
        raise


def _discard(call: Call, runner: asyncio.Future[Answer]) -> None:
    if runner.cancelled():
        return
    error = runner.exception()
    if error is None:
        answer, attempts = runner.result(), call.trail.attempts
        answer.close(CANCEL)
        if answer.attempt is not None:
            made = attempts[answer.attempt]
            attempts[answer.attempt] = replace(made, error_code=CANCELLED, usage=answer.usage)
    elif isinstance(error, Exception) and not isinstance(error, PenstockError):
        report(error)


def _credit(call: Call, answer: Answer, *, by_fallback: bool) -> None:
    """Put on the trail who has answered: the last to start is not always the one."""
    trail = call.trail
    trail.race_won_by = "fallback" if by_fallback else "main"
    trail.fallback_used = trail.fallback_used or by_fallback
    if answer.attempt is not None:
        made = trail.attempts[answer.attempt]
        trail.target, trail.provider, trail.model = made.target, made.provider, made.model
