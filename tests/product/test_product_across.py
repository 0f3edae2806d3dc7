"""Plans that cross dialects, answers that are empty, and what a caller is told of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support import faults
from support.chat_callers import CALLERS, ChatCaller, Messages
from support.every_provider import Every, every_provider, understood
from support.http1 import Response
from support.provider_speech import KINDS, Kind, is_stream, speaking
from support.upstream_server import DONE, Asked, Reply, Upstream, begin_stream, end_stream, respond, send

pytestmark = pytest.mark.asyncio(loop_scope="module")
by_caller = pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
by_kind = pytest.mark.parametrize("kind", KINDS)
by_stream = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Every]:
    async with every_provider(tmp_path_factory.mktemp("across")) as every:
        yield every
        await every.nothing_left()


@pytest.fixture
def every(running: Every) -> Every:
    running.upstream.reset()
    running.upstream.reply = speaking()
    return running


# --- plans -----------------------------------------------------------------------------------------------------------


@by_stream
@pytest.mark.parametrize(
    ("first", "second"), [("anthropic", "openai"), ("openai", "anthropic"), ("gemini", "anthropic")]
)
@by_caller
async def test_another_dialect_stands_in_for_one_that_fails(
    every: Every,
    caller: ChatCaller,
    first: Kind,
    second: Kind,
    stream: bool,  # noqa: FBT001
) -> None:
    broken = faults.error_event if stream else faults.internal_error
    every.upstream.reply = speaking(others={first: broken})
    answer = await every.post(caller, caller.body(f"{first}-{second}", stream=stream), "anthropic-beta: b-1")
    heard = understood(caller, answer)
    assert (heard.text, heard.model, heard.finish) == ("Grüße!", f"{first}-{second}", caller.finishes[0])
    assert answer.headers["x-penstock-provider"] == f"p-{second}"
    assert (answer.headers["x-penstock-fallback"], answer.headers["x-penstock-attempts"]) == ("true", "2")
    event = await every.event_of(answer)
    assert (event["target"], event["fallback_used"], event["status"]) == (second, True, "ok")
    betas = [asked.headers.get("anthropic-beta") for asked in every.upstream.asked]
    spoken = ["b-1" if (caller.name, kind) == ("messages", "anthropic") else None for kind in (first, second)]
    assert betas == spoken


@by_stream
async def test_one_that_can_stands_in_for_one_that_cannot(every: Every, stream: bool) -> None:  # noqa: FBT001
    chat = CALLERS[0]
    answer = await every.post(chat, chat.body("anthropic-openai", stream=stream, seed=7))
    assert understood(chat, answer).text == "Grüße!"
    (asked,) = every.upstream.asked
    assert asked.json["seed"] == 7
    assert (await every.event_of(answer))["target"] == "openai"


@by_stream
@by_caller
async def test_a_race_across_dialects_is_won_by_who_speaks_first(
    every: Every,
    caller: ChatCaller,
    stream: bool,  # noqa: FBT001
) -> None:
    every.upstream.reply = speaking(others={"anthropic": faults.silence})
    answer = await every.post(caller, caller.body("race", stream=stream))
    heard = understood(caller, answer)
    assert (heard.text, heard.model) == ("Grüße!", "race")
    assert answer.headers["x-penstock-provider"] == "p-openai"
    async with asyncio.timeout(2):
        await every.upstream.dropped.wait()
    every.upstream.reply = speaking(others={"openai": faults.silence})
    heard = await every.hear(caller, caller.body("race", stream=stream))
    assert heard.text == "Grüße!"


@by_stream
@by_caller
async def test_a_fixed_text_is_said_in_every_dialect(
    every: Every,
    caller: ChatCaller,
    stream: bool,  # noqa: FBT001
) -> None:
    every.upstream.reply = faults.internal_error
    answer = await every.post(caller, caller.body("fixed", stream=stream))
    heard = understood(caller, answer)
    assert (heard.text, heard.model, heard.finish) == ("Come back later.", "fixed", caller.finishes[0])
    assert answer.headers["x-penstock-degraded"] == "true"
    event = await every.event_of(answer)
    assert (event["degraded"], event["cost_nano_usd"], event["status"]) == (True, 0, "ok")


# --- answers without a word ------------------------------------------------------------------------------------------


def saying_nothing(kind: Kind, *, filtered: bool) -> Reply:
    """An answer that ended before its first word, by itself or by a filter."""
    if kind == "gemini":
        whole: Any = {"candidates": [{"finishReason": "SAFETY" if filtered else "STOP", "index": 0}]}
        whole |= {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}
        events = [b"data: %b\r\n\r\n" % json.dumps(whole).encode()]
    elif kind == "anthropic":
        ended = {"stop_reason": "refusal" if filtered else "end_turn", "stop_sequence": None}
        begun: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "c-1", "content": []}
        begun |= {"stop_reason": None, "stop_sequence": None}
        counted = {
            "input_tokens": 9,
            "output_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        }
        whole = begun | ended | {"usage": counted}
        told: list[dict[str, Any]] = [
            {"type": "message_start", "message": begun | {"usage": counted}},
            {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 0}},
            {"type": "message_stop"},
        ]
        events = [b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in told]
    else:
        usage: dict[str, Any] = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
        usage |= {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
        reason = "content_filter" if filtered else "stop"
        head: dict[str, Any] = {"id": "chatcmpl-1", "created": 1, "model": "o-1"}
        message = {"role": "assistant", "content": "", "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        whole = head | {"object": "chat.completion", "choices": [choice], "usage": usage}
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
            {"choices": [], "usage": usage},
        ]
        head |= {"object": "chat.completion.chunk"}
        events = [b"data: %b\n\n" % json.dumps(head | chunk).encode() for chunk in chunks] + [DONE]

    async def reply(_: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if is_stream(asked):
            await begin_stream(writer)
            await send(writer, b"".join(events))
            await end_stream(writer)
        else:
            await respond(writer, 200, json.dumps(whole).encode())

    return reply


FILTERED = {"chat": "content_filter", "messages": "refusal"}


@by_stream
@pytest.mark.parametrize("filtered", [False, True], ids=["empty", "filtered"])
@by_kind
@by_caller
async def test_an_answer_without_a_word_is_an_answer(
    every: Every,
    caller: ChatCaller,
    kind: Kind,
    filtered: bool,  # noqa: FBT001
    stream: bool,  # noqa: FBT001
) -> None:
    every.upstream.reply = saying_nothing(kind, filtered=filtered)
    answer = await every.post(caller, caller.body(kind, stream=stream))
    assert answer.status == 200, answer.body
    if filtered and caller.name == "responses":
        assert incomplete(answer, stream=stream) == {"reason": "content_filter"}
    else:
        heard = understood(caller, answer)
        finish = FILTERED[caller.name] if filtered else caller.finishes[0]
        assert (heard.text, heard.tools, heard.finish) == ("", [], finish)
        assert (heard.input_tokens, heard.output_tokens) == (9, 0)
    event = await every.event_of(answer)
    assert (event["status"], event["input_tokens"], event["output_tokens"]) == ("ok", 9, 0)
    assert not event["usage_estimated"]


def incomplete(answer: Response, *, stream: bool) -> Any:
    """Why a Responses answer is not whole."""
    if not stream:
        told = msgspec.json.decode(answer.body)
    else:
        last = msgspec.json.decode(answer.body.rstrip().rpartition(b"data: ")[2])
        assert last["type"] == "response.incomplete"
        told = last["response"]
    assert told["status"] == "incomplete"
    return told["incomplete_details"]


async def test_a_prompt_that_is_blocked_is_refused(every: Every) -> None:
    async def reply(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
        await respond(writer, 200, b'{"promptFeedback":{"blockReason":"SAFETY"}}')

    every.upstream.reply = reply
    answer = await every.post(Messages(), Messages().body("gemini"))
    assert (answer.status, Messages().hear_error(msgspec.json.decode(answer.body))[0]) == (400, "invalid_request_error")
