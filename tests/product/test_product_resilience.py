"""A provider may die; the answer comes. The served gateway, its simulated providers in trouble, seen by a client."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest

from support.server import Gateway, running

CONFIG = """
server: {log_format: json, debug: true}
providers:
  good: {kind: simulated, latency_ms: 50, tokens_per_s: 2000}
  hung: {kind: simulated, fail_kind: hang, fail_rate: 1}
  down: {kind: simulated, fail_kind: error_500, fail_rate: 1}
  mended: {kind: simulated}
  played: {kind: simulated}
  slow: {kind: simulated, latency_ms: 400}
  half: {kind: simulated, tokens_per_s: 2000, fail_kind: cut, fail_rate: 1}
models:
  good: {provider: good, model_id: good-1, cost_per_1k_tokens_usd: 1, max_output_tokens: 50}
  hung: {provider: hung, model_id: hung-1, cost_per_1k_tokens_usd: 1, max_output_tokens: 50, breaker: {failures: 1000}}
  down: {provider: down, model_id: down-1, cost_per_1k_tokens_usd: 1, max_output_tokens: 50, breaker: {failures: 1000}}
  dead: {provider: down, model_id: dead-1, cost_per_1k_tokens_usd: 0}
  mended: {provider: mended, model_id: mended-1, cost_per_1k_tokens_usd: 0, breaker: {failures: 2, open_s: 1.5}}
  played: {provider: played, model_id: played-1, cost_per_1k_tokens_usd: 0, breaker: {failures: 2}}
  narrow: {provider: slow, model_id: narrow-1, cost_per_1k_tokens_usd: 0, bulkhead: {most: 1}}
  half: {provider: half, model_id: half-1, cost_per_1k_tokens_usd: 1, resumable: true, breaker: {failures: 1000}}
  cut: {provider: half, model_id: cut-1, cost_per_1k_tokens_usd: 1, breaker: {failures: 1000}}
  slow: {provider: slow, model_id: slow-1, cost_per_1k_tokens_usd: 0}
routing:
  late: {race: {main: hung, fallback: good, after_ms: 300}}
  failed: {race: {main: down, fallback: good, after_ms: 60000}}
  lost: {race: {main: hung, fallback: down, after_ms: 100, fallback_timeout_ms: 1200}}
  texts: {race: {main: hung, fallback: hung, after_ms: 50, fallback_timeout_ms: 100}, degrade: "We will come back to you."}
  outage: {primary: dead, fallback: good}
  mending: {primary: mended, fallback: good}
  playing: {primary: played, fallback: good}
  pressed: {primary: narrow, fallback: good}
  apart: {primary: slow, isolate: {most: 1}}
  resumed: {primary: half, fallback: good}
  broken: {primary: cut, fallback: good}
  alone: {primary: half}
  shadowed: {mirror: {main: good, copy: slow}}
  haunted: {mirror: {main: good, copy: down}}
  quickest: {select: lowest_latency, among: [slow, good]}
tenant_tiers:
  all: {allowed_models: [good, half, cut, hung, down, dead, mended, played, narrow, slow], requests_per_minute: 100000, daily_budget_usd: 100}
tenants:
  acme: {tier: all, keys: [{name: app, key: sk-demo-acme}]}
admin_keys: [sk-demo-admin]
"""
# What a test may be late by, beyond what it asserts: a busy machine, and the gateway's own way.
SLACK_S = 0.1


@dataclass
class Told:
    """What a client saw of one call."""

    status: int
    headers: dict[str, str]
    text: str
    took_s: float

    @property
    def content(self) -> str:
        """The answer's text, whole or streamed."""
        if not self.text.startswith("data: "):
            return str(json.loads(self.text)["choices"][0]["message"]["content"])
        chunks = [json.loads(line[6:]) for line in self.text.splitlines() if line.startswith("data: {")]
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("resilience")
    path = folder / "penstock.yaml"
    path.write_text(CONFIG)
    with running(path, folder) as gateway:
        yield gateway


def ask(gateway: Gateway, model: str, *, stream: bool = False) -> Told:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Tell me about the sea."}]}
    headers = {"authorization": "Bearer sk-demo-acme", "content-type": "application/json"}
    connection = http.client.HTTPConnection(gateway.address, timeout=20)
    began_s = time.monotonic()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    took_s = time.monotonic() - began_s
    text = response.read().decode()
    connection.close()
    return Told(response.status, {name.lower(): value for name, value in response.getheaders()}, text, took_s)


