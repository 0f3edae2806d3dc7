"""A mirrored call is answered as if it were not: its copy has no say in anything, and is brought to its end."""

from __future__ import annotations

import asyncio

from penstock.core.answer import CANCEL, END, Answer
from penstock.core.call import Call
from penstock.core.errors import UpstreamUnavailable
from penstock.core.plan import Mirror, Use
from penstock.resilience import Dispatch, Shadows
from penstock.resilience.mirror import mirror
from support.calls import complete_answer, delta, finished, make_call
from support.targets import PlainChoices


async def answering(_call: Call) -> Answer:
    return complete_answer()


async def failing(_call: Call) -> Answer:
    raise UpstreamUnavailable("500")


async def test_the_main_plan_answers_and_the_call_is_handed_on() -> None:
    copied: list[Call] = []
    call = make_call()
    answer = await mirror(answering, copied.append)(call)
    assert (answer.body, copied) == (b'{"ok":true}', [call])


async def test_a_plan_that_mirrors_asks_the_main_target_alone() -> None:
    dispatch = Dispatch({"main": answering, "copy": failing}, lambda *_: complete_answer(), PlainChoices())
    answer = await dispatch(make_call(plan=Mirror(Use("main"), Use("copy"))))
    assert answer.body == b'{"ok":true}'


async def test_a_copys_answer_is_read_to_its_end() -> None:
    whole, stream = complete_answer(), Answer("openai")

    async def send(answer: Answer, shadows: Shadows) -> None:
        async def handler(_call: Call) -> Answer:
            return answer

        assert shadows.send(handler, make_call())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    shadows = Shadows()
    await send(whole, shadows)
    assert (whole.outcome, len(shadows)) == (END, 0)
    stream.feed([delta("first")])
    await send(stream, shadows)
    stream.feed([delta("second"), finished()])
    assert (stream.outcome, len(shadows)) == (None, 1)
    stream.end()
    await asyncio.sleep(0.01)
    assert (stream.outcome, len(shadows)) == (END, 0)


async def test_a_copy_that_fails_troubles_nobody() -> None:
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    shadows = Shadows()
    assert shadows.send(failing, make_call())
    await asyncio.sleep(0.01)
    assert (len(shadows), troubles) == (0, [])


async def test_there_are_only_so_many_and_those_under_way_are_given_up_at_the_end() -> None:
    cancelled = 0
    stream = Answer("openai")

    async def hanging(_call: Call) -> Answer:
        nonlocal cancelled
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled += 1
            raise
        raise AssertionError

    async def streaming(_call: Call) -> Answer:
        return stream

    shadows = Shadows(most=2)
    assert [shadows.send(each, make_call()) for each in (hanging, streaming, hanging)] == [True, True, False]
    await asyncio.sleep(0.01)
    await shadows.aclose()
    assert (cancelled, stream.outcome, shadows.left_out, len(shadows)) == (1, CANCEL, 1, 0)
