"""The OpenAI face over a real connection: raw bytes, and the official SDK."""

from __future__ import annotations

import asyncio

import msgspec
import openai
import pytest

from penstock.core.answer import END, Answer
from penstock.core.call import Call, RateState
from penstock.core.errors import BudgetExceeded, PenstockError, UpstreamCut
from penstock.edge.faces import CHAT, ModelFace
from support.calls import complete_answer
from support.gateways import KEY, FakeGateway, Upstream
from support.http1 import Served, request, serving

BODY = b'{"model":"fast","messages":[{"role":"user","content":"Hello"}]}'
STREAM = b'{"model":"fast","messages":[{"role":"user","content":"Hello"}],"stream":true}'
TRACE = "0af7651916cd43dd8448eb211c80319c"


def sdk(served: Served, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key=key, max_retries=0)


async def test_a_call_carries_what_body_and_headers_say() -> None:
    gateway = FakeGateway()
    async with serving(ModelFace(gateway, CHAT)) as served:
        response = await served.ask(
            request(
                BODY,
                "x-request-id: mine-1",
                f"traceparent: 00-{TRACE}-b7ad6b7169203331-01",
                "x-penstock-task: extract",
                "x-penstock-user: ada",
                "x-penstock-cache: off",
                "x-penstock-explain: 1",
                "x-penstock-tags: team=search, feature=rerank",
            )
        )
    assert response.status == 200
    assert response.headers["x-request-id"] == "mine-1"
    assert response.headers["traceparent"].startswith(f"00-{TRACE}-")
    call = gateway.calls[0]
    assert (call.request_id, call.trace_id, call.task, call.user) == ("mine-1", TRACE, "extract", "ada")
    assert call.call_id != call.request_id
    assert (call.cache, call.explain, call.tags) == ("off", True, {"team": "search", "feature": "rerank"})
    assert (call.model, call.stream, call.endpoint) == ("fast", False, "/v1/chat/completions")
    assert call.identity.tenant == "acme"


async def test_a_fault_within_a_call_is_logged_under_the_id_that_the_audit_knows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def break_down(call: Call) -> Answer:
        raise KeyError(call.fields)

    gateway = FakeGateway(break_down)
    async with serving(ModelFace(gateway, CHAT)) as served:
        response = await served.ask(request(BODY))
    assert (response.status, response.error["code"]) == (500, "internal_error")
    assert response.headers["x-request-id"] == gateway.calls[0].request_id
    assert f"unexpected KeyError in request {gateway.calls[0].request_id}" in caplog.text
    assert "Hello" not in caplog.text


async def test_a_call_without_headers_gets_ids_of_its_own() -> None:
    gateway = FakeGateway()
    async with serving(ModelFace(gateway, CHAT, new_id=lambda: "new-1")) as served:
        response = await served.ask(request(BODY, "x-request-id: not a token", "traceparent: 00-zz-1-1"))
    assert response.headers["x-request-id"] == "new-1"
    call = gateway.calls[0]
    assert len(bytes.fromhex(call.trace_id)) == 16
    assert (call.task, call.user, call.cache, call.explain, call.tags) == ("", "", "auto", False, {})


@pytest.mark.parametrize("header", [f"authorization: bearer {KEY}", f"x-api-key: {KEY}", f"api-key: {KEY}"])
async def test_a_key_comes_in_any_of_its_usual_headers(header: str) -> None:
    async with serving(ModelFace(FakeGateway(), CHAT)) as served:
        assert (await served.ask(request(BODY, header, key=None))).status == 200


@pytest.mark.parametrize("header", ["x-a: b", "authorization: Bearer wrong", f"authorization: Basic {KEY}"])
async def test_a_wrong_key_is_told_how_to_authenticate(header: str) -> None:
    gateway = FakeGateway()
    async with serving(ModelFace(gateway, CHAT)) as served:
        response = await served.ask(request(BODY, header, key=None))
    assert response.status == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["x-request-id"]
    assert response.error["code"] == "invalid_api_key"
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        (["content-type: text/plain"], BODY, 415, "unsupported_media_type"),
        (["content-encoding: gzip"], BODY, 415, "unsupported_media_type"),
        ([], b"{", 400, "invalid_json"),
        ([], b"", 400, "invalid_json"),
        ([], b'{"model":"fast"}', 400, "invalid_parameter"),
        (["x-penstock-cache: maybe"], BODY, 400, "invalid_parameter"),
        (["x-penstock-tags: a"], BODY, 400, "invalid_parameter"),
        (["x-penstock-task: a b"], BODY, 400, "invalid_parameter"),
    ],
)
async def test_a_bad_request_is_refused_and_the_gateway_not_asked(
    headers: list[str], body: bytes, status: int, code: str
) -> None:
    gateway = FakeGateway()
    async with serving(ModelFace(gateway, CHAT)) as served:
        response = await served.ask(request(body, *headers))
    assert (response.status, response.error["code"]) == (status, code)
    assert response.headers["x-request-id"]
    assert gateway.calls == []


