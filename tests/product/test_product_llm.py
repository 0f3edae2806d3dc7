"""The Python API against an upstream on a real socket that does what it should not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock.core.policy import BreakerPolicy, Care
from penstock.llm import LLM, LLMFactory, LLMRateLimitError, LLMServiceError, LLMTimeoutError
from support import faults
from support.upstream_server import Reply, Upstream, at_first, upstream_server

CARE = Care(breaker=BreakerPolicy(failures=1_000_000), retry_floor=1_000_000)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with upstream_server() as upstream:
        yield upstream


def created(upstream: Upstream, **options: Any) -> LLM:
    base_url = f"http://127.0.0.1:{upstream.port}/v1"
    return LLMFactory.create_llm("openai/gpt-4o", base_url=base_url, **({"care": CARE} | options))


async def test_it_speaks_as_the_gateway_does(upstream: Upstream) -> None:
    async with created(upstream, api_key="sk-test-1") as llm:
        answer = await llm.async_generate("Hello", max_tokens=7, seed=3)
    (asked,) = upstream.asked
    assert asked.head.startswith("POST /v1/chat/completions ")
    assert asked.headers["authorization"] == "Bearer sk-test-1"
    assert asked.json == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hello"}],
        "seed": 3,
        "max_completion_tokens": 7,
    }
    assert (answer.text, answer.usage.input_tokens, answer.raw["vendor_extra"]) == ("Hi.", 5, {"kept": True})


async def test_a_key_of_the_environment_is_shown_to_its_provider_alone(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-1")
    async with created(upstream) as llm:
        await llm.async_generate("Hello")
    assert "authorization" not in upstream.asked[0].headers


async def test_azure_is_known_by_the_variable_of_its_sdk(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-1")
    base_url = f"http://127.0.0.1:{upstream.port}/openai/v1"
    async with LLMFactory.create_llm("azure/deployment", base_url=base_url) as llm:
        await llm.async_generate("Hello")
    assert upstream.asked[0].headers["api-key"] == "key-1"


async def test_transient_errors_are_asked_again(upstream: Upstream) -> None:
    upstream.reply = at_first(2, faults.internal_error)
    async with created(upstream) as llm:
        answer = await llm.async_generate("Hello")
    assert (answer.text, len(upstream.asked), answer.fallback_used) == ("Hi.", 3, False)
    assert [each.error_code for each in answer.attempts] == ["upstream_unavailable", "upstream_unavailable", None]


async def test_a_provider_is_given_the_rest_that_it_wants(upstream: Upstream) -> None:
    upstream.reply = at_first(1, faults.too_many_requests(0.5))
    async with created(upstream) as llm:
        await llm.async_generate("Hello")
    first, second = upstream.asked
    assert second.at_s - first.at_s >= 0.5


async def test_a_wish_for_more_than_is_bearable_is_told(upstream: Upstream) -> None:
    upstream.reply = faults.too_many_requests(30)
    async with created(upstream) as llm:
        with pytest.raises(LLMRateLimitError) as raised:
            await llm.async_generate("Hello")
    assert (raised.value.retry_after_s, len(upstream.asked)) == (30, 1)


async def test_where_nobody_listens_the_fallback_answers(upstream: Upstream) -> None:
    await upstream.stop()
    async with created(upstream, fallback="simulated/small") as llm:
        answer = await llm.async_generate("Hello")
    assert (answer.provider, len(answer.attempts)) == ("simulated", 4)


@pytest.mark.parametrize(
    "fault", [faults.reset_at_once, faults.html_page, faults.error_in_200, faults.head_then_reset, faults.error_event]
)
async def test_a_stream_that_does_not_begin_is_the_fallbacks(upstream: Upstream, fault: Reply) -> None:
    upstream.reply = fault
    async with created(upstream, retry="none", fallback="simulated/small") as llm:
        parts = [part async for part in llm.astream("Hello")]
    assert "".join(parts) == 'Simulated answer from small to: "Hello"'


@pytest.mark.parametrize(
    "fault", [faults.reset_midway, faults.an_end_without_done, faults.malformed_event, faults.error_event_midway]
)
async def test_a_stream_that_breaks_off_is_told_and_never_passed_off_as_whole(upstream: Upstream, fault: Reply) -> None:
    upstream.reply = fault
    async with created(upstream, fallback="simulated/small", degrade="Later.") as llm:
        parts = llm.astream("Hello")
        assert await anext(parts) == "half"
        with pytest.raises(LLMServiceError):
            await anext(parts)
    assert len(upstream.asked) == 1


async def test_a_stream_that_falls_silent_ends_with_its_time(upstream: Upstream) -> None:
    upstream.reply = faults.silence_midway
    async with created(upstream, timeout_s=0.2) as llm:
        parts = llm.astream("Hello")
        assert await anext(parts) == "half"
        with pytest.raises(LLMTimeoutError):
            await anext(parts)
    await asyncio.wait_for(upstream.dropped.wait(), 5)


# --- connections ---


async def test_a_connection_is_used_again_and_closed_in_the_end(upstream: Upstream) -> None:
    async with created(upstream) as llm:
        for _ in range(3):
            await llm.async_generate("Hello")
            assert [part async for part in llm.astream("Hello")] == ["Hi."]
        assert upstream.connections == 1
    await asyncio.wait_for(upstream.deserted(), 5)


async def test_a_loop_that_ends_takes_its_connections_with_it(upstream: Upstream) -> None:
    llm = created(upstream)
    for _ in range(2):
        answer = await asyncio.to_thread(lambda: asyncio.run(llm.async_generate("Hello")))
        assert answer.text == "Hi."
        await asyncio.wait_for(upstream.deserted(), 5)


async def test_who_stops_reading_frees_the_connection(upstream: Upstream) -> None:
    upstream.reply = faults.endless_words
    async with created(upstream) as llm:
        async for _ in llm.astream("Hello"):
            break
        await asyncio.wait_for(upstream.deserted(), 5)


async def test_so_does_who_stops_without_a_loop(upstream: Upstream) -> None:
    upstream.reply = faults.endless_words

    def read_one(llm: LLM) -> None:
        for _ in llm.stream("Hello"):
            break

    with created(upstream) as llm:
        await asyncio.to_thread(read_one, llm)
        await asyncio.wait_for(upstream.deserted(), 5)


@pytest.mark.parametrize("fault", [faults.silence, faults.head_then_silence, faults.endless_words])
async def test_calls_that_are_cancelled_leave_nothing_behind(upstream: Upstream, fault: Reply) -> None:
    upstream.reply = fault

    async def read(llm: LLM) -> None:
        async for _ in llm.astream("Hello"):
            pass

    async with created(upstream, soft_timeout_s=0.01, fallback_timeout_s=None) as llm, created(upstream) as fallback:
        llm.set_fallback_llm(fallback)
        calls = [asyncio.ensure_future(read(llm)) for _ in range(20)]
        while len(upstream.asked) < 20:  # noqa: ASYNC110 - the count is the event
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await asyncio.wait_for(upstream.deserted(), 5)