def operate(gateway: Gateway, method: str, path: str, body: object = None) -> str:
    headers = {"authorization": "Bearer sk-demo-admin", "content-type": "application/json"}
    connection = http.client.HTTPConnection(gateway.address, timeout=20)
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def metric(gateway: Gateway, name: str, *labels: str) -> float:
    lines = operate(gateway, "GET", "/metrics").splitlines()
    found = [line for line in lines if line.startswith(f"{name}{{") and all(each in line for each in labels)]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def event_of(gateway: Gateway, told: Told) -> dict[str, Any]:
    events = json.loads(operate(gateway, "GET", f"/audit?request_id={told.headers['x-request-id']}"))["events"]
    calls = [event for event in events if event["event_type"] == "llm_request_completed"]
    (event,) = [event for event in calls if "shadow_of" not in event["tags"]]
    return dict(event)


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_behind_a_hung_model_the_fallback_answers_in_its_own_time(gateway: Gateway, kind: str) -> None:
    stream = kind == "stream"
    told = ask(gateway, "late", stream=stream)
    assert (told.status, told.headers["x-penstock-fallback"]) == (200, "true")
    assert "good-1" in told.content
    assert told.text.rstrip().endswith("data: [DONE]") == stream
    assert told.took_s < 0.3 + 0.05 + SLACK_S
    event = event_of(gateway, told)
    assert [(each["target"], each["error_code"]) for each in event["attempts"]] == [
        ("hung", "cancelled"),
        ("good", None),
    ]
    # The model that lost had the question, and is paid for that.
    alone = event_of(gateway, ask(gateway, "good", stream=stream))
    assert event["cost_nano_usd"] == alone["cost_nano_usd"] + event["input_tokens"] * 1_000_000


def test_when_the_main_model_fails_nobody_waits(gateway: Gateway) -> None:
    told = ask(gateway, "failed")
    assert (told.status, told.headers["x-penstock-attempts"]) == (200, "2")
    assert "good-1" in told.content
    assert told.took_s < 0.05 + SLACK_S


def test_there_is_always_an_answer(gateway: Gateway) -> None:
    told = ask(gateway, "lost")
    assert (told.status, told.headers["x-penstock-degraded"]) == (200, "true")
    assert told.content.startswith("No model could answer just now.")
    assert told.took_s < 0.1 + 1.2 + SLACK_S
    streamed = ask(gateway, "texts", stream=True)
    assert streamed.content == "We will come back to you."
    assert streamed.headers["x-penstock-degraded"] == "true"


# --- outages ---


def test_two_hundred_calls_at_once_survive_a_dead_primary(gateway: Gateway) -> None:
    with ThreadPoolExecutor(200) as threads:
        told = list(threads.map(lambda _: ask(gateway, "outage"), range(200)))
    assert [each.status for each in told] == [200] * 200
    assert metric(gateway, "penstock_breakers", 'target="dead"', 'state="open"') == 1
    asked = sum(int(each.headers["x-penstock-attempts"]) - 1 for each in told)
    # Those that were under way when the breaker opened, and the retries that the budget has: no more.
    assert 5 <= asked <= 200 * 1.2


def test_once_the_breaker_is_open_an_outage_costs_nothing(gateway: Gateway) -> None:
    for _ in range(10):
        ask(gateway, "outage")
    outage, alone = (median(ask(gateway, model).took_s for _ in range(15)) for model in ("outage", "good"))
    assert outage < alone + 0.005
    assert ask(gateway, "outage").headers["x-penstock-attempts"] == "1"
    (skipped,) = event_of(gateway, ask(gateway, "outage"))["decision"]["excluded"]
    assert (skipped["target"], skipped["rule"]) == ("dead", "breaker_open")


def test_what_is_mended_is_used_again_after_one_probe(gateway: Gateway) -> None:
    operate(gateway, "POST", "/debug/provider/mended/fail", {"fail": True})
    for _ in range(2):
        assert ask(gateway, "mending").headers["x-penstock-fallback"] == "true"
    assert metric(gateway, "penstock_breakers", 'target="mended"', 'state="open"') == 1
    operate(gateway, "POST", "/debug/provider/mended/fail", {"fail": True, "rate": 0.0})
    assert "good-1" in ask(gateway, "mending").content
    time.sleep(1.5)
    assert "mended-1" in ask(gateway, "mending").content
    assert metric(gateway, "penstock_breakers", 'target="mended"', 'state="closed"') == 1
    assert metric(gateway, "penstock_breaker_changes_total", 'target="mended"', 'state="closed"') == 1
    assert '"breaker changed"' in gateway.log