async def test_json_with_a_charset_is_json() -> None:
    async with serving(ModelFace(FakeGateway(), CHAT)) as served:
        assert (await served.ask(request(BODY, "content-type: Application/JSON; charset=utf-8"))).status == 200


async def test_an_error_of_the_pipeline_says_when_to_come_back() -> None:
    async def refuse(call: Call) -> Answer:
        call.trail.rate = RateState(60, 0, 12.3)
        raise BudgetExceeded("Today's budget is spent.", retry_after_s=12.3)

    async with serving(ModelFace(FakeGateway(refuse), CHAT)) as served:
        response = await served.ask(request(BODY))
    assert response.status == 429
    assert response.error["type"] == "insufficient_quota"
    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == ("13", "12300")
    assert response.headers["x-should-retry"] == "false"
    assert response.headers["x-ratelimit-remaining-requests"] == "0"


async def test_a_complete_answer_is_settled_before_its_headers_are_written() -> None:
    closed = []

    async def respond(call: Call) -> Answer:
        answer = complete_answer()

        def settle(outcome: object) -> None:
            closed.append(outcome)
            call.trail.cost_nano_usd = 1_500

        answer.on_close(settle)
        return answer

    async with serving(ModelFace(FakeGateway(respond), CHAT)) as served:
        response = await served.ask(request(BODY))
    assert closed == [END]
    assert response.headers["x-penstock-cost-usd"] == "0.000001500"


async def test_a_stream_is_server_sent_events_up_to_done() -> None:
    async with serving(ModelFace(FakeGateway(), CHAT)) as served:
        response = await served.ask(request(STREAM))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert "x-penstock-cost-usd" not in response.headers
    assert response.body.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_leaves_cancels_the_call_in_the_pipeline() -> None:
    async def hang(call: Call) -> Answer:
        del call
        await asyncio.Event().wait()
        raise AssertionError

    gateway = FakeGateway(hang)
    async with serving(ModelFace(gateway, CHAT)) as served:
        client = await served.connect(request(BODY))
        await gateway.asked.wait()
        client.cut()
        await gateway.gave_up.wait()
    assert gateway.cancelled == gateway.calls


async def test_the_sdk_completes() -> None:
    async with serving(ModelFace(FakeGateway(), CHAT)) as served, sdk(served) as client:
        answer = await client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content == "Hello"


async def test_the_sdk_streams() -> None:
    async with serving(ModelFace(FakeGateway(), CHAT)) as served, sdk(served) as client:
        stream = await client.chat.completions.create(
            model="fast", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_the_sdk_sees_a_wrong_key_and_a_broken_stream() -> None:
    async def break_off(call: Call) -> Answer:
        del call
        upstream = Upstream()
        upstream.say("Hel")
        upstream.fail(UpstreamCut("The provider's stream broke off."))
        return upstream.answer

    async with serving(ModelFace(FakeGateway(break_off), CHAT)) as served:
        async with sdk(served, "wrong") as client:
            with pytest.raises(openai.AuthenticationError):
                await client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "Hello"}])
        async with sdk(served) as client:
            stream = await client.chat.completions.create(
                model="fast", messages=[{"role": "user", "content": "Hello"}], stream=True
            )
            with pytest.raises(openai.APIError, match="broke off"):
                [chunk async for chunk in stream]


async def test_every_error_of_the_tree_is_rendered_with_its_own_status() -> None:
    seen: list[type[PenstockError]] = []

    def tree(kind: type[PenstockError]) -> list[type[PenstockError]]:
        return [kind, *(each for below in kind.__subclasses__() for each in tree(below))]

    async def fail(call: Call) -> Answer:
        del call
        raise seen[-1]("Do this instead.")

    async with serving(ModelFace(FakeGateway(fail), CHAT)) as served:
        client = await served.connect()
        for kind in tree(PenstockError):
            if not kind.__module__.startswith("penstock."):
                continue
            seen.append(kind)
            await client.send(request(BODY))
            response = await client.response()
            assert response.status == kind.status
            assert msgspec.json.decode(response.body) == {
                "error": {"message": "Do this instead.", "type": kind.type, "param": None, "code": kind.code}
            }
    assert len(seen) > 20
