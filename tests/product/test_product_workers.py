"""A gateway of several processes: its limits, money, metrics and records are those of one, whoever of them dies."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from penstock.app.listening import bind_each
from penstock.config import ConfigError
from support.callers import Caller
from support.processes import alive
from support.server import Gateway, environment, penstock, running

CONFIG = """
server: {workers: 2, debug: true, log_format: json, drain_timeout_s: 5}
providers:
  sim: {kind: simulated, latency_ms: 0, tokens_per_s: 100000}
  broken: {kind: simulated, latency_ms: 0, tokens_per_s: 100000}
  lame: {kind: simulated, latency_ms: 0, tokens_per_s: 100000}
  slow: {kind: simulated, latency_ms: 1000, tokens_per_s: 100000}
  stuck: {kind: simulated, latency_ms: 60000, tokens_per_s: 100000}
models:
  small: {provider: sim, model_id: one, max_output_tokens: 50, cost_per_1k_tokens_usd: 1}
  broken: {provider: broken, model_id: one, max_output_tokens: 50, cost_per_1k_tokens_usd: 0}
  lame: {provider: lame, model_id: one, max_output_tokens: 50, cost_per_1k_tokens_usd: 0}
  slow: {provider: slow, model_id: one, max_output_tokens: 50, cost_per_1k_tokens_usd: 0}
  stuck: {provider: stuck, model_id: one, max_output_tokens: 50, cost_per_1k_tokens_usd: 0}
routing:
  chat: {primary: small}
tenant_tiers:
  wide: {allowed_models: [small, broken, lame, slow, stuck], requests_per_minute: 100000, daily_budget_usd: 100}
  few: {allowed_models: [small], requests_per_minute: 60}
  fewer: {allowed_models: [small], requests_per_minute: 100000}
  narrow: {allowed_models: [slow, stuck], requests_per_minute: 100000, concurrent_requests: 4}
  poor: {allowed_models: [small], requests_per_minute: 100000, daily_budget_usd: 1}
limits: {endpoints: {/health: 100000}}
tenants:
  wide: {tier: wide, keys: [{name: app, key: sk-demo-wide}]}
  few: {tier: few, keys: [{name: app, key: sk-demo-few}]}
  fewer: {tier: fewer, keys: [{name: app, key: sk-demo-fewer}]}
  narrow: {tier: narrow, keys: [{name: app, key: sk-demo-narrow}]}
  poor: {tier: poor, keys: [{name: app, key: sk-demo-poor}]}
admin_keys: [sk-demo-admin]
"""


@contextmanager
def two_workers(folder: Path) -> Iterator[Gateway]:
    path = folder / "penstock.yaml"
    path.write_text(CONFIG)
    with running(path, folder) as gateway:
        until_all_serve(gateway)
        yield gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One for all tests that leave a gateway behind: a tenant of its own for each."""
    with two_workers(tmp_path_factory.mktemp("workers")) as gateway:
        yield gateway


def until_all_serve(gateway: Gateway, *, without: int = 0) -> None:
    """Wait for two workers, none of them the process ``without``."""
    give_up_s = time.monotonic() + 20
    while len([each for each in workers_of(gateway) if each["ready"] and each["pid"] != without]) < 2:
        assert time.monotonic() < give_up_s, gateway.log
        time.sleep(0.05)


def end_one(gateway: Gateway, how: signal.Signals) -> int:
    """Signal a worker, and wait until another is in its place; its process id."""
    pid: int = workers_of(gateway)[0]["pid"]
    os.kill(pid, how)
    until_all_serve(gateway, without=pid)
    return pid


def get(gateway: Gateway, path: str) -> bytes:
    request = urllib.request.Request(
        f"http://{gateway.address}{path}", headers={"authorization": "Bearer sk-demo-admin"}
    )
    give_up_s = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return bytes(answer.read())
        except (URLError, ConnectionError):  # of the worker that is being ended
            if time.monotonic() > give_up_s:
                raise


def workers_of(gateway: Gateway) -> list[dict[str, Any]]:
    workers: list[dict[str, Any]] = json.loads(get(gateway, "/health"))["workers"]
    return workers


