"""The gateway's way out: through a proxy of its environment, and to servers that prove who they are or need not."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from support.server import Gateway, environment, penstock, running
from support.tls import make_certificates, server_context
from support.tunnels import Tunnels
from support.upstream_server import Asked, Upstream, begin_stream, send, text_event, upstream_server
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


async def test_slow_clients_hold_back_their_upstreams_and_take_little_memory(tmp_path: Path) -> None:
    streams, events = 3, 1500  # 24 MB each, if nobody held back; kernels hold a third of it
    event = text_event("x" * 16_000)
    sent = [0]

    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        del upstream, asked
        await begin_stream(writer)
        for _ in range(events):
            await send(writer, event)
            sent[0] += 1
        await send(writer, text_event("", "stop") + b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")

    async with upstream_server() as upstream:
        upstream.reply = reply
        provider = f"{{kind: openai_compatible, base_url: 'http://127.0.0.1:{upstream.port}/v1'}}"
        with running(write(tmp_path, provider, provider), tmp_path, ACME_KEY=KEY) as gateway:
            host, _, port = gateway.address.partition(":")
            body = json.dumps({"model": "one", "messages": HELLO, "stream": True}).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
            request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
            before_bytes = resident_bytes(gateway)
            opened = [await asyncio.open_connection(host, int(port)) for _ in range(streams)]
            for _, writer in opened:
                writer.write(request)
            for reader, _ in opened:
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            before = -1
            while sent[0] != before:  # a standstill is the absence of an event
                before = sent[0]
                await asyncio.sleep(0.3)
            assert sent[0] < streams * events * 0.75
            assert resident_bytes(gateway) - before_bytes < 10_000_000
            for reader, writer in opened:
                tail = b""
                while b"data: [DONE]" not in tail:
                    tail = tail[-20:] + await reader.read(1_000_000)
                writer.close()
            assert sent[0] == streams * events


def resident_bytes(gateway: Gateway) -> int:
    pages = int(Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


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
