"""docs/resilience.md is true: every row of its table is played through a whole gateway, and comes to what it says."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from support import faults
from support.documents import codes, read, rows
from support.http1 import Client, Response, request
from support.upstream_server import Asked, Reply, Upstream, complete, complete_whole, respond, upstream_server
from support.whole_gateway import Whole, whole_gateway

KEY = "sk-acme-" + "a" * 40
INPUT_NANO_USD, OUTPUT_NANO_USD = 1000, 3000
CONFIG = """
providers:
  up: {{kind: openai_compatible, base_url: "http://127.0.0.1:{port}/v1", api_key: $UPSTREAM_KEY}}
  gone: {{kind: openai_compatible, base_url: "http://127.0.0.1:{closed_port}/v1", api_key: $UPSTREAM_KEY}}
models:
  {models}
routing:
  {routes}
tenant_tiers:
  pro: {{allowed_models: {aliases}, requests_per_minute: 100000, daily_budget_usd: 100}}
tenants:
  acme: {{tier: pro, keys: [{{name: app, key: $ACME_KEY}}]}}
"""
BREAKER = {"": "closed", "breaker open": "open", "the provider wants a rest": "waits"}


class Row(Struct, frozen=True):
    """A row of the table."""

    failure: str
    faces: str
    seen: str
    billed: str
    recorded: str
    attempts: str
    breaker: str


class Outcome(Struct, frozen=True):
    """What a row says, or what came of playing it."""

    seen: list[str]
    billed: str
    recorded: list[str]
    attempts: int
    breaker: str


class Play(Struct, frozen=True):
    """A row's failure in one face; ``main`` and ``other`` are aliases, and what the provider calls these models."""

    row: Row
    player: Player
    stream: bool

    @property
    def main(self) -> str:
        words = re.findall(r"\w+", self.row.failure)
        return "-".join([*words, "stream" if self.stream else "whole"])

    @property
    def other(self) -> str:
        return f"other-than-{self.main}"

    def asks(self, before: str = "") -> bytes:
        """The request, and its id with ``before`` in front."""
        messages = [{"role": "user", "content": "Hello"}]
        body = {"model": f"route-of-{self.main}", "stream": self.stream, "messages": messages, "max_tokens": 50}
        return request(json.dumps(body).encode(), f"x-request-id: {before}{self.main}", key=KEY)

    @property
    def stated(self) -> Outcome:
        row = self.row
        return Outcome(codes(row.seen), row.billed, codes(row.recorded), int(row.attempts), *codes(row.breaker))


class Stage(Struct, frozen=True):
    """Where plays are played; ``arrived`` are events by the model that the provider was asked for."""

    gateway: Whole
    arrived: dict[str, asyncio.Event]

    async def ask(self, play: Play) -> Response | None:
        return await self.gateway.served.ask(play.asks())

    async def leave_before_content(self, play: Play) -> Response | None:
        (await self._begin(play)).cut()
        return None

    async def leave_midway(self, play: Play) -> Response | None:
        client = await self._begin(play)
        await client.until(b"half")
        client.cut()
        return None

    async def ask_again(self, play: Play) -> Response | None:
        await self.gateway.served.ask(play.asks("before-"))
        return await self.ask(play)

    async def ask_beside_another(self, play: Play) -> Response | None:
        client = await self._begin(play, "beside-")
        answer = await self.ask(play)
        client.cut()
        return answer

    async def _begin(self, play: Play, before: str = "") -> Client:
        client = await self.gateway.served.connect(play.asks(before))
        async with asyncio.timeout(5):
            await self.arrived[play.main].wait()
        return client


class Player(Struct, frozen=True, kw_only=True):
    """How a failure is played: what the provider does, with the route and the model as config says them.

    ``whole`` is what it does where that differs for an answer that is not streamed, ``failures`` those that open the
    breaker where they are not the row's attempts.
    """

    reply: Reply = complete
    whole: Reply | None = None
    other: Reply = complete
    provider: str = "up"
    route: str = "primary: {main}"
    model: str = ""
    failures: int | None = None
    act: Callable[[Stage, Play], Awaitable[Response | None]] = Stage.ask


async def refuse_key(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 401, b'{"error": {"message": "no such key"}}')


async def refuse_request(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 400, b'{"error": {"message": "top_k: not a number"}}')


async def limit_rate(_: Upstream, __: Asked, writer: asyncio.StreamWriter) -> None:
    await respond(writer, 429, b'{"error": {"message": "slow down"}}')


