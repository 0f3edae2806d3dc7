"""The gateway's way out: through a proxy of its environment, and to servers that prove who they are or need not."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from support.server import Gateway, environment, penstock, running
from support.tls import make_certificates, server_context
from support.tunnels import Tunnels
from support.upstream_server import upstream_server
from support.wire import scripted_server

CONFIG = """
server: {{environment: {environment}}}
providers:
  first: {first}
  second: {second}
models:
  one: {{provider: first, model_id: one, cost_per_1k_tokens_usd: 0}}
  two: {{provider: second, model_id: two, cost_per_1k_tokens_usd: 0}}
tenant_tiers:
  pro: {{allowed_models: [one, two]}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
"""
KEY = "sk-acme-" + "a" * 40
HELLO: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificates")
    return make_certificates(tmp_path_factory.mktemp("tls"))


def write(folder: Path, first: str, second: str, *, where: str = "production") -> Path:
    path = folder / "penstock.yaml"
    path.write_text(CONFIG.format(environment=where, first=first, second=second))
    return path


async def ask(gateway: Gateway, model: str) -> str | None:
    async with AsyncOpenAI(base_url=f"http://{gateway.address}/v1", api_key=KEY, max_retries=0) as client:
        answer = await client.chat.completions.create(model=model, messages=HELLO)
    return answer.choices[0].message.content


async def test_providers_are_reached_through_the_proxy_of_the_environment(tmp_path: Path, certificates: Path) -> None:
    async with upstream_server(server_context(certificates)) as secure, upstream_server() as plain:
        tunnels = Tunnels(secure.port)
        async with scripted_server(tunnels.script) as (_, tunnel_port):
            config = write(
                tmp_path,
                f"{{kind: openai_compatible, base_url: 'https://llm.test/v1', ca_file: {certificates}/ca.pem}}",
                "{kind: openai_compatible, base_url: 'http://plain.test/v1'}",
            )
            proxies = {
                "HTTPS_PROXY": f"http://user:hunter2@127.0.0.1:{tunnel_port}",
                "HTTP_PROXY": f"http://127.0.0.1:{plain.port}",
            }
            with running(config, tmp_path, ACME_KEY=KEY, **proxies) as gateway:
                assert await ask(gateway, "one") == "Hi."
                assert await ask(gateway, "two") == "Hi."
                log = gateway.log
    assert tunnels.heads[0].startswith(b"CONNECT llm.test:443 HTTP/1.1\r\n")
    assert [asked.head for asked in secure.asked] == ["POST /v1/chat/completions HTTP/1.1"]
    assert [asked.head for asked in plain.asked] == ["POST http://plain.test/v1/chat/completions HTTP/1.1"]
    assert f"127.0.0.1:{tunnel_port}" in log
    assert "hunter2" not in log


async def test_a_development_environment_may_leave_a_provider_unverified_and_says_so_at_every_start(
    tmp_path: Path, certificates: Path
) -> None:
    async with upstream_server(server_context(certificates)) as upstream:
        address = f"https://127.0.0.1:{upstream.port}/v1"
        provider = f"{{kind: openai_compatible, base_url: '{address}', tls_verify: %s}}"
        config = write(tmp_path, provider % "false", provider % "true", where="development")
        for start in (1, 2):
            with running(config, tmp_path, ACME_KEY=KEY) as gateway:
                assert await ask(gateway, "one") == "Hi."
                with pytest.raises(Exception, match="certificate not trusted"):
                    await ask(gateway, "two")
                told = [line for line in gateway.log.splitlines() if "TLS is not verified" in line]
                assert len(told) == start
                assert "provider=first" in told[-1]
        config.write_text(config.read_text().replace("development", "production"))
        refused = await asyncio.to_thread(
            subprocess.run,
            penstock("serve", "--config", str(config), "--port", "0"),
            cwd=tmp_path,
            env=environment(ACME_KEY=KEY),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert refused.returncode == 2
    assert "providers.first.tls_verify" in refused.stderr
    assert "`server.environment: development`" in refused.stderr
