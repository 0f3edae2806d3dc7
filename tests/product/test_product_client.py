"""A gateway in a program of one's own: the config file's, with its store, and nothing left behind."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import penstock
from penstock import Client
from penstock.client import Generation
from penstock.config import ConfigError
from penstock.core.errors import BudgetExceeded, StoreFailed, Unavailable, UnknownTenant, UpstreamUnavailable
from support.server import environment, running

CONFIG = """
providers:
  sim: {kind: simulated}
  paced: {kind: simulated, tokens_per_s: 10}
  broken: {kind: simulated, fail_rate: 1}
models:
  small: {provider: sim, model_id: small-v1, cost_per_1k_tokens_usd: 0.01}
  paced: {provider: paced, model_id: paced-v1, cost_per_1k_tokens_usd: 0.01}
  broken: {provider: broken, model_id: broken-v1, cost_per_1k_tokens_usd: 0.01}
tenant_tiers:
  all: {allowed_models: [small, paced, broken], daily_budget_usd: 10}
  poor: {allowed_models: [small], daily_budget_usd: 0.001, max_output_tokens: 20}
tenants:
  acme: {tier: all, keys: [{name: app, key: $ACME_KEY}]}
  other: {tier: poor, keys: [{name: app, key: $OTHER_KEY}]}
admin_keys: [$ADMIN_KEY]
"""
KEYS = {name: f"sk-{name.lower()}-{'0' * 40}" for name in ("ACME_KEY", "OTHER_KEY", "ADMIN_KEY")}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    path = tmp_path / "penstock.yaml"
    path.write_text(CONFIG)
    return path


def opened(config: Path, tenant: str | None = "acme") -> Client:
    return Client.from_config(config, tenant=tenant, store_url=f"sqlite:///{config.parent}/own.db")


def change(config: Path, old: str, new: str) -> None:
    config.write_text(CONFIG.replace(old, new))


async def ask_often(client: Client) -> None:
    for _ in range(20):
        await client.generate("Hello", model="small")


async def test_a_config_file_is_a_gateway(config: Path) -> None:
    async with opened(config) as client:
        answer = await client.generate("Hello", model="small")
        assert answer.text == 'Simulated answer from small-v1 to: "Hello"'
        assert "".join([part async for part in client.stream("Hello", model="small")]) == answer.text


async def test_what_is_spent_is_spent_after_a_restart_too(config: Path) -> None:
    async with opened(config, "other") as client:
        with pytest.raises(BudgetExceeded):
            await ask_often(client)
    async with opened(config, "other") as client:
        with pytest.raises(BudgetExceeded):
            await client.generate("Hello", model="small")
    async with opened(config, "acme") as client:
        await client.generate("Hello", model="small")


async def test_a_store_belongs_to_one_gateway(config: Path) -> None:
    async with opened(config):
        with pytest.raises(StoreFailed, match=r"Client\.connect, or give `store_url`"):
            await opened(config).__aenter__()
    async with opened(config) as client:
        await client.generate("Hello", model="small")


def test_a_served_store_is_asked_through_its_gateway(config: Path) -> None:
    url = f"sqlite:///{config.parent}/penstock.db"

    async def ask(address: str) -> None:
        with pytest.raises(StoreFailed, match=r"Another penstock process \(\d+\).*Client.connect"):
            await Client.from_config(config, tenant="acme", store_url=url).__aenter__()
        async with Client.connect(f"http://{address}", api_key=KEYS["ACME_KEY"]) as client:
            assert (await client.generate("Hello", model="small")).provider == "sim"

    with running(config, config.parent, **KEYS) as gateway:
        asyncio.run(ask(gateway.address))


@pytest.mark.parametrize("tenant", [None, "nobody"])
async def test_a_tenant_of_the_config_asks(config: Path, tenant: str | None) -> None:
    with pytest.raises(UnknownTenant, match="acme, other"):
        await opened(config, tenant).__aenter__()
    async with opened(config):
        """What failed to open has left the store to the next."""


async def test_one_tenant_need_not_be_named(config: Path) -> None:
    change(config, "  other: {tier: poor, keys: [{name: app, key: $OTHER_KEY}]}\n", "")
    async with opened(config, None) as client:
        assert (await client.generate("Hello", model="small")).provider == "sim"


async def test_a_config_that_is_wrong_is_told_as_at_a_start(config: Path) -> None:
    change(config, "provider: sim,", "provider: none,")
    with pytest.raises(ConfigError, match="there is no provider `none`"):
        await opened(config).__aenter__()
    with pytest.raises(ConfigError, match="cannot be read"):
        await opened(config.with_name("missing.yaml")).__aenter__()


async def test_cancelled_it_is_closed(config: Path) -> None:
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    begun = asyncio.Event()

    async def program() -> None:
        async with opened(config) as client:
            stream = client.stream("Hello " * 100, model="paced")
            async for _ in stream:
                begun.set()

    for _ in range(2):
        begun.clear()
        running_program = asyncio.create_task(program())
        async with asyncio.timeout(5):
            await begun.wait()
        running_program.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running_program
    assert asyncio.all_tasks() == tasks
    assert threading.active_count() == threads


async def test_an_error_inside_closes_it(config: Path) -> None:
    waiting: list[asyncio.Task[Generation]] = []

    async def program() -> None:
        async with opened(config) as client:
            waiting.append(asyncio.create_task(client.generate("Hello " * 100, model="paced")))
            await asyncio.sleep(0)
            await client.generate("Hello", model="broken")

    with pytest.raises(UpstreamUnavailable):
        await program()
    with pytest.raises(Unavailable, match="closed"):
        await waiting[0]
    async with opened(config):
        """The store is free."""


async def test_it_logs_as_the_program_does(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "penstock"):
        async with opened(config) as client:
            with pytest.raises(UpstreamUnavailable):
                await client.generate("Hello", model="broken")
    failed = [record for record in caplog.records if record.getMessage().startswith("call failed")]
    assert [record.levelname for record in failed] == ["WARNING"]
    assert "tenant=acme" in failed[0].getMessage()


async def test_its_files_are_its_users_alone(config: Path) -> None:
    async with opened(config) as client:
        await client.generate("Hello", model="small")
        modes = {path.name: path.stat().st_mode & 0o077 for path in config.parent.glob("own.db*")}
    assert modes
    assert set(modes.values()) == {0}


def test_code_without_a_loop_runs_one_too(config: Path) -> None:
    with opened(config).blocking() as client:
        assert client.generate("Hello", model="small").provider == "sim"
        for _ in client.stream("Hello " * 100, model="paced"):
            break
    with pytest.raises(UnknownTenant), opened(config, "nobody").blocking():
        """Never comes."""
    assert [thread.name for thread in threading.enumerate() if thread.name == "penstock-llm"] == []


def test_importing_the_package_loads_neither_gateway_nor_client() -> None:
    program = "import sys, penstock; print([name for name in sys.modules if name.startswith('penstock.')])"
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=20, check=False
    )
    assert ran.stdout == "[]\n"


def test_the_package_names_what_a_program_uses() -> None:
    assert {"Client", "LLMFactory"} <= set(dir(penstock))
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = penstock.Klient