async def fail_once(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
    again = sum(each.json["model"] == asked.json["model"] for each in upstream.asked) > 1
    await (complete if again else faults.internal_error)(upstream, asked, writer)


SOON = "primary: {main}, first_content_ms: 150, attempt_timeout_ms: 150"
SOON_SILENT = "primary: {main}, idle_gap_ms: 150"
RACE = "race: {{main: {main}, fallback: {other}, after_ms: %d}}"
PLAYERS = {
    "connection refused": Player(provider="gone"),
    "reset before the head": Player(reply=faults.reset_at_once),
    "hangs before the head": Player(reply=faults.silence, route=SOON),
    "hangs after the head": Player(reply=faults.head_then_silence, route=SOON),
    "drips, too slow for a first content": Player(reply=faults.dripping(0.05), route=SOON),
    "500": Player(reply=faults.internal_error),
    "500, and well when asked again": Player(reply=fail_once),
    "429 with a Retry-After longer than `retry` waits": Player(reply=faults.too_many_requests(30)),
    "429 without Retry-After": Player(reply=limit_rate),
    "401": Player(reply=refuse_key),
    "400": Player(reply=refuse_request),
    "HTML in a 200": Player(reply=faults.html_page),
    "an error in a 200": Player(reply=faults.error_event, whole=faults.error_in_200),
    "malformed JSON": Player(reply=faults.malformed_json),
    "a whole answer in place of a stream": Player(reply=complete_whole),
    "a stream under the wrong content type": Player(reply=faults.counting((5, 2), content_type="application/json")),
    "cut before content": Player(reply=faults.head_then_reset, whole=faults.too_short),
    "cut after content": Player(reply=faults.reset_midway),
    "ends without a finish reason": Player(reply=faults.an_end_without_done),
    "hangs after content": Player(reply=faults.silence_midway, route=SOON_SILENT),
    "drips after content, events too far apart": Player(reply=faults.dripping_midway(0.05), route=SOON_SILENT),
    "malformed after content": Player(reply=faults.malformed_event),
    "an error event after content": Player(reply=faults.error_event_midway),
    "no usage": Player(reply=faults.counting()),
    "usage told twice": Player(reply=faults.counting((5, 2), (5, 2))),
    "its breaker is open": Player(reply=faults.internal_error, failures=1, act=Stage.ask_again),
    "its bulkhead is full": Player(reply=faults.silence, model="bulkhead: {most: 1}, ", act=Stage.ask_beside_another),
    "the route's `isolate` is full": Player(
        reply=faults.silence, route="primary: {main}, isolate: {{most: 1}}", act=Stage.ask_beside_another
    ),
    "deadline over before content": Player(reply=faults.silence, route="primary: {main}, deadline_ms: 150"),
    "deadline over in the middle": Player(reply=faults.silence_midway, route="primary: {main}, deadline_ms: 1500"),
    "the client leaves before content": Player(reply=faults.silence, act=Stage.leave_before_content),
    "the client leaves in the middle": Player(reply=faults.silence_midway, act=Stage.leave_midway),
    "the first of two targets fails": Player(
        reply=faults.internal_error, route="primary: {main}, fallback: {other}", failures=3
    ),
    "both of two targets fail": Player(
        reply=faults.internal_error,
        other=faults.internal_error,
        route="primary: {main}, fallback: {other}",
        failures=3,
    ),
    "both fail before a `degrade` text": Player(
        reply=faults.internal_error,
        other=faults.internal_error,
        route="primary: {main}, fallback: {other}, degrade: Later.",
        failures=3,
    ),
    "the main model of a race hangs": Player(reply=faults.silence, route=RACE % 50, failures=1),
    "the main model of a race fails": Player(reply=faults.internal_error, route=RACE % 60000, failures=1),
    "both models of a race fail": Player(
        reply=faults.internal_error, other=faults.internal_error, route=RACE % 60000, failures=1
    ),
}


def table() -> list[Row]:
    return [Row(*row) for row in rows(read("docs/resilience.md")) if len(row) == len(Row.__struct_fields__)]


def plays() -> Iterator[Play]:
    for row in table():
        for face in ("whole", "stream") if row.faces == "both" else (row.faces,):
            yield Play(row, PLAYERS[row.failure], face == "stream")


def config_of(played: list[Play], port: int, closed_port: int) -> str:
    models, routes, aliases = [], [], []
    for play in played:
        player, main, other = play.player, json.dumps(play.main), json.dumps(play.other)
        failures = player.failures or max(int(play.row.attempts), 1)
        prices = "cost_per_1k_input_tokens_usd: 0.001, cost_per_1k_output_tokens_usd: 0.003"
        models += [
            f"{main}: {{provider: {player.provider}, model_id: {main}, {player.model}{prices}, breaker: {{failures: {failures}}}}}",
            f"{other}: {{provider: up, model_id: {other}, {prices}}}",
        ]
        routes.append(f"{json.dumps('route-of-' + play.main)}: {{{player.route.format(main=main, other=other)}}}")
        aliases += [play.main, play.other]
    indented = "\n  ".join
    return CONFIG.format(
        port=port, closed_port=closed_port, models=indented(models), routes=indented(routes), aliases=aliases
    )


async def test_every_row_of_the_table_comes_to_what_it_says(tmp_path: Path) -> None:
    played = list(plays())
    replies = {
        play.main: play.player.whole if play.player.whole and not play.stream else play.player.reply for play in played
    }
    replies |= {play.other: play.player.other for play in played}
    arrived = {model: asyncio.Event() for model in replies}

    async def reply(upstream: Upstream, asked: Asked, writer: asyncio.StreamWriter) -> None:
        arrived[asked.json["model"]].set()
        await replies[asked.json["model"]](upstream, asked, writer)

    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        async with upstream_server() as upstream:
            upstream.reply = reply
            config = config_of(played, upstream.port, closed.getsockname()[1])
            async with whole_gateway(tmp_path, config, ACME_KEY=KEY, UPSTREAM_KEY="sk-up") as gateway:
                stage = Stage(gateway, arrived)
                answers = await asyncio.gather(*(play.player.act(stage, play) for play in played))
                await upstream.stop()
                assert await gateway.left() == {}
                outcomes = await outcomes_of(gateway, played, answers)
    assert {play.main: outcome for play, outcome in zip(played, outcomes, strict=True)} == {
        play.main: play.stated for play in played
    }


def test_every_row_has_a_player_and_every_player_a_row() -> None:
    assert sorted(row.failure for row in table()) == sorted(PLAYERS)
    assert {row.faces for row in table()} <= {"whole", "stream", "both"}


async def outcomes_of(gateway: Whole, played: list[Play], answers: list[Response | None]) -> list[Outcome]:
    events = {event["request_id"]: event for event in await gateway.events()}
    input_tokens = events["no-usage-stream"]["input_tokens"]
    found = []
    for play, answer in zip(played, answers, strict=True):
        event = events[play.main]
        gate = gateway.standing(play.main).breaker.gate(time.monotonic())
        recorded = [each for each in (event["status"], event["error_code"]) if each is not None]
        asked = len(event["attempts"]) or int(bool(event["target"]))
        found.append(Outcome(seen(answer), billed(event, input_tokens), recorded, asked, BREAKER[gate.refusal]))
    return found


def seen(answer: Response | None) -> list[str]:
    """Status, the headers that mark another answer than the first target's, and the error, whole or last event."""
    if answer is None:
        return []
    words = [str(answer.status)]
    words += [name for name in ("fallback", "degraded") if answer.headers.get(f"x-penstock-{name}") == "true"]
    if answer.headers["content-type"].startswith("text/event-stream"):
        last = answer.body.removesuffix(b"\n\n").rpartition(b"\n\n")[2].removeprefix(b"data: ")
        return words if last == b"[DONE]" else [*words, json.loads(last)["error"]["code"]]
    return words if answer.status == 200 else [*words, answer.error["code"]]


def billed(event: dict[str, Any], input_tokens: int) -> str:
    """The cost in words; ``input_tokens`` is the estimate of the question's."""
    cost = event["cost_nano_usd"]
    output_tokens = event["output_tokens"]
    inputs = cost // (INPUT_NANO_USD * input_tokens)
    if not output_tokens and cost == inputs * INPUT_NANO_USD * input_tokens:
        return {0: "nothing", 1: "input"}.get(inputs, f"{inputs} inputs")
    answer = INPUT_NANO_USD * event["input_tokens"] + OUTPUT_NANO_USD * output_tokens
    words = "answer, estimated" if event["usage_estimated"] else "answer"
    extra = {answer: "", answer + INPUT_NANO_USD * input_tokens: " + input"}
    return words + extra.get(cost, f" {cost - answer:+} nano-USD")