def test_a_fault_that_is_taken_back_is_forgiven_at_once(gateway: Gateway) -> None:
    operate(gateway, "POST", "/debug/provider/played/fail", {"fail": True})
    for _ in range(2):
        ask(gateway, "playing")
    assert metric(gateway, "penstock_breakers", 'target="played"', 'state="open"') == 1
    operate(gateway, "POST", "/debug/provider/played/fail", {"fail": False})
    assert "played-1" in ask(gateway, "playing").content


# --- cut streams ---


def test_a_stream_of_a_resumable_model_goes_on_at_the_next_one_and_says_so(gateway: Gateway) -> None:
    told = ask(gateway, "resumed", stream=True)
    events = [json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: {")]
    assert not [event for event in events if "error" in event]
    assert told.text.endswith("data: [DONE]\n\n")
    (mark,) = [event for event in events if "penstock" in event]
    assert mark["penstock"] == {"continued_by": "good"}
    assert "half-1" in told.content
    assert "good-1" in told.content
    record = event_of(gateway, told)
    assert (record["status"], record["target"], record["fallback_used"]) == ("ok", "good", True)
    assert [(each["target"], each["error_code"]) for each in record["attempts"]] == [
        ("half", "upstream_cut"),
        ("good", None),
    ]
    written = record["attempts"][0]["usage"]
    both = record["input_tokens"] + record["output_tokens"] + written["input_tokens"] + written["output_tokens"]
    assert record["cost_nano_usd"] == both * 1_000_000


@pytest.mark.parametrize("model", ["broken", "alone"])
def test_any_other_stream_that_is_cut_ends_with_an_error(gateway: Gateway, model: str) -> None:
    told = ask(gateway, model, stream=True)
    assert json.loads(told.text.split("\n\n")[-2][6:])["error"]["code"] == "upstream_cut"
    assert "[DONE]" not in told.text


# --- room ---


def test_a_full_bulkhead_sends_a_call_to_the_fallback_at_once(gateway: Gateway) -> None:
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(ask, gateway, "pressed")
        time.sleep(0.15)
        second = threads.submit(ask, gateway, "pressed").result()
        assert "narrow-1" in first.result().content
    assert "good-1" in second.content
    assert second.took_s < 0.05 + SLACK_S
    assert event_of(gateway, second)["decision"]["excluded"][0]["rule"] == "bulkhead_full"


def test_a_tenants_task_has_its_own_room(gateway: Gateway) -> None:
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(ask, gateway, "apart")
        time.sleep(0.15)
        assert ask(gateway, "apart").status == 429
        assert ask(gateway, "good").status == 200
        assert first.result().status == 200
    assert ask(gateway, "apart").status == 200


def test_the_quickest_of_equals_is_asked(gateway: Gateway) -> None:
    told = [ask(gateway, "quickest") for _ in range(8)]
    assert {each.status for each in told} == {200}
    quick = [each for each in told if "good-1" in each.content]
    assert len(quick) >= 4
    ranked = event_of(gateway, quick[-1])["decision"]["ranked"]
    assert [each["target"] for each in ranked] == ["good", "slow"]
    assert "p95" in ranked[0]["reason"]


def test_a_mirrored_call_is_answered_by_one_model_and_sent_to_another(gateway: Gateway) -> None:
    told = [ask(gateway, "shadowed"), ask(gateway, "shadowed", stream=True), ask(gateway, "haunted")]
    for each in told:
        assert "good-1" in each.content
        assert (each.status, each.headers["x-penstock-attempts"]) == (200, "1")
        assert each.took_s < 0.05 + SLACK_S
    copies: dict[str, Any] = {}
    give_up_s = time.monotonic() + 5
    while len(copies) < 3:  # they end when they end
        assert time.monotonic() < give_up_s, copies
        events = json.loads(operate(gateway, "GET", "/audit?limit=50"))["events"]
        copies = {event["tags"]["shadow_of"]: event for event in events if "shadow_of" in event.get("tags", ())}
        time.sleep(0.05)
    ended = [copies[event_of(gateway, each)["call_id"]] for each in told]
    assert [(event["target"], event["status"]) for event in ended] == [
        ("slow", "ok"),
        ("slow", "ok"),
        ("down", "error"),
    ]
    assert event_of(gateway, told[0])["output_tokens"] > 0
    assert ended[1]["output_tokens"] > 0


def test_an_operator_sees_how_each_target_does(gateway: Gateway) -> None:
    ask(gateway, "good")
    targets = json.loads(operate(gateway, "GET", "/health"))["targets"]
    assert targets["good"]["state"] == "closed"
    assert 40 < targets["good"]["p50_ms"] < 1000
    assert targets["dead"]["state"] == "open"
