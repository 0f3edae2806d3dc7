"""An LLM in a program: retries, fallback, race and last resort as in the gateway, told by the answer itself."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from penstock.core.call import CANCELLED
from penstock.core.policy import BreakerPolicy, Care, RetryPolicy
from penstock.core.ports import Endpoint, Fault, HttpResponse, Send
from penstock.llm import (
    LLM,
    LLMConfigurationError,
    LLMContentBlockedError,
    LLMContextLengthError,
    LLMError,
    LLMFactory,
    LLMInvalidRequestError,
    LLMRateLimitError,
    LLMServiceError,
    LLMTimeoutError,
)
from penstock.providers import SimulatedTransport
from support.server import environment
from support.upstreams import ScriptedResponse

AT_ONCE = RetryPolicy(name="at_once", delays_s=(0.0, 0.0), jitter_s=0.0, max_retry_after_s=0.0)
PATIENT_CARE = Care(breaker=BreakerPolicy(failures=1_000_000), retry_floor=1_000_000)


def simulated(kind: str = "", **options: Any) -> Callable[[], SimulatedTransport]:
    fault = Fault(kind=kind) if kind else None
    return lambda: SimulatedTransport(failure=fault, **options)


class Refusing:
    """An upstream that answers everything with the same refusal; ``asked`` counts."""

    def __init__(self, status: int, body: bytes = b"{}") -> None:
        self.asked = 0
        self._status = status
        self._body = body

    def bind(self, endpoint: Endpoint) -> Send:
        del endpoint

        async def send(_: bytes, _lines: bytes = b"", /) -> HttpResponse:
            self.asked += 1
            return ScriptedResponse(self._status, self._body)

        return send

    async def aclose(self) -> None:
        """Nothing is held open."""


def created(model: str = "simulated/main", **options: Any) -> LLM:
    return LLMFactory.create_llm(model, **({"retry": AT_ONCE, "care": PATIENT_CARE} | options))


@pytest.fixture
def fallback() -> Iterator[LLM]:
    with created("simulated/other", cost_per_1k_tokens_usd=1.0) as llm:
        yield llm


# --- an answer ---


async def test_a_prompt_is_answered_and_the_answer_says_how() -> None:
    async with created(cost_per_1k_tokens_usd=(0.001, 0.01)) as llm:
        answer = await llm.async_generate("Tell me about the sea.", max_tokens=3)
    assert answer.text == "Simulated answer from "
    assert (answer.model, answer.provider, answer.finish_reason) == ("main", "simulated", "length")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (6, 3)
    assert answer.cost_usd == pytest.approx(6 * 0.001 / 1000 + 3 * 0.01 / 1000)
    assert [each.error_code for each in answer.attempts] == [None]
    assert (answer.fallback_used, answer.degraded) == (False, False)
    assert answer.raw["model"] == "simulated/main"


async def test_messages_and_parameters_are_those_of_chat_completions() -> None:
    tool = {"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}}
    async with created() as llm:
        answer = await llm.async_generate([{"role": "user", "content": "When is high tide?"}], tools=[tool])
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")
    assert answer.raw["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "tide"


async def test_a_price_that_nobody_gave_is_not_taken_for_nothing(fallback: LLM) -> None:
    async with created(fallback=fallback, connect=simulated("error_500")) as llm:
        assert (await llm.async_generate("Hello")).cost_usd is None
    async with created(cost_per_1k_tokens_usd=0.0) as llm:
        assert (await llm.async_generate("Hello")).cost_usd == 0.0


# --- retry and fallback ---


async def test_the_fallback_answers_once_retries_are_spent(fallback: LLM) -> None:
    async with created(connect=simulated("error_500")) as llm:
        llm.set_fallback_llm(fallback)
        answer = await llm.async_generate("Hello")
    assert answer.fallback_used
    assert (answer.model, answer.raw["model"]) == ("other", "simulated/other")
    asked = [(each.model, each.error_code) for each in answer.attempts]
    assert asked == [("main", "upstream_unavailable")] * 3 + [("other", None)]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_after_a_permanent_error_it_answers_at_once(fallback: LLM, status: int) -> None:
    upstream = Refusing(status)
    async with created(fallback=fallback, connect=lambda: upstream) as llm:
        assert (await llm.async_generate("Hello")).model == "other"
    assert upstream.asked == 1


async def test_a_named_fallback_is_created_too() -> None:
    async with created(fallback="simulated/other", connect=simulated("malformed")) as llm:
        assert (await llm.async_generate("Hello")).model == "other"


async def test_a_fallback_may_have_one() -> None:
    second = created("simulated/second", fallback="simulated/third", connect=simulated("error_500"), retry="none")
    async with created(fallback=second, connect=simulated("error_500"), retry="none") as llm, second:
        answer = await llm.async_generate("Hello")
    assert [each.model for each in answer.attempts] == ["main", "second", "third"]


def test_no_fallback_leads_back(fallback: LLM) -> None:
    with created(fallback=fallback) as llm:
        with pytest.raises(ValueError, match="fallback of its own fallback"):
            fallback.set_fallback_llm(llm)
        with pytest.raises(ValueError, match="fallback of its own fallback"):
            llm.set_fallback_llm(llm)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b"{}", LLMInvalidRequestError),
        (422, b"{}", LLMInvalidRequestError),
        (400, b'{"error": {"code": "content_filter"}}', LLMContentBlockedError),
    ],
)
async def test_the_callers_own_mistake_is_told_and_nobody_else_asked(
    status: int, body: bytes, error: type[LLMError]
) -> None:
    upstream, other = Refusing(status, body), Refusing(500)
    second = created("simulated/other", connect=lambda: other)
    async with created(fallback=second, connect=lambda: upstream, degrade="Later.") as llm:
        with pytest.raises(error):
            await llm.async_generate("Hello")
    assert (upstream.asked, other.asked) == (1, 0)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b"{}", LLMRateLimitError),
        (500, b"{}", LLMServiceError),
        (503, b"{}", LLMServiceError),
        (200, b"<html>", LLMServiceError),
        (401, b"{}", LLMConfigurationError),
        (404, b"{}", LLMConfigurationError),
        (400, b'{"error": {"code": "context_length_exceeded"}}', LLMContextLengthError),
    ],
)
async def test_what_a_provider_says_has_a_name(status: int, body: bytes, error: type[LLMError]) -> None:
    async with created(connect=lambda: Refusing(status, body), retry="none") as llm:
        with pytest.raises(error) as raised:
            await llm.async_generate("Hello")
    groups = {LLMRateLimitError, LLMServiceError, LLMTimeoutError, LLMConfigurationError, LLMInvalidRequestError}
    assert sum(isinstance(raised.value, group) for group in groups) == 1


async def test_a_breaker_that_is_open_is_a_service_error_and_outlives_the_loop() -> None:
    upstream = Refusing(500)
    llm = created(connect=lambda: upstream, retry="none", care=Care(breaker=BreakerPolicy(failures=2)))

    def ask() -> None:
        with pytest.raises(LLMServiceError):
            asyncio.run(llm.async_generate("Hello"))

    for _ in range(4):
        await asyncio.to_thread(ask)
    assert upstream.asked == 2


# --- time ---


async def test_a_hung_model_is_a_timeout() -> None:
    async with created(connect=simulated("hang"), retry="none", attempt_timeout_s=0.02) as llm:
        with pytest.raises(LLMTimeoutError):
            await llm.async_generate("Hello")
    async with created(connect=simulated("hang"), timeout_s=0.02) as llm:
        with pytest.raises(LLMTimeoutError):
            await llm.async_generate("Hello")


async def test_in_a_race_a_late_model_does_not_hold_up_the_answer(fallback: LLM) -> None:
    async with created(connect=simulated("hang"), soft_timeout_s=0.02, fallback=fallback) as llm:
        answer = await llm.async_generate("Hello")
        assert answer.model == "other"
        assert [each.error_code for each in answer.attempts] == [CANCELLED, None]
        parts = [part async for part in llm.astream("Hello")]
    assert "".join(parts) == 'Simulated answer from other to: "Hello"'


async def test_in_a_race_a_model_that_fails_is_not_asked_again(fallback: LLM) -> None:
    upstream = Refusing(500)
    async with created(connect=lambda: upstream, race=True, fallback=fallback) as llm:
        assert (await llm.async_generate("Hello")).fallback_used
    assert upstream.asked == 1


async def test_a_race_ends_with_the_fallbacks_time() -> None:
    late = created("simulated/other", connect=simulated("hang"))
    async with created(connect=simulated("hang"), race=True, soft_timeout_s=0.01, fallback_timeout_s=0.02) as llm, late:
        llm.set_fallback_llm(late)
        with pytest.raises(LLMTimeoutError):
            await llm.async_generate("Hello")


# --- the last resort ---


async def test_a_fixed_text_answers_in_the_end() -> None:
    async with created(connect=simulated("error_500"), degrade="We will come back to you.") as llm:
        answer = await llm.async_generate("Hello")
        parts = [part async for part in llm.astream("Hello")]
    assert (answer.text, answer.degraded, answer.provider) == ("We will come back to you.", True, "penstock")
    assert parts == ["We will come back to you."]


# --- synchronous use ---


def test_plain_code_needs_no_loop() -> None:
    with created() as llm:
        assert llm.predict("Hello") == 'Simulated answer from main to: "Hello"'
        assert "".join(llm.stream("Hello")) == llm.generate("Hello").text


async def test_nor_does_code_inside_a_running_one_have_to_await(fallback: LLM) -> None:
    with created(fallback=fallback, connect=simulated("error_500")) as llm:
        assert llm.predict("Hello") == 'Simulated answer from other to: "Hello"'
        assert "".join(llm.stream("Hello")) == llm.predict("Hello")


def test_threads_may_share_it() -> None:
    answered = count()

    def ask() -> None:
        for _ in range(10):
            assert llm.predict("Hello")
            next(answered)

    with created() as llm:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert next(answered) == 40


def test_closed_it_has_no_thread_and_can_be_asked_again() -> None:
    with created() as llm:
        llm.predict("Hello")
    assert serving() == 0
    llm.predict("Hello")
    llm.close()
    llm.close()
    assert serving() == 0


def test_a_fork_goes_on_with_a_thread_of_its_own() -> None:
    program = """
