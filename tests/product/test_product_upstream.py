"""The composed gateway between a client and a real upstream socket: what passes, what is kept back, what is cut."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from support.server import running as running_gateway
from support.server import serving
from support.upstream_server import (
    Asked,
    Upstream,
    begin_stream,
    respond,
    send,
    text_event,
    upstream_server,
    watch_until_gone,
)

CONFIG = """
providers:
  main: {{kind: openai_compatible, base_url: "http://127.0.0.1:{main}/v1", api_key: $UPSTREAM_KEY}}
  spare: {{kind: openai_compatible, base_url: "http://127.0.0.1:{spare}/v1"}}
models:
  alias: {{provider: main, model_id: real-model, cost_per_1k_tokens_usd: 0.001}}
  other: {{provider: spare, model_id: spare-model, cost_per_1k_tokens_usd: 0.002}}
resilience: {{breaker: {{failures: 1000000}}, retry_floor: 1000}}
routing:
  chat: {{primary: alias, fallback: other, first_content_ms: 700, attempt_timeout_ms: 700, idle_gap_ms: 300}}
tenant_tiers:
  pro: {{allowed_models: [alias, other], requests_per_minute: 100000}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
admin_keys: [$ADMIN_KEY]
"""
SECRETS = {"ACME_KEY": "sk-acme-" + "a" * 40, "ADMIN_KEY": "sk-admin-" + "b" * 40, "UPSTREAM_KEY": "sk-upstream-secret"}
pytestmark = pytest.mark.asyncio(loop_scope="module")
HELLO: Any = [{"role": "user", "content": "Hello"}]


class Works:
    """Gateway, its two upstreams and a client."""

    def __init__(self, address: str, folder: Path, main: Upstream, spare: Upstream, client: AsyncOpenAI) -> None:
        self.address = address
        self.folder = folder
        self.main = main
        self.spare = spare
        self.client = client

    async def get(self, path: str) -> str:
        host, _, port = self.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"GET {path} HTTP/1.1\r\nhost: {self.address}\r\nauthorization: Bearer {SECRETS['ADMIN_KEY']}\r\n"
            "connection: close\r\n\r\n".encode()
        )
        answer = (await reader.read()).decode()
        writer.close()
        return answer.partition("\r\n\r\n")[2]

    async def last_event(self) -> dict[str, Any]:
        events: list[dict[str, Any]] = json.loads(await self.get("/audit?limit=20"))["events"]
        return next(event for event in events if event["event_type"] == "llm_request_completed")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Works]:
    folder = tmp_path_factory.mktemp("upstream")
    async with upstream_server() as main, upstream_server() as spare:
        config = folder / "penstock.yaml"
        config.write_text(CONFIG.format(main=main.port, spare=spare.port))
        with serving(config, folder, **SECRETS) as address:
            async with AsyncOpenAI(
                base_url=f"http://{address}/v1", api_key=SECRETS["ACME_KEY"], max_retries=0
            ) as client:
                yield Works(address, folder, main, spare, client)


@pytest.fixture
def works(running: Works) -> Works:
    running.main.reset()
    running.spare.reset()
    return running


async def test_what_the_gateway_does_not_know_reaches_the_upstream_as_it_came(works: Works) -> None:
    extra = {"future_option": {"deep": [1, 2.50, "ü"]}, "n_best": 12345678901234567890, "reasoning_effort": "low"}
    answer = await works.client.chat.completions.create(
        model="alias", messages=HELLO, extra_body=extra, user="ada", max_tokens=9
    )
    (asked,) = works.main.asked
    assert {name: asked.json[name] for name in extra} == extra
    assert b'"n_best":12345678901234567890' in asked.body.replace(b": ", b":")
    assert (asked.json["model"], asked.json["messages"], asked.json["max_tokens"]) == ("real-model", HELLO, 9)
    assert asked.headers["authorization"] == f"Bearer {SECRETS['UPSTREAM_KEY']}"
    assert SECRETS["ACME_KEY"] not in str(asked.headers)
    assert answer.model == "alias"
    assert answer.model_extra == {"vendor_extra": {"kept": True}}


async def test_a_stream_is_relayed_as_it_comes_and_usage_stays_behind(works: Works) -> None:
    go_on = asyncio.Event()

    async def reply(_: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        assert asked.json["stream_options"] == {"include_usage": True}
        await begin_stream(writer)
        await send(writer, text_event("Grüße"))
        await go_on.wait()
        whole = text_event(" später") + text_event("", "stop")
        for byte in range(len(whole)):
            await send(writer, whole[byte : byte + 1])
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        await send(writer, f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n".encode())
        writer.write(b"0\r\n\r\n")

    works.main.reply = reply
    stream = await works.client.chat.completions.create(model="alias", messages=HELLO, stream=True)
    texts = [(await anext(stream)).choices[0].delta.content]
    go_on.set()
    async for chunk in stream:
        assert chunk.model == "alias"
        assert chunk.usage is None
        texts.append(chunk.choices[0].delta.content)
    assert "".join(text or "" for text in texts) == "Grüße später"
    event = await works.last_event()
    assert (event["input_tokens"], event["output_tokens"], event["cost_nano_usd"]) == (3, 4, 7000)


async def test_a_client_that_asked_for_usage_gets_the_estimate_where_the_provider_says_nothing(works: Works) -> None:
    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer)
        await send(writer, text_event("one two three four") + text_event("", "stop") + b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")

    works.main.reply = reply
    stream = await works.client.chat.completions.create(
        model="alias", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    *_, finish, last = [chunk async for chunk in stream]
    assert finish.choices[0].finish_reason == "stop"
    assert (last.id, last.created, last.object, last.model, last.choices) == ("c", 1, finish.object, "alias", [])
    assert finish.usage is None
    assert last.usage is not None
    event = await works.last_event()
    assert event["usage_estimated"]
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (event["input_tokens"], event["output_tokens"])
    assert last.usage.total_tokens == event["input_tokens"] + event["output_tokens"]
    assert event["cost_nano_usd"] == 1000 * last.usage.total_tokens


async def test_a_stream_ends_at_done_and_its_connection_is_used_again_when_the_body_ends_later(works: Works) -> None:
    end_body = asyncio.Event()
    connections: set[asyncio.StreamReader] = set()

    async def reply(_: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        connections.add(asked.reader)
        await begin_stream(writer)
        await send(writer, text_event("Hello") + text_event("", "stop") + b"data: [DONE]\n\n")
        await end_body.wait()
        writer.write(b"0\r\n\r\n")

    works.main.reply = reply
    for _ in range(2):
        stream = await works.client.chat.completions.create(model="alias", messages=HELLO, stream=True)
        async for _chunk in stream:
            pass
        end_body.set()
        assert (await works.last_event())["status"] == "ok"
    assert len(connections) == 1


async def test_tools_and_how_they_may_be_called_reach_the_upstream_as_they_came(works: Works) -> None:
    tool: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    for parallel in (False, True):
        await works.client.chat.completions.create(
            model="alias", messages=HELLO, tools=[tool], tool_choice="auto", parallel_tool_calls=parallel
        )
    assert [asked.json["parallel_tool_calls"] for asked in works.main.asked] == [False, True]
    assert {json.dumps(asked.json["tools"]) for asked in works.main.asked} == {json.dumps([tool])}
    assert {asked.json["tool_choice"] for asked in works.main.asked} == {"auto"}


async def test_leaving_before_the_answer_cancels_the_upstream(works: Works) -> None:
    arrived = asyncio.Event()

    async def reply(upstream: Upstream, asked: Asked, _: asyncio.StreamWriter) -> None:
        arrived.set()
        await watch_until_gone(upstream, asked)

    works.main.reply = reply
    call = asyncio.create_task(works.client.chat.completions.create(model="alias", messages=HELLO))
    async with asyncio.timeout(5):
        await arrived.wait()
        call.cancel()
        left_at = time.monotonic()
        await works.main.dropped.wait()
    assert time.monotonic() - left_at < 1
    assert (await works.last_event())["status"] == "cancelled"


async def test_leaving_in_the_middle_of_a_stream_closes_the_upstream_and_bills_what_came(works: Works) -> None:
    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer)
        await send(writer, text_event("one two three four"))
        await watch_until_gone(upstream, asked)

    works.main.reply = reply
    stream = await works.client.chat.completions.create(model="alias", messages=HELLO, stream=True)
    await anext(stream)
    await stream.close()
    async with asyncio.timeout(5):
        await works.main.dropped.wait()
    event = await works.last_event()
    assert event["status"] == "disconnected"
    assert event["usage_estimated"]
    assert event["output_tokens"] > 0
    assert event["cost_nano_usd"] > 0


@pytest.mark.parametrize(
    ("status", "body", "spent"),
    [
        (500, b"{}", 3),
        (200, b"<html>Bad gateway</html>", 3),
        (200, b'{"error": {"message": "overloaded"}}', 3),
        (401, b'{"error": {"message": "bad key"}}', 1),
        (404, b'{"error": {"message": "no such model"}}', 1),
    ],
)
async def test_the_fallback_answers_for_an_upstream_that_fails(
    works: Works, status: int, body: bytes, spent: int
) -> None:
    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await respond(writer, status, body)

    works.main.reply = reply
    raw = await works.client.chat.completions.with_raw_response.create(model="chat", messages=HELLO)
    assert raw.parse().choices[0].message.content == "Hi."
    assert raw.headers["x-penstock-provider"] == "spare"
    assert raw.headers["x-penstock-fallback"] == "true"
    assert len(works.main.asked) == spent


async def test_an_outage_behind_a_fallback_is_told_in_the_log(tmp_path: Path) -> None:
    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await respond(writer, 500, b"{}")

    async with upstream_server() as main, upstream_server() as spare:
        main.reply = reply
        config = tmp_path / "penstock.yaml"
        config.write_text(CONFIG.format(main=main.port, spare=spare.port))
        with running_gateway(config, tmp_path, **SECRETS) as gateway:
            base_url = f"http://{gateway.address}/v1"
            async with AsyncOpenAI(base_url=base_url, api_key=SECRETS["ACME_KEY"], max_retries=0) as client:
                for _ in range(3):
                    await client.chat.completions.create(model="chat", messages=HELLO)
            lines = [line for line in gateway.log.splitlines() if "target" in line]
    assert len(lines) == 1
    assert "target failed" in lines[0]
    assert "provider=main" in lines[0]
    assert "HTTP 500" in lines[0]


async def test_the_callers_mistake_is_told_and_tried_nowhere_else(works: Works) -> None:
    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await respond(writer, 400, b'{"error": {"message": "top_k must be positive", "param": "top_k"}}')

    works.main.reply = reply
    with pytest.raises(openai.BadRequestError, match="top_k must be positive"):
        await works.client.chat.completions.create(model="chat", messages=HELLO)
    assert (len(works.main.asked), len(works.spare.asked)) == (1, 0)


async def test_an_upstream_that_hangs_is_left_in_time(works: Works) -> None:
    async def reply(upstream: Upstream, asked: Asked, _: asyncio.StreamWriter) -> None:
        await watch_until_gone(upstream, asked)

    works.main.reply = reply
    began_at = time.monotonic()
    answer = await works.client.chat.completions.create(model="chat", messages=HELLO)
    assert answer.choices[0].message.content == "Hi."
    # Three attempts of 0.7 s each with their delays, and no more.
    assert time.monotonic() - began_at < 5


@pytest.mark.parametrize("ending", ["cut", "silence", "garbage"])
async def test_a_stream_that_breaks_ends_with_an_error_and_is_billed(works: Works, ending: str) -> None:
    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer)
        await send(writer, text_event("half an answer"))
        if ending == "cut":
            writer.transport.abort()
        elif ending == "garbage":
            await send(writer, b"data: {not json\n\n")
        await watch_until_gone(upstream, asked)

    works.main.reply = reply
    stream = await works.client.chat.completions.create(model="chat", messages=HELLO, stream=True)
    assert (await anext(stream)).choices[0].finish_reason is None
    with pytest.raises(openai.APIError):
        await anext(stream)
    event = await works.last_event()
    assert event["status"] == "error"
    assert (
        event["error_code"]
        == {
            "cut": "upstream_cut",
            "silence": "upstream_timeout",
            "garbage": "upstream_malformed",
        }[ending]
    )
    assert event["output_tokens"] > 0
    assert works.spare.asked == []


async def test_no_prompt_or_answer_text_is_written_anywhere(works: Works) -> None:
    secret = "Xylophone-4711"
    await works.client.chat.completions.create(
        model="alias", messages=[{"role": "user", "content": secret}], user=secret
    )
    with pytest.raises(openai.NotFoundError):
        await works.client.chat.completions.create(model="nobody", messages=[{"role": "user", "content": secret}])
    await works.last_event()
    assert files_with(works.folder, secret) == []
    assert files_with(works.folder, "llm_request_completed") != []


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
