"""A provider's stream cut at every byte, through a whole gateway: told, and never passed off as complete."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from support import faults, recordings
from support.http1 import Response, Served, request
from support.recordings import Recording
from support.upstream_server import Asked, Upstream, upstream_server
from support.whole_gateway import whole_gateway

KEY = "sk-acme-" + "a" * 40
# A failure is told, and not tried again.
CONFIG = """
providers:
  main: {{kind: openai_compatible, base_url: "http://127.0.0.1:{port}/v1", api_key: $UPSTREAM_KEY}}
models:
  alias: {{provider: main, model_id: m-1, cost_per_1k_tokens_usd: 0.001}}
resilience: {{breaker: {{failures: 1000000}}, retry_share: 0.000001, retry_floor: 0}}
routing:
  chat: alias
tenant_tiers:
  pro: {{allowed_models: [alias], requests_per_minute: 1000000, daily_budget_usd: 100}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
"""
BODY = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
CALLS_AT_ONCE = 32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recording", "by_reset"),
    [(recordings.TEXT, False), (recordings.TOOL_CALL, True), (recordings.TEXT_AT_CLOSE, False)],
    ids=["end", "reset", "unframed"],
)
async def test_a_stream_that_is_cut_at_any_byte_ends_with_an_error_until_it_was_complete(
    tmp_path: Path,
    recording: Recording,
    by_reset: bool,  # noqa: FBT001 - a parameter
) -> None:
    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await faults.cut(recording.wire, asked.json["seed"], by_reset=by_reset)(upstream, asked, writer)

    async def ask(served: Served) -> None:
        client = await served.connect()
        for size in sizes:
            await client.send(request(json.dumps(BODY | {"seed": size}).encode(), key=KEY))
            answers[size] = await client.response()

    sizes = iter(range(len(recording.wire) + 1))
    answers: dict[int, Response] = {}
    async with upstream_server() as upstream:
        upstream.reply = reply
        config = CONFIG.format(port=upstream.port)
        async with whole_gateway(tmp_path, config, ACME_KEY=KEY, UPSTREAM_KEY="sk-up") as gateway:
            await asyncio.gather(*(ask(gateway.served) for _ in range(CALLS_AT_ONCE)))
            assert await gateway.left() == {}
    assert len(answers) == len(recording.wire) + 1
    whole = answers[len(recording.wire)].body
    for size, answer in answers.items():
        if size < recording.done_bytes:
            assert_broken(answer, whole, recording.finish_reason, at=size)
        else:
            assert answer.body == whole, size


def assert_broken(answer: Response, whole: bytes, finish_reason: str, *, at: int) -> None:
    """An error with its status, or a true beginning and then the error."""
    if answer.status != 200:
        assert (answer.status, answer.error["type"]) == (502, "upstream_error"), at
        return
    *events, last = re.findall(rb"data: .*\n\n", answer.body)
    assert b"".join([*events, last]) == answer.body, at
    assert json.loads(last[6:])["error"]["code"] == "upstream_cut", at
    assert events, at
    assert whole.startswith(b"".join(events)), at
    # The provider's own finish reason, if it had come, and none of ours.
    reasons = {json.loads(event[6:])["choices"][0]["finish_reason"] for event in events}
    assert reasons <= {None, finish_reason}, at
