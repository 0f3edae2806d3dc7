"""Streams of Anthropic and Gemini cut at every byte, for callers of their dialect and of others: told, never passed off."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from support import faults
from support.chat_callers import ChatCaller, Completions, Heard, Messages, Responses
from support.every_provider import KEY, every_provider
from support.http1 import Response
from support.provider_speech import Kind, Speech, wire
from support.upstream_server import Asked, Upstream

TEXT = Speech(text=("Grü", 'ße "x"'))
TOOL = Speech(text=(), tools=(("f", '{"a":1}'),))
CALLS_AT_ONCE = 32
_SIZE = re.compile(rb"cut at (\d+)")


def done_bytes(kind: Kind, told: bytes) -> int:
    """How much of a response a client must have to know that nothing follows: Gemini says so by the body's end alone."""
    return len(told) if kind == "gemini" else told.rindex(b"\r\n0\r\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "speech", "caller"),
    [
        ("anthropic", TEXT, Messages()),
        ("anthropic", TOOL, Completions()),
        ("gemini", TEXT, Messages()),
        ("gemini", TOOL, Responses()),
    ],
    ids=["anthropic for its own", "anthropic for chat", "gemini for messages", "gemini for responses"],
)
async def test_a_stream_that_is_cut_at_any_byte_ends_with_an_error_until_it_was_complete(
    tmp_path: Path, kind: Kind, speech: Speech, caller: ChatCaller
) -> None:
    told = wire(kind, speech)

    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        found = _SIZE.search(asked.body)
        assert found is not None
        await faults.cut(told, int(found[1]))(upstream, asked, writer)

    async with every_provider(tmp_path) as every:
        every.upstream.reply = reply
        sizes = iter(range(len(told) + 1))
        answers: dict[int, Response] = {}

        async def ask() -> None:
            client = await every.gateway.served.connect()
            for size in sizes:
                body = json.dumps(caller.body(kind, stream=True)).replace("the weather", f"cut at {size}")
                await client.send(caller.ask(json.loads(body), KEY))
                answers[size] = await client.response()

        await asyncio.gather(*(ask() for _ in range(CALLS_AT_ONCE)))
        assert await every.gateway.left() == {}
    whole = caller.hear_stream(answers[len(told)].body)
    for size, answer in sorted(answers.items()):
        if size < done_bytes(kind, told):
            assert_broken(caller, answer, whole, at=size)
        else:
            heard = caller.hear_stream(answer.body)
            assert (heard.text, heard.output_tokens) == (whole.text, 20), size
            assert [call[1:] for call in heard.tools] == [call[1:] for call in whole.tools], size


def assert_broken(caller: ChatCaller, answer: Response, whole: Heard, *, at: int) -> None:
    """An error with its status, or a true beginning and then the error."""
    if answer.status == 200:
        assert whole.text.startswith(caller.hear_break(answer.body)), at
        return
    kind, _, _ = caller.hear_error(json.loads(answer.body))
    assert (answer.status, kind) == (502, "api_error" if caller.name == "messages" else "upstream_error"), at
