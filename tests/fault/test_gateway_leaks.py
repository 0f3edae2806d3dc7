"""Calls that fail, time out and are left at any moment, over every plan: nothing of them stays behind."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from support import faults
from support.http1 import Served, request
from support.upstream_server import Asked, Reply, Upstream, complete, upstream_server
from support.whole_gateway import Whole, whole_gateway

# `LEAK_CALLS=10000 make test ARGS=tests/fault/test_gateway_leaks.py` is the long form.
CALLS = int(os.environ.get("LEAK_CALLS", "1500"))
CALLS_AT_ONCE = 64
AT_ONCE_BY_TARGET, AT_ONCE_BY_TASK = 16, 8
# A call that is left has its moment within this time: before the head, before content or in the middle.
PATIENCE_S = 0.08
SETTLED_S = 3.0
KEY = "sk-acme-" + "a" * 40
CONFIG = f"""
providers:
  main: {{kind: openai_compatible, base_url: "http://127.0.0.1:PORT/v1", api_key: $UPSTREAM_KEY}}
models:
  main: &model
    provider: main
    model_id: real-model
    cost_per_1k_tokens_usd: 0.001
    bulkhead: {{most: {AT_ONCE_BY_TARGET}, waiting: 4, wait_ms: 20}}
    breaker: {{failures: 25, open_s: 0.02, probes: 2}}
  other: *model
  third: *model
routing:
  use: {{primary: main, LIMITS}}
  first: {{first: [main, other, third], isolate: ISOLATE, LIMITS}}
  race: {{race: {{main: main, fallback: other, after_ms: 15, fallback_timeout_ms: 50}}, LIMITS}}
  hedge: {{race: {{main: main, fallback: other, after_ms: 40, hedge: true, fallback_timeout_ms: 50}}, LIMITS}}
  select: {{select: lowest_latency, among: [main, other, third], LIMITS}}
  split: {{split: {{main: 1, other: 1}}, sticky: user, isolate: ISOLATE, LIMITS}}
  all: {{first: [{{race: {{main: main, fallback: other, after_ms: 15}}}}, {{select: cheapest, among: [other, third]}}, {{degrade: Later.}}], LIMITS}}
tenant_tiers:
  pro: {{allowed_models: [main, other, third], requests_per_minute: 100000000, daily_budget_usd: 1000, concurrent_requests: 1000}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
""".replace("LIMITS", "deadline_ms: 400, first_content_ms: 50, attempt_timeout_ms: 50, idle_gap_ms: 50").replace(
    "ISOLATE", f"{{most: {AT_ONCE_BY_TASK}, waiting: 4, wait_ms: 20}}"
)
ROUTES = ("use", "first", "race", "hedge", "select", "split", "all")
TROUBLE: tuple[Reply, ...] = (
    faults.silence,
    faults.half_a_head_then_silence,
    faults.head_then_silence,
    faults.silence_midway,
    faults.reset_at_once,
    faults.reset_midway,
    faults.head_then_reset,
    faults.an_end_without_done,
    faults.too_short,
    faults.internal_error,
    faults.too_many_requests(0.01),
    faults.html_page,
    faults.error_in_200,
    faults.malformed_event,
    faults.error_event_midway,
    faults.endless_words,
    faults.dripping_midway(0.01),
)
# Half of them well.
REPLIES = (*TROUBLE, *[complete] * 12, *[faults.dripping(0.002, 32)] * 6)


class Provider:
    """Answers half of what it is asked and has trouble with the rest; ``busy`` is how many requests it is at."""

    def __init__(self, seed: int) -> None:
        self.well = False
        self.busy = 0
        self._random = random.Random(seed)

    async def reply(self, upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.busy += 1
        try:
            # RuntimeError is uvloop's for a write after the end.
            with suppress(ConnectionError, RuntimeError):
                reply = complete if self.well else self._random.choice(REPLIES)
                await reply(upstream, asked, writer)
        finally:
            self.busy -= 1


@pytest.mark.slow
async def test_of_calls_that_end_in_any_way_nothing_is_left(tmp_path: Path) -> None:
    provider = Provider(seed=1)
    calls = iter(range(CALLS))
    chance = random.Random(2)
    async with upstream_server() as upstream:
        upstream.reply = provider.reply
        config = CONFIG.replace("PORT", str(upstream.port))
        async with whole_gateway(tmp_path, config, ACME_KEY=KEY, UPSTREAM_KEY="sk-up") as gateway:
            idle_files = open_files()
            await asyncio.gather(*(call_on(gateway.served, calls, chance) for _ in range(CALLS_AT_ONCE)))
            provider.well = True
            await recovered(gateway)
            await comes_true(lambda: provider.busy == 0)
            await upstream.stop()
            await comes_true(lambda: open_files() < idle_files)  # the provider has no door any more
            assert await gateway.left() == {}
            events = await gateway.events()
    ended = Counter(event["status"] for event in events)
    print(f"{CALLS} calls: {dict(ended)}, {dict(Counter(event['error_code'] for event in events))}")  # noqa: T201
    assert set(ended) == {"ok", "error", "cancelled", "disconnected"}
    assert max(Counter(event["call_id"] for event in events).values()) == 1


async def call_on(served: Served, calls: Iterator[int], chance: random.Random) -> None:
    """Make the next call until there are no more: wait for the answer, or leave it at a moment that nobody knows."""
    for _ in calls:
        client = await served.connect(
            ask(chance.choice(ROUTES), stream=chance.random() < 0.7, user=chance.randrange(9))
        )
        fate = chance.random()
        with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
            if fate < 0.3:
                await client.head()  # which comes with the first content
            async with asyncio.timeout(PATIENCE_S * chance.random() if fate < 0.6 else None):
                await (client.rest() if fate < 0.3 else client.response())
        await client.aclose()


async def recovered(gateway: Whole) -> None:
    """Every model answers again, and every bulkhead is as wide as it was: no probe and no slot is missing."""
    async with asyncio.timeout(SETTLED_S):
        for alias in ("main", "other", "third"):
            while gateway.standing(alias).breaker.state != "closed":
                await status_of(gateway.served, ask(alias))
    for name, most in (("main", AT_ONCE_BY_TARGET), ("first", AT_ONCE_BY_TASK), ("split", AT_ONCE_BY_TASK)):
        statuses = await asyncio.gather(*(status_of(gateway.served, ask(name)) for _ in range(most)))
        assert set(statuses) == {200}, name


async def status_of(served: Served, data: bytes) -> int:
    client = await served.connect(data)
    status = (await client.response()).status
    await client.aclose()
    return status


async def comes_true(state: Callable[[], bool]) -> None:
    async with asyncio.timeout(SETTLED_S):
        while not state():  # noqa: ASYNC110 - a count is the event
            await asyncio.sleep(0.005)


def ask(model: str, *, stream: bool = False, user: int = 0) -> bytes:
    body = {"model": model, "stream": stream, "user": f"user-{user}", "max_tokens": 20}
    return request(msgspec.json.encode(body | {"messages": [{"role": "user", "content": "Hello"}]}), key=KEY)


def open_files() -> int:
    """Of this process, sockets among them."""
    return len(list(Path("/proc/self/fd").iterdir()))
