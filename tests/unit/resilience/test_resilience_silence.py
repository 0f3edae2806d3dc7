"""A stream that falls silent, crawls or outlives its deadline ends with an error; a slow client is no slow provider."""

from __future__ import annotations

import asyncio

import pytest

from penstock.core.answer import CANCEL, Answer, Outcome
from penstock.core.errors import DeadlineExceeded, UpstreamTimeout
from penstock.core.policy import TimeLimits
from penstock.resilience.silence import SilenceWatch
from support.calls import ListSink, delta

WINDOW_S = 0.05


class Writing:
    """A stream's source in the hands of the test."""

    def __init__(self, *, idle_gap_s: float = 1.0, left_s: float = 10.0, min_tokens_per_s: float | None = None) -> None:
        self.tokens = 0
        self.answer = Answer("openai", source=self)
        self.sink = ListSink()
        self.write(1)
        limits = TimeLimits(total_s=10.0, first_content_s=1.0, idle_gap_s=idle_gap_s, min_tokens_per_s=min_tokens_per_s)
        SilenceWatch(self.answer, limits, left_s=left_s, speed_window_s=WINDOW_S)
        self.answer.attach(self.sink)

    def write(self, tokens: int) -> None:
        self.tokens += tokens
        self.answer.feed([delta("word")])

    async def write_on(self, tokens_per_s: float, for_s: float) -> None:
        """At an even pace, however late the loop is."""
        began_s, before = asyncio.get_running_loop().time(), self.tokens
        while (passed_s := asyncio.get_running_loop().time() - began_s) < for_s and self.sink.outcome is None:
            self.write(max(round(passed_s * tokens_per_s) - (self.tokens - before), 0))
            await asyncio.sleep(0.005)

    async def ended(self) -> Outcome:
        async with asyncio.timeout(2):
            await self.sink.done.wait()
        assert self.sink.outcome is not None
        return self.sink.outcome

    def written_tokens(self) -> int:
        return self.tokens

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def close(self) -> None:
        pass


async def test_a_stream_that_falls_silent_ends_with_an_error() -> None:
    outcome = await Writing(idle_gap_s=0.02).ended()
    assert isinstance(outcome.error, UpstreamTimeout)


async def test_a_stream_past_its_deadline_ends_with_an_error() -> None:
    stream = Writing(left_s=0.05)
    await stream.write_on(1000, for_s=1)
    assert isinstance((await stream.ended()).error, DeadlineExceeded)


async def test_a_pause_of_the_client_is_not_the_upstreams_silence() -> None:
    stream = Writing(idle_gap_s=0.03)
    stream.answer.pause()
    await asyncio.sleep(0.08)
    assert stream.sink.outcome is None
    stream.answer.resume()
    await stream.ended()


async def test_the_watch_ends_with_its_stream() -> None:
    stream = Writing(idle_gap_s=0.02)
    stream.answer.close(CANCEL)
    await asyncio.sleep(0.05)
    assert stream.sink.outcome is None


async def test_a_stream_that_crawls_is_given_up_though_it_is_never_silent() -> None:
    stream = Writing(min_tokens_per_s=400)
    await stream.write_on(100, for_s=1)
    outcome = await stream.ended()
    assert isinstance(outcome.error, UpstreamTimeout)
    assert "400 tokens/s" in outcome.error.message


@pytest.mark.parametrize("least", [None, 100])
async def test_a_stream_that_is_quick_enough_goes_on(least: float | None) -> None:
    stream = Writing(min_tokens_per_s=least)
    await stream.write_on(1000, for_s=4 * WINDOW_S)
    assert stream.sink.outcome is None


async def test_speed_is_not_judged_while_the_client_holds_the_stream_back() -> None:
    stream = Writing(min_tokens_per_s=1000)
    for _ in range(6):
        stream.answer.pause()
        await asyncio.sleep(WINDOW_S / 4)
        stream.answer.resume()
        await asyncio.sleep(WINDOW_S / 4)
    assert stream.sink.outcome is None
    await stream.ended()
