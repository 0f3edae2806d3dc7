"""What goes wrong is told in each caller's dialect, whatever the provider's is: before content, midway, and not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support import faults
from support.chat_callers import CALLERS, ChatCaller, Completions, Messages, Responses
from support.every_provider import KEY, SECRETS, TINY_KEY, every_provider
from support.http1 import Response, request
from support.provider_speech import KINDS, Kind, begun
from support.upstream_server import Asked, Reply, Upstream, begin_stream, end_stream, respond, send, watch_until_gone

by_caller = pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
by_kind = pytest.mark.parametrize("kind", KINDS)
by_stream = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
# What Anthropic calls each status; the others call it by the gateway's own types.
MESSAGES_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    502: "api_error",
    504: "timeout_error",
}
ERROR_EVENTS: dict[Kind, bytes] = {
    "openai": b'data: {"error":{"message":"overloaded inside","type":"server_error"}}\n\n',
    "anthropic": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"overloaded inside"}}\n\n',
    "gemini": b'data: {"error":{"code":503,"message":"overloaded inside","status":"UNAVAILABLE"}}\r\n\r\n',
}


def refused(caller: ChatCaller, answer: Response, status: int) -> tuple[str, str | None]:
    """Message and parameter of an error, which has the caller's shape, its status and nothing of anyone's secrets."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    kind, message, param = caller.hear_error(msgspec.json.decode(answer.body))
    if caller.name == "messages":
        assert kind == MESSAGES_TYPES[status]
        assert answer.headers["request-id"] == msgspec.json.decode(answer.body)["request_id"]
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert not [secret for secret in (KEY, *SECRETS.values()) if secret in str(answer.headers) + str(answer.body)]
    return message, param


async def test_what_the_caller_does_wrong_is_told_in_its_words(tmp_path: Path) -> None:
    async with every_provider(tmp_path) as every:
        for caller in CALLERS:
            body = caller.body("openai")
            refused(caller, await every.post(caller, body, key="sk-nobody"), 401)
            message, param = refused(caller, await every.post(caller, body | {"model": "nobody"}), 404)
            assert "nobody" in message
            assert param in ("model", None)
            too_long = request(b"", "content-length: 999999999999", path=caller.path, key=KEY)
            refused(caller, await every.gateway.served.ask(too_long), 413)
            assert (await every.post(caller, body, key=TINY_KEY)).status == (200 if caller.name == "chat" else 429)
            limited = await every.post(caller, body, key=TINY_KEY)
            refused(caller, limited, 429)
            assert 0 < int(limited.headers["retry-after"]) <= 120  # two windows
        assert len(every.upstream.asked) == 1


