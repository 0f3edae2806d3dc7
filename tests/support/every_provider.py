"""A whole gateway with a model of each provider's dialect behind it, all on one scripted upstream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from support.chat_callers import ChatCaller, Heard
from support.http1 import WAIT_S, Response
from support.provider_speech import speaking
from support.upstream_server import Upstream, upstream_server
from support.whole_gateway import Whole, whole_gateway

KEY = "sk-acme-" + "a" * 40
TINY_KEY, POOR_KEY, CAPPED_KEY = "sk-tiny-" + "b" * 40, "sk-poor-" + "c" * 40, "sk-capped-" + "d" * 40
KEYS = {"ACME_KEY": KEY, "TINY_KEY": TINY_KEY, "POOR_KEY": POOR_KEY, "CAPPED_KEY": CAPPED_KEY}
SECRETS = {"OPENAI_KEY": "sk-openai", "ANTHROPIC_KEY": "sk-ant", "GEMINI_KEY": "AIza-gem"}
# A failure is told, and not tried again.
CONFIG = """
providers:
  p-openai: {{kind: openai_compatible, base_url: "http://127.0.0.1:{port}/v1", api_key: $OPENAI_KEY}}
  p-anthropic: {{kind: anthropic, base_url: "http://127.0.0.1:{port}/v1", api_key: $ANTHROPIC_KEY}}
  p-gemini: {{kind: gemini, base_url: "http://127.0.0.1:{port}/v1beta", api_key: $GEMINI_KEY}}
  p-native: {{kind: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: $OPENAI_KEY}}
models:
  native: {{provider: p-native, model_id: r-1, cost_per_1k_tokens_usd: 0.004}}
  openai: {{provider: p-openai, model_id: o-1, cost_per_1k_tokens_usd: 0.001}}
  anthropic: {{provider: p-anthropic, model_id: c-1, cost_per_1k_tokens_usd: 0.002}}
  gemini: {{provider: p-gemini, model_id: g-1, cost_per_1k_tokens_usd: 0.003}}
resilience: {{breaker: {{failures: 1000000}}, retry_share: 0.000001, retry_floor: 0}}
routing:
  fixed: {{first: [anthropic, {{degrade: "Come back later."}}]}}
  anthropic-openai: {{first: [anthropic, openai]}}
  openai-anthropic: {{first: [openai, anthropic]}}
  native-anthropic: {{first: [native, anthropic]}}
  gemini-anthropic: {{first: [gemini, anthropic]}}
  quick-openai: {{primary: openai, LIMITS}}
  quick-anthropic: {{primary: anthropic, LIMITS}}
  quick-gemini: {{primary: gemini, LIMITS}}
  race: {{race: {{main: anthropic, fallback: openai, after_ms: 30, fallback_timeout_ms: 2000}}}}
tenant_tiers:
  pro: {{allowed_models: [native, openai, anthropic, gemini], requests_per_minute: 1000000, daily_budget_usd: 100}}
  small: {{allowed_models: [openai], requests_per_minute: 1}}
  poor: {{allowed_models: [openai, anthropic, gemini], daily_budget_usd: 0.0005}}
  capped: {{allowed_models: [openai, anthropic, gemini], max_output_tokens: 7}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
  tiny: {{tier: small, keys: [{{name: app, key: $TINY_KEY}}]}}
  poor: {{tier: poor, keys: [{{name: app, key: $POOR_KEY}}]}}
  capped: {{tier: capped, keys: [{{name: app, key: $CAPPED_KEY}}]}}
""".replace("LIMITS", "first_content_ms: 150, attempt_timeout_ms: 150, idle_gap_ms: 150")


class Every:
    """The gateway, what stands behind it, and how it is asked."""

    def __init__(self, gateway: Whole, upstream: Upstream) -> None:
        self.gateway = gateway
        self.upstream = upstream

    async def post(self, caller: ChatCaller, body: dict[str, Any], *headers: str, key: str = KEY) -> Response:
        """The answer to ``body``, whatever it is."""
        return await self.gateway.served.ask(caller.ask(body, key, *headers))

    async def hear(self, caller: ChatCaller, body: dict[str, Any], *headers: str) -> Heard:
        """The good answer to ``body``."""
        return understood(caller, await self.post(caller, body, *headers))

    async def event_of(self, answer: Response) -> dict[str, Any]:
        """The audit event of the call that ``answer`` came of, once that has ended."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for event in await self.gateway.events():
                    if event["request_id"] == answer.headers["x-request-id"]:
                        return event
                await asyncio.sleep(0.005)

    async def nothing_left(self) -> None:
        """Assert that no call has left anything behind; the upstream is gone then."""
        await self.upstream.stop()
        assert await self.gateway.left() == {}


def understood(caller: ChatCaller, answer: Response) -> Heard:
    """A good answer, whole or streamed, as its caller reads it."""
    assert answer.status == 200, answer.body
    if answer.headers["content-type"].startswith("text/event-stream"):
        return caller.hear_stream(answer.body)
    return caller.hear(msgspec.json.decode(answer.body))


@asynccontextmanager
async def every_provider(folder: Path, config: str = CONFIG) -> AsyncIterator[Every]:
    """Serve ``config``; the upstream answers well until a test says otherwise."""
    async with upstream_server() as upstream:
        upstream.reply = speaking()
        written = config.format(port=upstream.port)
        async with whole_gateway(folder, written, **KEYS, **SECRETS) as gateway:
            yield Every(gateway, upstream)
