"""Prices from the list, all the way: in one process and in workers that were told them, and what has none."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from support.server import Gateway, running
from support.upstream_server import complete_whole, upstream_server

CONFIG = """
server: {{workers: {workers}}}
providers:
  hosted: {{kind: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: $UPSTREAM_KEY}}
models:
  listed: {{provider: hosted, model_id: gpt-4o-2024-08-06}}
  strange: {{provider: hosted, model_id: no-such-model}}
routing:
  chat: {{primary: strange, fallback: listed}}
tenant_tiers:
  paying: {{allowed_models: [listed, strange], daily_budget_usd: 1}}
  open: {{allowed_models: [listed, strange]}}
tenants:
  acme: {{tier: paying, keys: [{{name: app, key: sk-demo-acme}}]}}
  lab: {{tier: open, keys: [{{name: app, key: sk-demo-lab}}]}}
admin_keys: [sk-demo-admin]
"""
# 5 tokens in and 2 out, at 2.50 and 10 USD a million.
COST = "0.000032500"
OK = 200


def ask(gateway: Gateway, path: str, key: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer."""
    request = urllib.request.Request(
        f"http://{gateway.address}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {key}", "content-type": "application/json", "x-penstock-cache": "off"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def asked(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}]}


def checked(gateway: Gateway) -> None:
    completions = "/v1/chat/completions"
    for _ in range(6):  # whichever worker answers
        status, headers, _ = ask(gateway, completions, "sk-demo-acme", asked("listed"))
        assert (status, headers["x-penstock-cost-usd"]) == (200, COST)
        status, headers, _ = ask(gateway, completions, "sk-demo-acme", asked("chat"))
        assert (status, headers["x-penstock-cost-usd"]) == (200, COST)
        status, _, text = ask(gateway, completions, "sk-demo-acme", asked("strange"))
        assert (status, json.loads(text)["error"]["code"]) == (403, "model_unpriced")
    status, headers, _ = ask(gateway, completions, "sk-demo-lab", asked("strange"))
    assert status == 200
    assert "x-penstock-cost-usd" not in headers
    question = {"tenant_id": "lab", "user_id": "u", "task": "chat", "message": "Hello"}
    status, _, text = ask(gateway, "/chat", "sk-demo-lab", question)
    told = json.loads(text)
    assert (told["model"], told["estimated_cost_usd"]) == ("no-such-model", None)
    assert told["usage"] == {
        "input_tokens": 5,
        "output_tokens": 2,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "estimated": False,
    }
    events = json.loads(ask(gateway, "/audit?limit=100", "sk-demo-admin")[2])["events"]
    costs = [each["estimated_cost_usd"] for each in events if each.get("target") == "strange"]
    assert costs == [None, None]
    metrics = ask(gateway, "/metrics", "sk-demo-admin")[2]
    assert 'llm_unpriced_calls_total{model="no-such-model",task="chat",tenant_id="lab"} 2.0' in metrics


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_charged_is_the_lists_price_and_what_has_none_is_not_free(tmp_path: Path, workers: int) -> None:
    async with upstream_server() as upstream:
        upstream.reply = complete_whole
        path = tmp_path / "penstock.yaml"
        path.write_text(CONFIG.format(workers=workers, port=upstream.port))
        await asyncio.to_thread(serve_and_check, path, tmp_path)
    kept = json.loads((tmp_path / "penstock.db.prices").read_text())
    assert {each["sold"]["model_id"] for each in kept["quotes"]} == {"gpt-4o", "gpt-4o-2024-08-06"}


def serve_and_check(config: Path, folder: Path) -> None:
    with running(config, folder, UPSTREAM_KEY="sk-upstream-secret") as gateway:
        checked(gateway)
        assert "nobody knows its price: calls of tier paying are refused it" in gateway.log
        config.write_text(config.read_text().replace("no-such-model", "gpt-4o"))
        gateway.process.send_signal(signal.SIGHUP)
        give_up_s = time.monotonic() + 20
        while ask(gateway, "/v1/chat/completions", "sk-demo-acme", asked("strange"))[0] != OK:
            assert time.monotonic() < give_up_s, gateway.log
            time.sleep(0.05)