def events_of(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = json.loads(get(gateway, f"/audit?limit=200{cursor}"))
        events += [event for event in page["events"] if event["event_type"] == kind]
        if page["next_cursor"] is None:
            return events
        cursor = f"&cursor={page['next_cursor']}"


def metric(gateway: Gateway, name: str, *labels: str) -> float:
    """The sum of a metric's samples that have all of these labels."""
    lines = get(gateway, "/metrics").decode().splitlines()
    found = [
        line for line in lines if line.startswith((f"{name} ", f"{name}{{")) and all(each in line for each in labels)
    ]
    return sum(float(line.rpartition(" ")[2]) for line in found)


async def until_in_flight(gateway: Gateway, tenant: str, calls: int) -> None:
    """Wait until so many calls of a tenant hold slots."""
    give_up_s = time.monotonic() + 20
    while (held := json.loads(get(gateway, "/health"))["calls_in_flight"].get(tenant, 0)) != calls:
        assert time.monotonic() < give_up_s, held
        await asyncio.sleep(0.02)


async def until_logged(gateway: Gateway, said: str) -> None:
    give_up_s = time.monotonic() + 20
    while said not in gateway.log:
        assert time.monotonic() < give_up_s, gateway.log
        await asyncio.sleep(0.05)


def break_provider(gateway: Gateway, name: str) -> None:
    """In every worker."""
    request = urllib.request.Request(
        f"http://{gateway.address}/debug/provider/{name}/fail",
        data=b'{"fail": true, "kind": "error_500"}',
        headers={"authorization": "Bearer sk-demo-admin", "content-type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()


async def eight_slow_calls(gateway: Gateway) -> list[asyncio.Task[str]]:
    """In flight on both workers, for a second."""
    slow = Caller(gateway, "wide", "slow")
    held = [asyncio.create_task(slow.ask()) for _ in range(8)]
    await until_in_flight(gateway, "wide", 8)
    return held


async def test_every_call_is_counted_and_recorded_once(gateway: Gateway) -> None:
    assert await Caller(gateway, "fewer").ask_many(80) == {"ok": 80}
    assert metric(gateway, "llm_requests_total", 'tenant_tier="fewer"') == 80
    assert metric(gateway, "penstock_workers") == 2
    events = [event for event in events_of(gateway, "llm_request_completed") if event["tenant_id"] == "fewer"]
    assert len({event["call_id"] for event in events}) == len(events) == 80
    assert all(event["status"] == "ok" for event in events)


async def test_a_limit_of_requests_is_exact_over_all_workers(gateway: Gateway) -> None:
    assert await Caller(gateway, "few").ask_many(100) == {"ok": 60, "rate_limit_exceeded": 40}


async def test_calls_in_flight_are_counted_over_all_workers(gateway: Gateway) -> None:
    slow = Caller(gateway, "narrow", "slow")
    counts = await slow.ask_many(12, at_once=12)
    assert counts["ok"] == 4
    assert sum(counts.values()) == 12
    assert await slow.ask_many(4, at_once=4) == {"ok": 4}
    await until_in_flight(gateway, "narrow", 0)


async def test_a_budget_is_spent_to_its_end_and_not_beyond(gateway: Gateway) -> None:
    counts = await Caller(gateway, "poor").ask_many(150, at_once=10)
    assert set(counts) == {"ok", "insufficient_quota"}
    events = [event for event in events_of(gateway, "llm_request_completed") if event["tenant_id"] == "poor"]
    spent = sum(event["cost_nano_usd"] for event in events)
    assert spent <= 1_000_000_000
    # Whatever a worker had leased and not used was given back before anybody was refused: only calls that were under
    # way then, ten at most, held more than they came to cost.
    assert spent >= 1_000_000_000 - 10 * 100_000_000
    used = metric(gateway, "llm_quota_used", 'tenant_id="poor"', 'window="day_usd"')
    assert used == pytest.approx(spent / 1e9, abs=1e-3)
    assert gateway.log.count("budget nearly spent") == 1


async def test_a_worker_that_is_killed_is_replaced_and_what_it_has_done_is_not_lost(gateway: Gateway) -> None:
    caller = Caller(gateway, "wide")
    counted = metric(gateway, "llm_requests_total", 'tenant_tier="wide"')
    restarts = metric(gateway, "penstock_worker_restarts_total")
    assert await caller.ask_many(40) == {"ok": 40}
    await asyncio.sleep(1.5)  # what a worker has counted is known after a second
    killed = end_one(gateway, signal.SIGKILL)
    assert await caller.ask_many(40) == {"ok": 40}
    assert metric(gateway, "penstock_worker_restarts_total") == restarts + 1
    assert metric(gateway, "llm_requests_total", 'tenant_tier="wide"') == counted + 80
    assert [event["exit_status"] for event in events_of(gateway, "worker_ended") if event["pid"] == killed] == [-9]


async def test_the_slots_of_a_killed_worker_are_free(gateway: Gateway) -> None:
    stuck = Caller(gateway, "narrow", "stuck")
    held = [asyncio.create_task(stuck.ask()) for _ in range(4)]
    await until_in_flight(gateway, "narrow", 4)
    for worker in workers_of(gateway):
        os.kill(worker["pid"], signal.SIGKILL)
    assert await asyncio.gather(*held) == ["no answer"] * 4
    await until_in_flight(gateway, "narrow", 0)
    until_all_serve(gateway)


async def test_a_worker_that_is_told_to_end_finishes_its_calls_and_is_replaced(gateway: Gateway) -> None:
    counted = metric(gateway, "llm_requests_total", 'model="one"', 'provider="slow"')
    held = await eight_slow_calls(gateway)
    await asyncio.to_thread(end_one, gateway, signal.SIGTERM)
    assert await asyncio.gather(*held) == ["ok"] * 8
    assert metric(gateway, "llm_requests_total", 'model="one"', 'provider="slow"') == counted + 8


async def test_a_worker_that_drains_has_closed_its_door(gateway: Gateway) -> None:
    quick, held = Caller(gateway, "wide"), await eight_slow_calls(gateway)
    leaving = workers_of(gateway)[0]["pid"]
    os.kill(leaving, signal.SIGTERM)
    asked: Counter[str] = Counter()
    while not all(call.done() for call in held):
        asked += await quick.ask_many(1)
    # A connection that the kernel has made in the instant of closing, and that nobody has accepted, is reset.
    assert asked["ok"] > 20
    assert asked.total() - asked["ok"] == asked["no answer"] <= 1
    assert await asyncio.gather(*held) == ["ok"] * 8
    until_all_serve(gateway, without=leaving)


async def test_both_workers_told_to_end_leave_an_open_door_behind(gateway: Gateway) -> None:
    quick, held = Caller(gateway, "wide"), await eight_slow_calls(gateway)
    for worker in workers_of(gateway):
        os.kill(worker["pid"], signal.SIGTERM)
    await asyncio.sleep(0.4)
    assert set(await quick.ask_many(5)) == {"unavailable"}
    assert await asyncio.gather(*held) == ["ok"] * 8
    until_all_serve(gateway)


async def test_a_fault_is_set_in_every_worker_and_in_those_that_come_later(gateway: Gateway) -> None:
    await asyncio.to_thread(break_provider, gateway, "broken")
    broken = Caller(gateway, "wide", "broken")
    assert "ok" not in await broken.ask_many(10)
    end_one(gateway, signal.SIGTERM)
    assert "ok" not in await broken.ask_many(10)


async def test_an_operator_sees_what_all_workers_know_of_a_target_whichever_is_asked(gateway: Gateway) -> None:
    lame = Caller(gateway, "wide", "lame")
    assert await lame.ask_many(40) == {"ok": 40}
    await asyncio.to_thread(break_provider, gateway, "lame")
    assert (await lame.ask_one_worker(10))[-1] == "breaker_open"
    told = [json.loads(get(gateway, "/health")) for _ in range(8)]
    for health in told:
        target = health["targets"]["lame"]
        assert (target["state"], target["workers"], target["refusal"]) == (
            "open",
            {"closed": 1, "open": 1},
            "breaker open",
        )
        assert target["calls"] >= 45
        assert 0 < target["error_rate"] < 0.5
        assert [worker["answered"] for worker in health["workers"]] == [True, True]
    words = penstock("status", "--config", str(gateway.folder / "penstock.yaml"))
    done = await asyncio.to_thread(
        subprocess.run, words, cwd=gateway.folder, env=environment(), capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "lame\tdown in 1 of 2\topen\t" in done.stdout


async def test_a_reload_is_taken_by_every_worker_or_by_none(gateway: Gateway) -> None:
    path = gateway.folder / "penstock.yaml"
    changed = CONFIG.replace("  fewer: {allowed_models: [small]", "  fewer: {allowed_models: [slow]")
    path.write_text(changed)
    await reload(gateway)
    fewer = Caller(gateway, "fewer")
    assert await fewer.ask_many(20) == {"model_not_allowed": 20}
    path.write_text(changed.replace("provider: sim,", "provider: nobody,"))
    await reload(gateway)
    end_one(gateway, signal.SIGTERM)  # the next one begins with what is in force, not with the file
    assert await fewer.ask_many(20) == {"model_not_allowed": 20}
    assert await Caller(gateway, "wide").ask_many(20) == {"ok": 20}
    path.write_text(CONFIG)
    await reload(gateway)


async def test_a_worker_that_cannot_start_again_says_why_and_is_tried_again(gateway: Gateway) -> None:
    broken = gateway.folder / "prompts" / "greeting" / "1.0.0.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text("messages: [")
    os.kill(workers_of(gateway)[0]["pid"], signal.SIGKILL)
    await until_logged(gateway, '"exit_status": 1')
    assert "greeting/1.0.0.yaml" in gateway.log
    assert "Traceback" not in gateway.log
    assert await Caller(gateway, "wide").ask_many(40) == {"ok": 40}  # none waits for that worker
    broken.unlink()
    until_all_serve(gateway)
    assert await Caller(gateway, "wide").ask_many(40) == {"ok": 40}


async def test_a_process_that_is_not_to_be_had_is_tried_for_again(gateway: Gateway) -> None:
    supervisor = gateway.process.pid
    limits = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (8, limits[1]))
    try:
        os.kill(workers_of(gateway)[0]["pid"], signal.SIGKILL)
        await until_logged(gateway, "a worker cannot be started")
    finally:
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, limits)
    until_all_serve(gateway)
    assert await Caller(gateway, "wide").ask_many(20) == {"ok": 20}


def test_a_gateway_that_is_stopped_while_its_workers_start_ends_without_a_word_too_much(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text(CONFIG)
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            penstock("serve", "--config", str(path), "--port", "0"),
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        give_up_s = time.monotonic() + 20
        while not list(tmp_path.glob("*.run.json")):
            assert time.monotonic() < give_up_s
            time.sleep(0.005)
        process.send_signal(number)
        _, said = process.communicate(timeout=10)
        assert process.returncode == 0, said
        assert b"Traceback" not in said
        next(tmp_path.glob("*.run.json")).unlink()


async def test_a_stopped_gateway_has_drained_every_worker_and_leaves_none(tmp_path: Path) -> None:
    with two_workers(tmp_path) as gateway:
        pids = [worker["pid"] for worker in workers_of(gateway)]
        held = await eight_slow_calls(gateway)
        stopped = asyncio.create_task(asyncio.to_thread(gateway.stop))
        assert await asyncio.gather(*held) == ["ok"] * 8
        assert await stopped == 0
        assert not any(alive(pid) for pid in pids)


async def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with two_workers(tmp_path) as gateway:
        pids = [worker["pid"] for worker in workers_of(gateway)]
        gateway.process.kill()
        gateway.process.wait()
        give_up_s = time.monotonic() + 10
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < give_up_s
            await asyncio.sleep(0.05)


def test_a_second_gateway_on_the_same_address_is_refused(gateway: Gateway) -> None:
    port = int(gateway.address.rpartition(":")[2])
    with socket.socket() as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", port))
    with pytest.raises(ConfigError, match="in use"):
        bind_each("127.0.0.1", port, 2)


async def reload(gateway: Gateway) -> None:
    """Reload, and wait until something has come of it."""
    run_file = next(gateway.folder.glob("*.run.json"))
    before = json.loads(run_file.read_text())["generation"]
    gateway.process.send_signal(signal.SIGHUP)
    give_up_s = time.monotonic() + 10
    while json.loads(run_file.read_text())["generation"] == before:
        assert time.monotonic() < give_up_s, gateway.log
        await asyncio.sleep(0.05)
