"""Every chat face before every provider's dialect, over sockets: answers, streams, tools, schemas, and what it costs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.chat_callers import CALLERS, PROMPT, SCHEMA, ChatCaller
from support.every_provider import CAPPED_KEY, KEY, SECRETS, Every, every_provider, understood
from support.provider_speech import KINDS, MODELS, PATHS, TOOL, TWO_TOOLS, Kind, Speech, speaking
from support.upstream_server import Asked

COSTS = {"openai": 1, "anthropic": 2, "gemini": 3}  # micro-USD a token
AUTH = {"openai": "authorization", "anthropic": "x-api-key", "gemini": "x-goog-api-key"}
KEYS = {
    "openai": "Bearer " + SECRETS["OPENAI_KEY"],
    "anthropic": SECRETS["ANTHROPIC_KEY"],
    "gemini": SECRETS["GEMINI_KEY"],
}
BETA = "files-api-2025-04-14"
pytestmark = pytest.mark.asyncio(loop_scope="module")
by_caller = pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
by_kind = pytest.mark.parametrize("kind", KINDS)
by_stream = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Every]:
    async with every_provider(tmp_path_factory.mktemp("matrix")) as every:
        yield every
        await every.nothing_left()


@pytest.fixture
def every(running: Every) -> Every:
    running.upstream.reset()
    running.upstream.reply = speaking()
    return running


def assert_asked(asked: Asked, kind: Kind, *, stream: bool) -> None:
    """At the provider's address, with its key and its model; nothing of the caller's key."""
    assert asked.head == f"POST {PATHS[kind][stream]} HTTP/1.1"
    assert {name: asked.headers[name] for name in AUTH.values() if name in asked.headers} == {AUTH[kind]: KEYS[kind]}
    assert KEY not in str(asked.headers) + asked.body.decode()
    assert asked.headers.get("anthropic-version") == ("2023-06-01" if kind == "anthropic" else None)
    assert asked.json.get("model") == (None if kind == "gemini" else MODELS[kind])
    assert asked.json.get("stream", False) == (stream and kind != "gemini")
    assert PROMPT in json.dumps(asked.json, ensure_ascii=False)


@by_stream
@by_kind
@by_caller
async def test_an_answer(every: Every, caller: ChatCaller, kind: Kind, stream: bool) -> None:  # noqa: FBT001
    answer = await every.post(caller, caller.body(kind, stream=stream))
    heard = understood(caller, answer)
    assert (heard.text, heard.tools, heard.finish) == ("Grüße!", [], caller.finishes[0])
    assert heard.model == kind
    assert (heard.input_tokens, heard.output_tokens) == (100, 20)
    (asked,) = every.upstream.asked
    assert_asked(asked, kind, stream=stream)
    told = {name: value for name, value in answer.headers.items() if name.startswith("x-penstock-")}
    told.pop("x-penstock-overhead-ms")
    cost = {} if stream else {"x-penstock-cost-usd": f"0.000{120 * COSTS[kind]:03}000"}
    assert told == cost | {
        "x-penstock-model": MODELS[kind],
        "x-penstock-provider": f"p-{kind}",
        "x-penstock-attempts": "1",
        "x-penstock-fallback": "false",
    }
    event = await every.event_of(answer)
    assert event["endpoint"] == caller.path
    assert (event["alias"], event["provider"], event["status"]) == (kind, f"p-{kind}", "ok")
    assert (event["input_tokens"], event["output_tokens"], event["usage_estimated"]) == (100, 20, False)
    assert (event["cost_nano_usd"], event["stream"]) == (120_000 * COSTS[kind], stream)


@by_stream
@by_kind
@by_caller
async def test_a_tool_is_called_and_its_result_given_back(
    every: Every,
    caller: ChatCaller,
    kind: Kind,
    stream: bool,  # noqa: FBT001
) -> None:
    every.upstream.reply = speaking(TOOL)
    body = caller.with_tool(caller.body(kind, stream=stream))
    answer = await every.post(caller, body)
    heard = understood(caller, answer)
    ((_, name, arguments),) = heard.tools
    assert (name, arguments, heard.finish, heard.text) == ("weather", {"city": "Köln"}, caller.finishes[1], "")
    assert (await every.event_of(answer))["tool_names"] == ["weather"]
    every.upstream.reply = speaking()
    assert (await every.hear(caller, caller.with_result(body, heard, "It rains."))).text == "Grüße!"
    first, second = every.upstream.asked
    assert_asked(first, kind, stream=stream)
    assert declared(first, kind) == ("weather", SCHEMA)
    call, result = called_and_answered(second, kind)
    assert call == ("weather", {"city": "Köln"})
    assert result == "It rains."
    if kind == "gemini":  # a call that it has signed comes back signed
        assert "c2ln" in second.body.decode()


@by_stream
@by_kind
@by_caller
async def test_tools_are_called_together(
    every: Every,
    caller: ChatCaller,
    kind: Kind,
    stream: bool,  # noqa: FBT001
) -> None:
    every.upstream.reply = speaking(TWO_TOOLS)
    heard = await every.hear(caller, caller.with_tool(caller.body(kind, stream=stream)))
    assert [tool[1:] for tool in heard.tools] == [("weather", {"city": "Köln"}), ("weather", {"city": "Łódź"})]
    assert len({tool[0] for tool in heard.tools}) == 2
    assert heard.finish == caller.finishes[1]


def declared(asked: Asked, kind: Kind) -> tuple[str, Any]:
    """Name and schema of the one tool, as the provider reads them."""
    (tool,) = asked.json["tools"]
    if kind == "gemini":
        (function,) = tool["functionDeclarations"]
        return function["name"], function["parametersJsonSchema"]
    if kind == "anthropic":
        return tool["name"], tool["input_schema"]
    return tool["function"]["name"], tool["function"]["parameters"]


def called_and_answered(asked: Asked, kind: Kind) -> tuple[tuple[str, Any], str]:
    """The call in the history and its result, as the provider reads them; asserts that the two belong together."""
    if kind == "gemini":
        parts = [part for turn in asked.json["contents"] for part in turn["parts"]]
        (call,) = [part["functionCall"] for part in parts if "functionCall" in part]
        (answer,) = [part["functionResponse"] for part in parts if "functionResponse" in part]
        assert (call["id"], call["name"]) == (answer["id"], answer["name"])
        return (call["name"], call["args"]), answer["response"]["output"]
    if kind == "anthropic":
        *_, said, answered = asked.json["messages"]
        (call,) = [block for block in said["content"] if block["type"] == "tool_use"]
        (answer,) = answered["content"]
        assert call["id"] == answer["tool_use_id"]
        content = answer["content"]
        return (call["name"], call["input"]), content if isinstance(content, str) else content[0]["text"]
    *_, said, answer = asked.json["messages"]
    (call,) = said["tool_calls"]
    assert call["id"] == answer["tool_call_id"]
    return (call["function"]["name"], json.loads(call["function"]["arguments"])), answer["content"]


@by_kind
@by_caller
async def test_an_answer_of_a_schema(every: Every, caller: ChatCaller, kind: Kind) -> None:
    every.upstream.reply = speaking(Speech(text=('{"city":', '"Köln"}')))
    heard = await every.hear(caller, caller.with_schema(caller.body(kind)))
    assert json.loads(heard.text) == {"city": "Köln"}
    asked = every.upstream.asked[0].json
    if kind == "gemini":
        assert asked["generationConfig"]["responseMimeType"] == "application/json"
        assert asked["generationConfig"]["responseJsonSchema"] == SCHEMA
    elif kind == "anthropic":
        assert asked["output_config"]["format"] == {"type": "json_schema", "schema": SCHEMA}
    else:
        assert asked["response_format"]["json_schema"]["schema"] == SCHEMA


@by_stream
@by_kind
@by_caller
async def test_tokens_of_caches_and_thoughts(
    every: Every,
    caller: ChatCaller,
    kind: Kind,
    stream: bool,  # noqa: FBT001
) -> None:
    thoughts = 0 if kind == "anthropic" else 7  # which that one counts as output like any other
    every.upstream.reply = speaking(Speech(cached_tokens=80, reasoning_tokens=thoughts))
    answer = await every.post(caller, caller.body(kind, stream=stream))
    heard = understood(caller, answer)
    counted = (heard.input_tokens, heard.cached_tokens, heard.output_tokens, heard.reasoning_tokens)
    assert counted == (100, 80, 20, thoughts)
    event = await every.event_of(answer)
    assert (event["input_tokens"], event["output_tokens"], event["usage_estimated"]) == (100, 20, False)


@by_stream
@by_kind
@by_caller
async def test_an_answer_that_says_nothing_of_its_tokens_is_estimated(
    every: Every,
    caller: ChatCaller,
    kind: Kind,
    stream: bool,  # noqa: FBT001
) -> None:
    every.upstream.reply = speaking(Speech(used=False))
    answer = await every.post(caller, caller.body(kind, stream=stream))
    assert answer.status == 200
    event = await every.event_of(answer)
    assert event["usage_estimated"]
    assert event["input_tokens"] > 3
    assert 0 < event["output_tokens"] < 10
    assert event["cost_nano_usd"] == (event["input_tokens"] + event["output_tokens"]) * 1000 * COSTS[kind]


@by_stream
@pytest.mark.parametrize("kind", ["anthropic", "gemini"])
@by_caller
async def test_thoughts_are_told_apart_and_signed_ones_come_back(
    every: Every,
    caller: ChatCaller,
    kind: Kind,
    stream: bool,  # noqa: FBT001
) -> None:
    every.upstream.reply = speaking(Speech(thought="Hm.", text=(), tools=(("weather", "{}"),), reasoning_tokens=3))
    body = caller.with_tool(caller.body(kind, stream=stream))
    heard = await every.hear(caller, body)
    assert (heard.thought, heard.text) == ("Hm.", "")
    every.upstream.reply = speaking()
    await every.hear(caller, caller.with_result(body, heard, "It rains."))
    assert "c2ln" in every.upstream.asked[1].body.decode()


@by_kind
@by_caller
async def test_betas_are_asked_of_their_own_provider_alone(every: Every, caller: ChatCaller, kind: Kind) -> None:
    await every.hear(caller, caller.body(kind), f"anthropic-beta: {BETA}")
    expected = BETA if (caller.name, kind) == ("messages", "anthropic") else None
    assert every.upstream.asked[0].headers.get("anthropic-beta") == expected


@by_kind
@by_caller
async def test_the_tiers_cap_goes_to_the_provider_in_its_words(every: Every, caller: ChatCaller, kind: Kind) -> None:
    every.upstream.reply = speaking(Speech(input_tokens=1, output_tokens=1))
    answer = await every.post(caller, caller.body(kind), key=CAPPED_KEY)
    assert understood(caller, answer).text == "Grüße!"
    asked = every.upstream.asked[0].json
    caps = {"openai": asked.get("max_tokens"), "anthropic": asked.get("max_tokens")}
    assert caps.get(kind, asked.get("generationConfig", {}).get("maxOutputTokens")) == 7


@by_stream
@by_kind
@by_caller
async def test_an_answer_is_given_again_as_it_was(
    every: Every,
    caller: ChatCaller,
    kind: Kind,
    stream: bool,  # noqa: FBT001
) -> None:
    body = caller.body(kind, stream=stream)
    told = [await every.post(caller, body, "x-penstock-cache: on") for _ in range(2)]
    assert [answer.headers["x-penstock-cache"] for answer in told] == ["miss", "hit"]
    assert told[0].body == told[1].body
    assert understood(caller, told[1]).text == "Grüße!"
    assert len(every.upstream.asked) == 1
    event = await every.event_of(told[1])
    assert (event["cache_hit"], event["cost_nano_usd"]) == (True, 0)
