"""A stream in a program: text part by part, and in the end all that a whole answer tells."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from typing import Any

import pytest

from penstock.core.call import CANCELLED
from penstock.core.policy import NO_RETRY
from penstock.core.ports import Fault
from penstock.llm import (
    LLM,
    AsyncTextStream,
    Generation,
    LLMError,
    LLMFactory,
    LLMInvalidRequestError,
    LLMServiceError,
    TextStream,
)
from penstock.providers import SimulatedTransport

HELLO = 'Simulated answer from main to: "Hello"'


def created(model: str = "simulated/main", *, kind: str = "", **options: Any) -> LLM:
    fault = Fault(kind=kind) if kind else None
    return LLMFactory.create_llm(model, retry=NO_RETRY, connect=lambda: SimulatedTransport(failure=fault), **options)


def told_by(stream: TextStream | AsyncTextStream) -> Generation:
    assert stream.generation is not None
    return stream.generation


async def test_a_stream_that_has_ended_tells_what_a_whole_answer_tells() -> None:
    async with created(cost_per_1k_tokens_usd=(0.001, 0.01)) as llm:
        whole = await llm.async_generate("Hello")
        stream = llm.astream("Hello")
        parts = [part async for part in stream if stream.generation is None]
    told = told_by(stream)
    assert len(parts) > 1
    assert "".join(parts) == told.text == whole.text == HELLO
    assert (told.usage, told.cost_usd, told.finish_reason) == (whole.usage, whole.cost_usd, "stop")
    assert (told.model, told.provider, len(told.attempts)) == ("main", "simulated", 1)
    assert not told.usage.estimated
    assert (told.body, told.raw) == (b"", {})


def test_so_does_one_that_is_read_without_a_loop() -> None:
    with created(cost_per_1k_tokens_usd=1.0) as llm:
        whole, stream = llm.generate("Hello"), llm.stream("Hello")
        assert "".join(stream) == HELLO
        told = told_by(stream)
        assert (told.text, told.usage, told.cost_usd) == (HELLO, whole.usage, whole.cost_usd)
        assert list(stream) == []


async def test_who_answered_in_the_end_is_told() -> None:
    async with created(kind="error_500", fallback="simulated/other", degrade="Later.") as llm:
        stream = llm.astream("Hello")
        assert [part async for part in stream]
        told = told_by(stream)
    assert (told.model, told.fallback_used, told.degraded) == ("other", True, False)
    assert [each.error_code for each in told.attempts] == ["upstream_unavailable", None]
    async with created(kind="error_500", degrade="Later.") as llm:
        stream = llm.astream("Hello")
        assert [part async for part in stream] == ["Later."]
    assert told_by(stream).degraded


async def test_a_race_is_told_with_its_loser() -> None:
    async with created(kind="hang", soft_timeout_s=0.01, fallback="simulated/other") as llm:
        stream = llm.astream("Hello")
        assert [part async for part in stream]
    assert [each.error_code for each in told_by(stream).attempts] == [CANCELLED, None]


async def test_one_that_broke_off_tells_what_it_has_used() -> None:
    async with created(kind="cut", cost_per_1k_tokens_usd=1.0) as llm:
        stream = llm.astream("Hello")
        read = [await anext(stream), await anext(stream)]
        with pytest.raises(LLMServiceError):
            read += [part async for part in stream]
    told = told_by(stream)
    assert told.text.startswith("".join(read))
    assert told.finish_reason is None
    assert told.usage.estimated
    assert told.usage.output_tokens > 0
    assert told.cost_usd == pytest.approx((told.usage.input_tokens + told.usage.output_tokens) / 1000)


async def test_one_that_was_closed_early_tells_what_was_read() -> None:
    async with created() as llm, aclosing(llm.astream("Hello")) as stream:
        first = await anext(stream)
        await stream.aclose()
        assert told_by(stream).text == first
        assert [part async for part in stream] == []


def test_so_does_one_that_was_closed_without_a_loop() -> None:
    with created() as llm, closing(llm.stream("Hello")) as stream:
        first = next(stream)
        stream.close()
        assert told_by(stream).text == first
        assert list(stream) == []
        stream.close()


async def test_without_an_answer_there_is_nothing_to_tell() -> None:
    async with created(kind="error_500") as llm:
        stream = llm.astream("Hello")
        with pytest.raises(LLMServiceError):
            await anext(stream)
    assert stream.generation is None


async def test_nobody_is_asked_before_it_is_read() -> None:
    async with created() as llm:
        wrong = llm.astream("Hello", temperature=3)
        await llm.astream("Hello").aclose()
        with pytest.raises(LLMInvalidRequestError, match="from 0 to 2"):
            await anext(wrong)


def test_one_that_outlives_its_llm_says_so_once_and_may_be_closed() -> None:
    with created() as llm:
        stream = llm.stream("Hello")
        next(stream)
    with pytest.raises(LLMError, match="closed"):
        next(stream)
    assert list(stream) == []
    stream.close()


async def test_one_that_is_cancelled_is_over() -> None:
    async with created(kind="hang") as llm:
        stream = llm.astream("Hello")
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        assert [part async for part in stream] == []
    assert stream.generation is None