import os
from penstock.llm import LLMFactory
with LLMFactory.create_llm("simulated/any") as llm:
    llm.predict("Hello")
    child = os.fork()
    assert llm.predict("Hello")
    if child:
        assert os.waitpid(child, 0)[1] == 0
"""
    ran = subprocess.run([sys.executable, "-c", program], env=environment(), timeout=20, check=False)
    assert ran.returncode == 0


def test_dropped_it_has_no_thread_either() -> None:
    created().predict("Hello")
    gc.collect()
    assert serving() == 0


def test_what_is_under_way_when_it_is_closed_is_told_so() -> None:
    llm, failures = created(connect=simulated("hang")), list[Exception]()

    def ask() -> None:
        try:
            llm.generate("Hello")
        except LLMError as error:
            failures.append(error)

    stream = created(connect=simulated(latency_s=0.0))
    parts = stream.stream("Hello")
    next(parts)
    stream.close()
    with pytest.raises(LLMError, match="closed"):
        list(parts)
    thread = threading.Thread(target=ask)
    thread.start()
    while not serving():
        pass
    llm.close()
    thread.join()
    assert [str(failure) for failure in failures] == ["The LLM was closed before this was done: ask again."]


def serving() -> int:
    return sum(thread.name == "penstock-llm" for thread in threading.enumerate())
