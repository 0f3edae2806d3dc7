"""The Responses API with OpenAI's own client: answers that callers go on from, of one tenant and of two workers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from support.server import serving

CONFIG = """
server: {workers: 2}
providers: {fake: {kind: simulated, latency_ms: 0}}
models: {fast: {provider: fake, model_id: sim}}
tenant_tiers: {pro: {allowed_models: [fast], requests_per_minute: 100000}}
tenants:
  acme: {tier: pro, keys: [{name: app, key: $ACME_KEY}]}
  other: {tier: pro, keys: [{name: app, key: $OTHER_KEY}]}
"""
SECRETS = {"ACME_KEY": "sk-acme-" + "a" * 40, "OTHER_KEY": "sk-other-" + "b" * 40}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    with served(tmp_path_factory.mktemp("responses"), CONFIG) as address:
        yield address


def served(folder: Path, config: str) -> AbstractContextManager[str]:
    """A gateway with its store in ``folder``."""
    path = folder / "penstock.yaml"
    path.write_text(config)
    return serving(path, folder, **SECRETS)


def client(address: str, key: str = "ACME_KEY") -> AsyncOpenAI:
    """One with a connection of its own, so that either worker may take it."""
    return AsyncOpenAI(base_url=f"http://{address}/v1", api_key=SECRETS[key], max_retries=0)


async def test_a_call_goes_on_from_an_answer_that_another_worker_gave(address: str) -> None:
    async with client(address) as first:
        answer = await first.responses.create(model="fast", input="My name is Ada.")
    for _ in range(8):  # each on a connection of its own: both workers
        async with client(address) as later:
            following = await later.responses.create(
                model="fast", input="What is my name?", previous_response_id=answer.id
            )
            assert following.previous_response_id == answer.id
            items = await later.responses.input_items.list(following.id, order="asc")
            said = [item.to_dict() for item in items.data]
            assert [item["role"] for item in said] == ["user", "assistant", "user"]
            assert said[0]["content"] == [{"type": "input_text", "text": "My name is Ada."}]


async def test_a_streamed_answer_is_kept_too(address: str) -> None:
    async with client(address) as caller:
        async with caller.responses.stream(model="fast", input="One.") as stream:
            events = [event.type async for event in stream]
            answer = await stream.get_final_response()
        assert events[0] == "response.created"
        assert events[-1] == "response.completed"
        kept = await caller.responses.retrieve(answer.id)
        assert kept.output_text == answer.output_text
        named = [
            {"type": "item_reference", "id": answer.output[0].to_dict()["id"]},
            {"role": "user", "content": "Two."},
        ]
        following = await caller.responses.create(model="fast", input=named)  # type: ignore[arg-type]
        items = await caller.responses.input_items.list(following.id, order="asc")
        assert [item.to_dict()["role"] for item in items.data] == ["assistant", "user"]


async def test_what_is_another_tenants_was_never_kept_or_is_gone_cannot_be_gone_on_from(address: str) -> None:
    async with client(address) as acme, client(address, "OTHER_KEY") as other:
        answer = await acme.responses.create(model="fast", input="A secret.")
        unkept = await acme.responses.create(model="fast", input="A secret.", store=False)
        for caller, name in ((other, answer.id), (acme, unkept.id), (acme, "resp_nobody")):
            with pytest.raises(openai.BadRequestError, match="not found") as refused:
                await caller.responses.create(model="fast", input="Go on.", previous_response_id=name)
            assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")
            with pytest.raises(openai.NotFoundError):
                await caller.responses.retrieve(name)
        with pytest.raises(openai.NotFoundError):
            await other.responses.delete(answer.id)
        await acme.responses.delete(answer.id)
        with pytest.raises(openai.NotFoundError):
            await acme.responses.retrieve(answer.id)


async def test_where_nothing_is_kept_the_refusal_says_what_to_do(tmp_path: Path) -> None:
    config = CONFIG.replace("workers: 2", "workers: 1") + "store: {responses: {retention_s: 0}}\n"
    with served(tmp_path, config) as address:
        async with client(address) as caller:
            answer = await caller.responses.create(model="fast", input="Hello.")
            with pytest.raises(openai.BadRequestError, match="send the whole conversation"):
                await caller.responses.create(model="fast", input="Go on.", previous_response_id=answer.id)
    assert not any(name.endswith(".responses") for name in os.listdir(tmp_path))  # noqa: PTH208 - nobody waits for it
