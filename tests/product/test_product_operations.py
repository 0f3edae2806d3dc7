"""A gateway in its operator's hands: reload, drain, crash, limits of the machine, and what it refuses to start with."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from penstock.app.listening import bind
from penstock.config import ConfigError
from support.configs import DEMO
from support.server import Gateway, environment, penstock, running

CONFIG = """
server: {{drain_timeout_s: 5}}
providers:
  sim: {{kind: simulated, latency_ms: {latency_ms}, tokens_per_s: 20}}
models:
  small: {{provider: sim, model_id: {model_id}, cost_per_1k_tokens_usd: 1}}
routing:
  chat: {{primary: small}}
tenant_tiers:
  pro: {{allowed_models: [small], requests_per_minute: 100000, concurrent_requests: {concurrent}, daily_budget_usd: 100}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
admin_keys: [$ADMIN_KEY]
"""
SECRETS = {"ACME_KEY": "sk-acme-" + "a" * 40, "ADMIN_KEY": "sk-admin-" + "b" * 40}
HELLO: Any = [{"role": "user", "content": "Tell me about the sea, the sky and all that lies between them."}]
LONG: Any = [{"role": "user", "content": "word " * 200}]


def write_config(folder: Path, *, model_id: str = "one", latency_ms: int = 0, concurrent: int = 100) -> Path:
    path = folder / "penstock.yaml"
    path.write_text(CONFIG.format(model_id=model_id, latency_ms=latency_ms, concurrent=concurrent))
    return path


def client_of(gateway: Gateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"http://{gateway.address}/v1", api_key=SECRETS["ACME_KEY"], max_retries=0)


async def until(true: Callable[[], bool]) -> None:
    """Wait for something in another process."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.02)


async def finish(stream: openai.AsyncStream[Any]) -> str | None:
    """Read to the end; the last finish reason."""
    reasons = [chunk.choices[0].finish_reason async for chunk in stream]
    last: str | None = reasons[-1]
    return last


def get(gateway: Gateway, path: str) -> Any:
    request = urllib.request.Request(
        f"http://{gateway.address}{path}", headers={"authorization": f"Bearer {SECRETS['ADMIN_KEY']}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def calls_recorded(gateway: Gateway) -> list[Any]:
    return [event for event in get(gateway, "/audit")["events"] if event["event_type"] == "llm_request_completed"]


def post_chat(gateway: Gateway, body: bytes, key: str) -> tuple[int, Any]:
    """POST /chat that is refused: its status and error."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"http://{gateway.address}/chat", body, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as answer:
        return answer.code, json.loads(answer.read())["error"]


def command(gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        penstock(*words),
        cwd=gateway.folder,
        env=environment(**SECRETS),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


async def test_a_reload_drops_no_request_and_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    served: list[str] = []
    done = asyncio.Event()

    async def keep_asking(client: AsyncOpenAI) -> None:
        while not done.is_set():
            raw = await client.chat.completions.with_raw_response.create(model="chat", messages=HELLO, max_tokens=1)
            served.append(raw.headers["x-penstock-model"])

    with running(config, tmp_path, **SECRETS) as gateway:
        async with client_of(gateway) as client, asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(keep_asking(client))
            write_config(tmp_path, model_id="two")
            reloaded = await asyncio.to_thread(command, gateway, "reload", "--config", str(config))
            assert (reloaded.returncode, reloaded.stderr) == (0, "")
            count = len(served)
            config.write_text(config.read_text().replace("provider: sim", "provider: nobody"))
            gateway.process.send_signal(signal.SIGHUP)
            refused = await asyncio.to_thread(command, gateway, "reload", "--config", str(config))
            assert refused.returncode == 1
            assert "nobody" in refused.stderr
            await until(lambda: len(served) >= count + 50 and "config refused" in gateway.log)
            done.set()
        assert served[0] == "one"
        assert set(served[count + 8 :]) == {"two"}
        events = get(gateway, "/audit?limit=500")["events"]
        assert [event["event_type"] for event in events if event["event_type"].startswith("config_")] == [
            "config_refused",
            "config_reloaded",
        ]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("server: {drain_timeout_s: 5, host: 127.0.0.2}", "server.host"),
        ("server: {drain_timeout_s: 5, environment: development}", "server.environment"),
        ("providers: {sim: {kind: vllm, base_url: 'http://host:99999/v1'}}", "providers.sim.base_url"),
    ],
)
def test_a_reload_that_cannot_be_taken_changes_nothing_and_says_why(tmp_path: Path, written: str, told: str) -> None:
    config = write_config(tmp_path)
    with running(config, tmp_path, **SECRETS) as gateway:
        before = get(gateway, "/health")["config"]
        name = written.partition(":")[0]
        lines = config.read_text().splitlines()
        start = next(number for number, line in enumerate(lines) if line.startswith(name))
        end = start + 1 if name == "server" else start + 2
        config.write_text("\n".join([*lines[:start], written, *lines[end:]]))
        gateway.process.send_signal(signal.SIGHUP)
        give_up_at = time.monotonic() + 5
        while "config refused" not in gateway.log and time.monotonic() < give_up_at:
            time.sleep(0.02)
        assert told in gateway.log
        assert get(gateway, "/health")["config"]["digest"] == before["digest"]


async def test_strict_durability_has_a_completed_call_on_the_disk_before_its_answer(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text("store: {durability: strict}\n" + config.read_text())
    with running(config, tmp_path, **SECRETS) as gateway:
        async with client_of(gateway) as client:
            raw = await client.chat.completions.with_raw_response.create(model="small", messages=HELLO, max_tokens=1)
        gateway.process.kill()
        gateway.process.wait()
    segments = b"".join(path.read_bytes() for path in (tmp_path / "penstock.db.log").glob("*.jsonl"))
    events = [json.loads(line) for line in segments.splitlines() if b"llm_request_completed" in line]
    assert [event["request_id"] for event in events] == [raw.headers["x-request-id"]]


async def test_bad_bodies_count_and_are_recorded(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("requests_per_minute: 100000", "requests_per_minute: 3"))
    with running(config, tmp_path, **SECRETS) as gateway:
        async with client_of(gateway) as client:
            codes = []
            for _ in range(5):
                with pytest.raises(openai.APIStatusError) as refused:
                    await client.chat.completions.create(model="small", messages=[])
                codes.append(refused.value.status_code)
        assert codes == [400, 400, 400, 429, 429]
        decisions = [event.get("policy_decision") for event in get(gateway, "/audit")["events"]]
        assert decisions[:5] == ["deny:rate_limit"] * 2 + ["deny:invalid"] * 3


def test_bad_native_bodies_count_and_are_recorded_too(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("requests_per_minute: 100000", "requests_per_minute: 3"))
    with running(config, tmp_path, **SECRETS) as gateway:
        bodies = [b"{", b'{"message": 7}', b'{"message": "Hello", "tenants": 1}', b"{", b"[]"]
        told = [post_chat(gateway, body, SECRETS["ACME_KEY"]) for body in bodies]
        assert [status for status, _ in told] == [400, 400, 400, 429, 429]
        assert [error["code"] for _, error in told[:3]] == ["invalid_json", "invalid_parameter", "invalid_parameter"]
        told_admin = [post_chat(gateway, body, SECRETS["ADMIN_KEY"]) for body in (b"{", b'{"tenant_id": "acme"}')]
        assert [(status, error["code"]) for status, error in told_admin] == [
            (400, "invalid_json"),
            (429, "rate_limit_exceeded"),
        ]
        events = calls_recorded(gateway)
        assert [(event["tenant_id"], event["policy_decision"]) for event in events] == [
            ("acme", "deny:rate_limit"),
            ("", "deny:invalid"),
            *[("acme", "deny:rate_limit")] * 2,
            *[("acme", "deny:invalid")] * 3,
        ]
        assert {(event["endpoint"], event["status"]) for event in events} == {("/chat", "error")}
        assert len({event["request_id"] for event in events}) == len(events)
        post_chat(gateway, b"{", "sk-nobody")
        assert calls_recorded(gateway) == events


async def test_while_it_drains_the_door_says_no(tmp_path: Path) -> None:
    with running(write_config(tmp_path), tmp_path, **SECRETS) as gateway:
        async with client_of(gateway) as client:
            stream = await client.chat.completions.create(model="small", messages=HELLO, stream=True)
            await anext(stream)
            gateway.process.send_signal(signal.SIGTERM)
            await until(lambda: "draining" in gateway.log)
            with pytest.raises(urllib.error.HTTPError) as not_ready:
                await asyncio.to_thread(get, gateway, "/health/readiness")
            assert not_ready.value.code == 503
            not_ready.value.close()
            with pytest.raises(openai.InternalServerError) as refused:
                await client.chat.completions.create(model="small", messages=HELLO)
            assert refused.value.response.headers["retry-after"] == "1"
            assert await finish(stream) == "stop"
        assert gateway.process.wait(10) == 0


async def test_sigterm_finishes_what_runs_and_ends_as_a_success(tmp_path: Path) -> None:
    with running(write_config(tmp_path), tmp_path, **SECRETS) as gateway:
        async with client_of(gateway) as client:
            stream = await client.chat.completions.create(model="small", messages=HELLO, stream=True)
            await anext(stream)
            gateway.process.send_signal(signal.SIGTERM)
            assert await finish(stream) == "stop"
        assert gateway.process.wait(10) == 0
        assert "draining" in gateway.log
        assert "stopped" in gateway.log.splitlines()[-1]


async def test_a_stream_that_outlasts_the_drain_is_cut_and_recorded(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("drain_timeout_s: 5", "drain_timeout_s: 1"))
    with running(config, tmp_path, **SECRETS) as gateway:
        async with client_of(gateway) as client:
            stream = await client.chat.completions.create(model="small", messages=LONG, stream=True)
            await anext(stream)
            gateway.process.send_signal(signal.SIGTERM)
            with pytest.raises(openai.OpenAIError):
                await finish(stream)
        assert gateway.process.wait(10) == 0
        tail = command(gateway, "audit", "tail", "--json", "--config", str(config))
    events = [json.loads(line) for line in tail.stdout.splitlines()]
    (ended,) = [event for event in events if event["event_type"] == "llm_request_completed"]
    assert ended["status"] == "disconnected"
    assert ended["cost_nano_usd"] > 0


async def test_a_crash_loses_no_money_and_leaves_a_valid_log(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("tokens_per_s: 20", "tokens_per_s: 4"))  # the crash is first by far
    with running(config, tmp_path, **SECRETS) as gateway:
        async with client_of(gateway) as client:
            for _ in range(3):
                await client.chat.completions.create(model="small", messages=HELLO, max_tokens=1)
            stream = await client.chat.completions.create(model="small", messages=LONG, stream=True, max_tokens=500)
            await anext(stream)
            finished = get(gateway, "/audit")["events"]
            gateway.process.send_signal(signal.SIGKILL)
            gateway.process.wait()
            with pytest.raises(openai.OpenAIError):
                await finish(stream)
    settled = sum(event.get("cost_nano_usd", 0) for event in finished)
    with running(config, tmp_path, **SECRETS) as gateway:
        metrics = metric(gateway, 'llm_quota_used{tenant_id="acme",window="day_usd"}')
        kept = [event["call_id"] for event in get(gateway, "/audit")["events"] if event.get("call_id")]
        assert set(kept) >= {event["call_id"] for event in finished if event.get("call_id")}
        # The call that nobody saw the end of counts with all that was held for it.
        assert metrics - 0.4 > settled / 1e9 > 0
        verified = command(gateway, "audit", "verify", "--config", str(config))
        assert verified.returncode == 0, verified.stdout


def metric(gateway: Gateway, sample: str) -> float:
    request = urllib.request.Request(
        f"http://{gateway.address}/metrics", headers={"authorization": f"Bearer {SECRETS['ADMIN_KEY']}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        lines: list[str] = answer.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith(sample)]
    return float(line.rpartition(" ")[2])


async def test_calls_in_flight_are_bounded_and_slots_come_back(tmp_path: Path) -> None:
    with running(write_config(tmp_path, latency_ms=300, concurrent=3), tmp_path, **SECRETS) as gateway:
        async with client_of(gateway) as client:

            async def ask() -> str:
                try:
                    await client.chat.completions.create(model="small", messages=HELLO, max_tokens=1)
                except openai.RateLimitError as error:
                    return str(error.code)
                return "ok"

            for _ in range(2):
                answers = await asyncio.gather(*(ask() for _ in range(8)))
                assert sorted(set(answers)) == ["concurrency_limit_exceeded", "ok"]
                assert answers.count("ok") == 3


def test_open_files_may_be_as_many_as_the_machine_allows(tmp_path: Path) -> None:
    with running(write_config(tmp_path), tmp_path, **SECRETS) as gateway:
        limits = Path(f"/proc/{gateway.process.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    assert soft == hard


def test_a_second_gateway_on_the_same_store_is_refused(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running(config, tmp_path, **SECRETS) as gateway:
        second = command(gateway, "serve", "--config", str(config), "--port", "0")
        held_by = gateway.process.pid
    assert second.returncode == 2
    assert f"Another penstock process ({held_by}) has" in second.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "0.0.0.0"), "demo"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_what_cannot_be_served_safely_is_not_served(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    config = () if "--config" in words else ("--config", str(DEMO))
    refused = subprocess.run(
        penstock("serve", *config, "--port", "0", *words),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert refused.returncode == 2
    assert told in refused.stderr


def test_the_port_in_use_is_named(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with running(config, tmp_path, **SECRETS) as gateway:
        port = gateway.address.rpartition(":")[2]
        second = subprocess.run(
            penstock("serve", "--config", str(config), "--port", port),
            cwd=other,
            env=environment(**SECRETS),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert second.returncode not in (0, -signal.SIGKILL)
    assert second.stderr.splitlines()[0].endswith(
        f"server.port: 127.0.0.1:{port} cannot be listened on: address already in use "
        "(choose another with --port, or stop who has it)"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "nobody.invalid"])
def test_an_address_that_is_not_ours_is_told_without_talk_of_ports(host: str) -> None:
    with pytest.raises(ConfigError) as refused:
        bind(host, 0)
    (problem,) = refused.value.problems
    assert problem.path == "server.host"
    assert problem.message.startswith(f"{host}:0 cannot be listened on: ")
    assert "--host" in problem.suggestion


def test_a_setting_that_waits_for_a_restart_is_told_by_the_reload(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running(config, tmp_path, **SECRETS) as gateway:
        config.write_text(config.read_text().replace("drain_timeout_s: 5", "drain_timeout_s: 6"))
        first = command(gateway, "reload", "--config", str(config))
        config.write_text(config.read_text().replace("drain_timeout_s: 6", "drain_timeout_s: 5"))
        second = command(gateway, "reload", "--config", str(config))
    assert first.stdout.splitlines()[1:] == ["In force after a restart only: server.drain_timeout_s."]
    assert second.stdout.splitlines()[1:] == []


def test_start_to_first_answer_is_quick(tmp_path: Path) -> None:
    began_at = time.monotonic()
    with running(write_config(tmp_path), tmp_path, **SECRETS):
        assert time.monotonic() - began_at < 10