@pytest.mark.parametrize(
    ("caller", "wrong", "path"),
    [
        (Completions(), {"messages": [{"role": "user", "content": "Hi"}, {"role": "robot"}]}, "messages[1].role"),
        (Responses(), {"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        (Messages(), {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        (Completions(), {"temperature": "hot"}, "temperature"),
        (Responses(), {"temperature": "hot"}, "temperature"),
        (Messages(), {"temperature": "hot"}, "temperature"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_wrong_parameter_is_named_by_its_path(
    tmp_path: Path, caller: ChatCaller, wrong: dict[str, Any], path: str
) -> None:
    async with every_provider(tmp_path) as every:
        for kind in ("gemini", "openai" if caller.name == "messages" else "anthropic"):
            message, param = refused(caller, await every.post(caller, caller.body(kind) | wrong), 400)
            assert f"`{path}`" in message
            assert param in (path, None)
        assert every.upstream.asked == []


@pytest.mark.parametrize(
    ("caller", "kind", "more", "param"),
    [
        (Completions(), "anthropic", {"seed": 1}, "seed"),
        (Completions(), "gemini", {"logprobs": True}, "logprobs"),
        (Responses(), "anthropic", {"truncation": "auto"}, "truncation"),
        (Messages(), "openai", {"top_k": 3}, "top_k"),
        (Messages(), "gemini", {"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}, "mcp_servers"),
    ],
)
async def test_what_a_provider_cannot_do_is_refused_by_name_or_dropped_where_allowed(
    tmp_path: Path, caller: ChatCaller, kind: str, more: dict[str, Any], param: str
) -> None:
    async with every_provider(tmp_path) as every:
        body = caller.body(kind) | more
        message, named = refused(caller, await every.post(caller, body), 400)
        assert f"`{param}`" in message
        assert f"p-{kind}" in message
        assert named in (param, None)
        assert every.upstream.asked == []
        answer = await every.post(caller, body | {"drop_unsupported": True})
        assert caller.hear(msgspec.json.decode(answer.body)).text == "Grüße!"
        assert answer.headers["x-penstock-dropped"] == param
        assert (await every.event_of(answer))["dropped"] == [param]
        assert param not in every.upstream.asked[0].json
        assert "drop_unsupported" not in every.upstream.asked[0].json


def status_of(status: int, *headers: str) -> Reply:
    """An error that quotes the key that it was asked with."""

    async def reply(_: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        key = next(secret for secret in SECRETS.values() if secret in str(asked.headers))
        told = {"type": "error", "error": {"type": "x", "message": f"The key {key} is wrong.", "code": "x"}}
        await respond(writer, status, msgspec.json.encode(told), *headers)

    return reply


BEFORE_CONTENT: dict[str, tuple[Reply, int, str]] = {
    "a 400": (status_of(400), 400, "upstream_rejected"),
    "a 401": (status_of(401), 502, "upstream_misconfigured"),
    "a 404": (status_of(404), 502, "upstream_misconfigured"),
    "a 500": (status_of(500), 502, "upstream_unavailable"),
    "a 529": (status_of(529), 502, "upstream_unavailable"),
    "html": (faults.html_page, 502, "upstream_malformed"),
    "an error in a 200": (faults.error_in_200, 502, "upstream_malformed"),
    "a reset": (faults.reset_at_once, 502, "upstream_unavailable"),
    "silence": (faults.silence, 504, "upstream_timeout"),
    # The last of them, for it is granted the rest.
    "a 429": (status_of(429, "retry-after: 7"), 429, "upstream_rate_limited"),
}


@by_stream
@by_caller
async def test_what_fails_before_content_has_a_status_and_the_callers_shape(
    tmp_path: Path,
    caller: ChatCaller,
    stream: bool,  # noqa: FBT001
) -> None:
    answers: list[tuple[str, str, Response]] = []
    async with every_provider(tmp_path) as every:
        for name, (reply, status, code) in BEFORE_CONTENT.items():
            every.upstream.reply = reply
            aliases = [f"quick-{kind}" if name == "silence" else kind for kind in KINDS]
            told = await asyncio.gather(*(every.post(caller, caller.body(alias, stream=stream)) for alias in aliases))
            for alias, answer in zip(aliases, told, strict=True):
                refused(caller, answer, status)
                assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
                answers.append((f"{name} of {alias}", code, answer))
        for where, code, answer in answers:
            event = await every.event_of(answer)
            assert (event["status"], event["error_code"]) == ("error", code), where


# --- midway ----------------------------------------------------------------------------------------------------------


def midway(kind: Kind, then: Reply) -> Reply:
    """A stream that has begun well."""

    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await begin_stream(writer)
        await send(writer, begun(kind))
        await then(upstream, asked, writer)

    return reply


def sending(data: bytes) -> Reply:
    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await send(writer, data)
        await watch_until_gone(upstream, asked)

    return reply


async def ending(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await end_stream(writer)


async def silent(upstream: Upstream, asked: Asked, _: asyncio.StreamWriter) -> None:
    await watch_until_gone(upstream, asked)


async def resetting(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.02)  # a reset may overtake what was sent before it
    faults.reset(writer)


MIDWAY: dict[str, tuple[Callable[[Kind], Reply], str]] = {
    "an end": (lambda _: ending, "upstream_cut"),
    "a reset": (lambda _: resetting, "upstream_cut"),
    "what is no JSON": (lambda _: sending(b"data: {not json\n\n"), "upstream_malformed"),
    "an error": (lambda kind: sending(ERROR_EVENTS[kind]), "upstream_malformed"),
    "silence": (lambda _: silent, "upstream_timeout"),
}


@by_kind
@by_caller
async def test_a_stream_that_breaks_ends_with_the_dialects_error_and_no_good_end(
    tmp_path: Path, caller: ChatCaller, kind: Kind
) -> None:
    async with every_provider(tmp_path) as every:
        for name, (then, code) in MIDWAY.items():
            every.upstream.reply = midway(kind, then(kind))
            answer = await every.post(caller, caller.body(f"quick-{kind}", stream=True))
            assert answer.status == 200, name
            assert caller.hear_break(answer.body) == "Grü", name
            assert b"overloaded inside" not in answer.body
            event = await every.event_of(answer)
            # Gemini says in every event what it has used so far.
            told = ("error", code, kind != "gemini")
            assert (event["status"], event["error_code"], event["usage_estimated"]) == told, name
            assert event["output_tokens"] > 0
        await every.nothing_left()


@by_kind
@by_caller
async def test_a_client_that_leaves_takes_the_provider_along(tmp_path: Path, caller: ChatCaller, kind: Kind) -> None:
    async with every_provider(tmp_path) as every:
        for reply, first in ((midway(kind, silent), b"Gr"), (faults.silence, b"")):
            every.upstream.reset()
            every.upstream.reply = reply
            client = await every.gateway.served.connect(caller.ask(caller.body(kind, stream=True), KEY))
            await every.upstream.arrived.wait()
            if first:
                await client.until(first)
            client.cut()
            async with asyncio.timeout(2):
                await every.upstream.dropped.wait()
                await every.upstream.deserted()
        assert await every.gateway.left() == {}
        told = [(event["status"], event["output_tokens"] > 0) for event in await every.gateway.events()]
        assert told == [("cancelled", False), ("disconnected", True)]
