"""Embeddings, legacy completions and the count of tokens, over sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support import faults
from support.chat_callers import PROMPT, Completions, Messages
from support.every_provider import KEY, POOR_KEY, SECRETS, Every, every_provider
from support.http1 import Response, request
from support.provider_speech import speaking
from support.upstream_server import DONE, Asked, Reply, Upstream, begin_stream, end_stream, respond, send

VECTOR = [0.25, -1.5]
PACKED = base64.b64encode(struct.pack("<2f", *VECTOR)).decode()
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Every]:
    async with every_provider(tmp_path_factory.mktemp("faces")) as every:
        yield every
        await every.nothing_left()


@pytest.fixture
def every(running: Every) -> Every:
    running.upstream.reset()
    running.upstream.reply = speaking()
    return running


async def post(every: Every, path: str, body: Any, *headers: str, key: str = KEY) -> tuple[Response, Any]:
    answer = await every.gateway.served.ask(request(json.dumps(body).encode(), *headers, path=path, key=key))
    streamed = answer.headers["content-type"].startswith("text/event-stream")
    return answer, None if streamed else msgspec.json.decode(answer.body)


def answering(body: Any) -> Reply:
    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await respond(writer, 200, json.dumps(body).encode())

    return reply


# --- embeddings ------------------------------------------------------------------------------------------------------


def embeddings(*vectors: Any) -> Reply:
    # platform.openai.com/docs/api-reference/embeddings, 2026-11-21
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    return answering({"object": "list", "data": data, "model": "o-1", "usage": usage})


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
@pytest.mark.parametrize("sent", [VECTOR, PACKED], ids=["floats come", "base64 comes"])
@pytest.mark.parametrize("given", ["Hello", ["Hello", "world"], [1, 2, 3], [[1, 2], [3]]], ids=str)
async def test_embeddings_have_the_form_that_was_asked_for(
    every: Every, given: Any, sent: Any, encoding: str | None
) -> None:
    vectors = 2 if isinstance(given, list) and not isinstance(given[0], int) else 1
    every.upstream.reply = embeddings(*[sent] * vectors)
    form = {} if encoding is None else {"encoding_format": encoding}
    answer, told = await post(every, "/v1/embeddings", {"model": "openai", "input": given, "dimensions": 2} | form)
    assert (answer.status, told["model"]) == (200, "openai")
    assert [item["embedding"] for item in told["data"]] == [PACKED if encoding == "base64" else VECTOR] * vectors
    assert told["usage"] == {"prompt_tokens": 8, "total_tokens": 8}
    (asked,) = every.upstream.asked
    assert asked.head == "POST /v1/embeddings HTTP/1.1"
    assert asked.headers["authorization"] == f"Bearer {SECRETS['OPENAI_KEY']}"
    assert asked.json == {"model": "o-1", "input": given, "dimensions": 2} | form
    event = await every.event_of(answer)
    assert (event["endpoint"], event["input_tokens"], event["output_tokens"]) == ("/v1/embeddings", 8, 0)
    assert event["cost_nano_usd"] == 8000
    assert answer.headers["x-penstock-cost-usd"] == "0.000008000"


async def test_embeddings_are_reused_where_the_caller_asks_for_it(every: Every) -> None:
    every.upstream.reply = embeddings(VECTOR)
    body = {"model": "openai", "input": "Hello again"}
    first, told = await post(every, "/v1/embeddings", body, "x-penstock-cache: on")
    second, told_again = await post(every, "/v1/embeddings", body, "x-penstock-cache: on")
    third, _ = await post(every, "/v1/embeddings", body | {"dimensions": 2}, "x-penstock-cache: on")
    assert [answer.headers["x-penstock-cache"] for answer in (first, second, third)] == ["miss", "hit", "miss"]
    assert told == told_again
    assert second.headers["x-penstock-cost-usd"] == "0.000000000"


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/completions"])
async def test_a_model_that_has_no_such_endpoint_says_so_and_another_stands_in(every: Every, path: str) -> None:
    body = {"input": "Hello"} if path.endswith("embeddings") else {"prompt": "Hello"}
    for model in ("anthropic", "gemini"):
        answer, told = await post(every, path, {"model": model} | body)
        assert (answer.status, told["error"]["code"]) == (400, "unsupported_endpoint")
        assert model in told["error"]["message"]
    every.upstream.reply = embeddings(VECTOR) if path.endswith("embeddings") else answering(completion("Hi."))
    answer, told = await post(every, path, {"model": "anthropic-openai"} | body)
    assert (answer.status, told["model"]) == (200, "anthropic-openai")
    assert len(every.upstream.asked) == 1


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/embeddings", {"model": "openai", "input": []}, "input"),
        ("/v1/embeddings", {"model": "openai", "input": "x", "encoding_format": "hex"}, "encoding_format"),
        ("/v1/embeddings", {"model": "openai"}, "input"),
        ("/v1/completions", {"model": "openai", "prompt": [1, "x"]}, "prompt[1]"),
        ("/v1/completions", {"model": "openai", "prompt": "x", "stream_options": 3}, "stream_options"),
    ],
)
async def test_what_is_wrong_is_named(every: Every, path: str, body: Any, param: str) -> None:
    answer, told = await post(every, path, body)
    assert (answer.status, told["error"]["type"], told["error"]["code"]) == (
        400,
        "invalid_request_error",
        "invalid_parameter",
    )
    assert param.partition("[")[0] in told["error"]["param"]
    assert every.upstream.asked == []


# --- legacy completions ----------------------------------------------------------------------------------------------


def completion(text: str, reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    # platform.openai.com/docs/api-reference/completions, 2026-11-21
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "o-1", "choices": [choice]}
    return head | {"usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}} | fields


def chunks(*pieces: str) -> list[bytes]:
    told = [completion(piece, None, usage=None) for piece in pieces]
    told += [completion("", usage=None), completion("", choices=[])]
    return [b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in told]


async def test_a_legacy_completion(every: Every) -> None:
    every.upstream.reply = answering(completion("Hi."))
    body = {"model": "openai", "prompt": "Say hi", "max_tokens": 9, "suffix": "!"}
    answer, told = await post(every, "/v1/completions", body)
    assert told == completion("Hi.") | {"model": "openai"}
    (asked,) = every.upstream.asked
    assert asked.head == "POST /v1/completions HTTP/1.1"
    assert asked.json == body | {"model": "o-1"}
    event = await every.event_of(answer)
    assert (event["endpoint"], event["cost_nano_usd"], event["status"]) == ("/v1/completions", 12000, "ok")


@pytest.mark.parametrize("asks_usage", [False, True])
async def test_a_legacy_stream(every: Every, asks_usage: bool) -> None:  # noqa: FBT001
    async def reply(_: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        assert asked.json["stream_options"] == {"include_usage": True}
        await begin_stream(writer)
        await send(writer, b"".join(chunks("Hi", ".")) + DONE)
        await end_stream(writer)

    every.upstream.reply = reply
    body: dict[str, Any] = {"model": "openai", "prompt": "Say hi", "stream": True}
    answer, _ = await post(
        every, "/v1/completions", body | ({"stream_options": {"include_usage": True}} if asks_usage else {})
    )
    *events, done, rest = answer.body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    told = [json.loads(event.removeprefix(b"data: ")) for event in events]
    assert "".join(choice["text"] for chunk in told for choice in chunk["choices"]) == "Hi."
    assert {chunk["model"] for chunk in told} == {"openai"}
    assert bool(told[-1].get("usage")) == asks_usage
    event = await every.event_of(answer)
    assert (event["input_tokens"], event["output_tokens"], event["usage_estimated"]) == (5, 7, False)


async def test_a_legacy_stream_that_breaks_says_so(every: Every) -> None:
    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer)
        await send(writer, chunks("Hi")[0])
        await end_stream(writer)

    every.upstream.reply = reply
    answer, _ = await post(every, "/v1/completions", {"model": "openai", "prompt": "Say hi", "stream": True})
    *_, last, rest = answer.body.split(b"\n\n")
    assert (json.loads(last.removeprefix(b"data: "))["error"]["code"], rest) == ("upstream_cut", b"")
    assert b"[DONE]" not in answer.body


# --- the count of tokens ---------------------------------------------------------------------------------------------

COUNTED = {"messages": [{"role": "user", "content": PROMPT}]}
COUNT = "/v1/messages/count_tokens"


async def test_anthropic_counts_by_itself(every: Every) -> None:
    every.upstream.reply = answering({"input_tokens": 42})
    answer, told = await post(every, COUNT, COUNTED | {"model": "anthropic"}, "anthropic-beta: b-1")
    assert told == {"input_tokens": 42}
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    (asked,) = every.upstream.asked
    assert asked.head == f"POST {COUNT} HTTP/1.1"
    assert asked.json == COUNTED | {"model": "c-1"}
    told_headers = [asked.headers[name] for name in ("x-api-key", "anthropic-version", "anthropic-beta")]
    assert told_headers == [SECRETS["ANTHROPIC_KEY"], "2023-06-01", "b-1"]
    event = await every.event_of(answer)
    assert (event["endpoint"], event["cost_nano_usd"], event["status"]) == (COUNT, 0, "ok")
    assert (event["input_tokens"], event["output_tokens"]) == (0, 0)


async def test_betas_in_several_lines_all_go_on(every: Every) -> None:
    every.upstream.reply = answering({"input_tokens": 42})
    asked_for = ("anthropic-beta: b-1", "x-other: x", "Anthropic-Beta: b-2,b-3")
    await post(every, COUNT, COUNTED | {"model": "anthropic"}, *asked_for)
    (asked,) = every.upstream.asked
    assert asked.headers["anthropic-beta"] == "b-1,b-2,b-3"


@pytest.mark.parametrize("kind", ["openai", "gemini"])
async def test_for_others_the_count_is_estimated(every: Every, kind: str) -> None:
    answer, told = await post(every, COUNT, COUNTED | {"model": kind})
    assert list(told) == ["input_tokens"]
    assert 4 < told["input_tokens"] < 20
    assert every.upstream.asked == []
    assert (await every.event_of(answer))["cost_nano_usd"] == 0


async def test_a_count_that_fails_is_told_in_anthropics_words_or_made_elsewhere(every: Every) -> None:
    every.upstream.reply = faults.internal_error
    answer, told = await post(every, COUNT, COUNTED | {"model": "anthropic"})
    assert (answer.status, Messages().hear_error(told)[0]) == (502, "api_error")
    answer, told = await post(every, COUNT, COUNTED | {"model": "anthropic-openai"})
    assert (answer.status, list(told)) == (200, ["input_tokens"])
    answer, told = await post(every, COUNT, COUNTED | {"model": "fixed"})
    assert (answer.status, Messages().hear_error(told)[0]) == (503, "overloaded_error")


async def test_an_error_of_the_openai_faces_has_openais_shape(every: Every) -> None:
    every.upstream.reply = faults.internal_error
    for path, body in (("/v1/embeddings", {"input": "x"}), ("/v1/completions", {"prompt": "x"})):
        answer, told = await post(every, path, {"model": "openai"} | body)
        assert (answer.status, Completions().hear_error(told)[0]) == (502, "upstream_error")


async def test_who_has_little_money_left_may_count_and_embed(every: Every) -> None:
    """Neither has an answer of tokens, for which money would be held."""
    body = {"model": "anthropic", "messages": [{"role": "user", "content": "word " * 50}]}
    every.upstream.reply = answering({"input_tokens": 150})
    answer, told = await post(every, COUNT, body, key=POOR_KEY)
    assert (answer.status, told) == (200, {"input_tokens": 150})
    every.upstream.reply = embeddings(VECTOR)
    answer, _ = await post(every, "/v1/embeddings", {"model": "openai", "input": "word " * 50}, key=POOR_KEY)
    assert answer.status == 200
    answer, told = await post(every, "/v1/messages", body | {"max_tokens": 1000}, key=POOR_KEY)
    assert (answer.status, Messages().hear_error(told)[0]) == (429, "rate_limit_error")
    assert answer.headers["x-should-retry"] == "false"
