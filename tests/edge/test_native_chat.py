from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.answer import DISCONNECT, END
from penstock.core.call import PromptRef
from penstock.core.errors import InvalidRequest, RateLimited
from penstock.dialects.openai import read_chat
from penstock.edge.native.shapes import ChatRequest
from support.native_gateway import ADMIN, PRO, Client, FakeGateway, failure, make_app

LAB: dict[str, Any] = {
    "tenant_id": "tenant_pro",
    "user_id": "user_123",
    "task": "extract",
    "message": "Khách bị tính phí hai lần sau khi nâng cấp gói.",
    "prompt_id": "support_triage",
    "prompt_version": "v1",
    "max_output_tokens": 256,
}
TOO_DEEP = "The body nests arrays and objects deeper than 128 levels. Send a flatter one."
TOO_MANY_DIGITS = "The body holds a number with too many digits."
LAB_FIELDS = {
    "trace_id",
    "answer",
    "provider",
    "model",
    "cache_hit",
    "fallback_used",
    "retry_count",
    "latency_ms",
    "estimated_cost_usd",
    "prompt_id",
    "prompt_version",
}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(keyless=True)


@pytest.fixture
def client(gateway: FakeGateway) -> Client:
    return Client(make_app(gateway))


def hello(**more: Any) -> dict[str, Any]:
    return {"tenant_id": "tenant_pro", "message": "Hello"} | more


@pytest.mark.parametrize("path", ["/chat", "/llm/chat"])
async def test_the_labs_request_gets_the_labs_answer(client: Client, path: str) -> None:
    reply = await client.post(path, LAB)
    assert reply.status == 200
    assert reply.json.keys() >= LAB_FIELDS
    assert reply.json["answer"] == "It is a refund case."
    assert reply.json["provider"] == "mock-strong"
    assert reply.json["model"] == "strong-v1"
    assert reply.json["cache_hit"] is False
    assert reply.json["fallback_used"] is True
    assert reply.json["retry_count"] == 1
    assert reply.json["latency_ms"] == 1.0
    assert reply.json["estimated_cost_usd"] == 0.000008
    assert (reply.json["prompt_id"], reply.json["prompt_version"]) == ("support_triage", "v1")
    assert reply.json["usage"] == {
        "input_tokens": 12,
        "output_tokens": 7,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "estimated": False,
    }
    assert (reply.json["finish_reason"], reply.json["degraded"]) == ("stop", False)


async def test_the_labs_request_becomes_this_call(client: Client, gateway: FakeGateway) -> None:
    reply = await client.post("/llm/chat", LAB)
    call = gateway.calls[0]
    assert (call.endpoint, call.task, call.model, call.user, call.stream) == ("/chat", "extract", "", "user_123", False)
    assert call.prompt == PromptRef("support_triage", "v1", {"message": LAB["message"]})
    assert json.loads(bytes(call.fields["messages"])) == []
    assert call.max_output_tokens == 256
    assert (call.limits.total_s, call.limits.attempt_s) == (10.0, 4.0)
    assert reply.json["trace_id"] == call.trace_id
    assert gateway.outcomes == [END]


async def test_a_message_without_a_prompt_is_one_user_message(client: Client, gateway: FakeGateway) -> None:
    await client.post("/chat", hello(model="strong", temperature=1, cache="off"))
    call = gateway.calls[0]
    assert json.loads(bytes(call.fields["messages"])) == [{"role": "user", "content": "Hello"}]
    assert (call.task, call.model, call.temperature, call.cache) == ("chat", "strong", 1, "off")
    assert call.input_tokens > 0
    assert call.prompt is None


async def test_a_call_without_temperature_is_deterministic(client: Client, gateway: FakeGateway) -> None:
    await client.post("/chat", hello())
    assert gateway.calls[0].temperature == 0.0
    assert json.loads(bytes(gateway.calls[0].fields["temperature"])) == 0


async def test_a_prompt_takes_further_variables(client: Client, gateway: FakeGateway) -> None:
    await client.post("/chat", hello(prompt_id="assistant", prompt_version="v1", variables={"tone": "kind"}))
    assert gateway.calls[0].prompt == PromptRef("assistant", "v1", {"tone": "kind", "message": "Hello"})


async def test_an_answer_explains_itself_when_asked(client: Client) -> None:
    by_header = await client.post("/chat", hello(), x_penstock_explain="1")
    reply = await client.post("/chat", hello(explain=True))
    assert reply.json["decision"] == by_header.json["decision"]
    assert reply.json["decision"]["targets"] == ["strong"]
    assert reply.json["decision"]["excluded"][0]["reason"] == "not allowed"
    assert "decision" not in (await client.post("/chat", hello())).json


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'"text"', "invalid_json"),
        (b'{"message": "\xff"}', "invalid_json"),
        (b'{"message": "\\ud800"}', "invalid_json"),
        (b'{"message": ' + b"[" * 100_000, "json_too_deep"),
        (b'{"variables": ' + b'{"a":' * 1000 + b"1" + b"}" * 1001, "json_too_deep"),
        (b'{"message": "hi", "max_output_tokens": ' + b"9" * 5000 + b"}", "invalid_json"),
    ],
)
async def test_bytes_that_are_no_request_are_the_callers_mistake(client: Client, body: bytes, code: str) -> None:
    reply = await client.post("/chat", body)
    assert (reply.status, reply.code) == (400, code)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"message": 7}, "message"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": "256"}, "max_output_tokens"),
        ({"max_output_tokens": 10**30}, "max_output_tokens"),
        ({"cache": "maybe"}, "cache"),
        ({"task": ""}, "task"),
        ({"user_id": "u" * 257}, "user_id"),
        ({"prompt_id": "p", "variables": {"a": 1}}, "variables.a"),
        ({"max_output_token": 5}, "max_output_token"),
        ({"message": None}, "message"),
        ({"prompt_version": "v1"}, "prompt_id"),
        ({"prompt_id": "p", "variables": {"message": "again"}}, "message"),
    ],
)
async def test_a_wrong_field_is_named_in_plain_words(client: Client, wrong: dict[str, Any], param: str | None) -> None:
    reply = await client.post("/chat", hello(**wrong))
    assert (reply.status, reply.code, reply.json["error"]["param"]) == (400, "invalid_parameter", param)
    assert f"`{param}`" in reply.json["error"]["message"]
    assert "pydantic" not in reply.json["error"]["message"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"message": 7}, "`message` must be a string."),
        ({"task": ""}, "`task` must not be empty."),
        ({"user_id": "u" * 257}, "`user_id` must have at most 256 characters."),
        ({"max_output_tokens": 1.5}, "`max_output_tokens` must be an integer."),
        ({"max_output_tokens": 10**7}, "`max_output_tokens` must be at most 1000000."),
        ({"temperature": "warm"}, "`temperature` must be a number."),
        ({"temperature": 2.5}, "`temperature` must be at most 2."),
        ({"explain": "yes"}, "`explain` must be true or false."),
        ({"variables": []}, "`variables` must be an object."),
        ({"cache": "maybe"}, "`cache` must be `auto`, `on` or `off`."),
        ({"query": 5}, "There is no field `query` here; /docs lists those there are."),
        ({"": 5}, "There is no field `` here; /docs lists those there are."),
        ({"variables": {"path": 5}}, "`variables.path` must be a string."),
        ({"max_token": 5}, "There is no field `max_token` here; /docs lists those there are."),
    ],
)
async def test_a_wrong_field_is_told_what_it_must_be(client: Client, wrong: dict[str, Any], words: str) -> None:
    assert (await client.post("/chat", hello(**wrong))).json["error"]["message"] == words


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
NAMES = st.sampled_from([*ChatRequest.model_fields, "query", "path", "body"]) | st.text(max_size=5)


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES | st.dictionaries(st.text(max_size=5), VALUES), max_size=5))
def test_any_object_is_answered_or_the_callers_mistake(fields: dict[str, Any]) -> None:
    client = Client(make_app(FakeGateway(keyless=True)))
    assert asyncio.run(client.post("/chat", hello() | fields)).status in {200, 400, 403}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b" ", "The body is empty: send a JSON object."),
        (b'{"tenant_id":', "The body is not valid JSON: line 1, column 14."),
        ('{"message": "số",\n "é": "á" x}'.encode(), "The body is not valid JSON: line 2, column 11."),
        (b'{\n\n"message": NaN}', "The body is not valid JSON: line 3, column 12."),
        (b'{"message":\n"\xff"}', "The body is not valid UTF-8: line 2, column 2."),
        (b'{"message": "' + b"9" * 5000 + b'", "temperature": ' + b"9" * 5000 + b"}", TOO_MANY_DIGITS),
        (b"[" * 300, TOO_DEEP),
        (b'{"message": ' + b"[" * 128 + b"]" * 128 + b"}", TOO_DEEP),
        (b"[]", "The body must be a JSON object."),
    ],
)
async def test_every_body_is_told_in_the_same_words_what_is_wrong_with_it(
    client: Client, body: bytes, words: str
) -> None:
    for path in ("/chat", "/debug/provider/mock-fast/fail"):
        assert (await client.post(path, body)).json["error"]["message"] == words


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1,}',
        b'{"a":\n  "\xc3\xa9\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b"null",
        b'{"a": ' + b"[" * 128 + b"]" * 128 + b"}",
        b'{"a": [' + b"[]," * 200_000 + b"[]]}",
    ],
)
async def test_a_broken_body_is_told_in_the_words_of_the_data_plane(client: Client, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_chat(body)
    reply = await client.post("/chat", body)
    told = (reply.status, reply.code, reply.json["error"]["message"])
    assert told == (refused.value.status, refused.value.code, refused.value.message)


async def test_an_explanation_that_is_asked_for_wrongly_is_refused(client: Client, gateway: FakeGateway) -> None:
    reply = await client.post("/chat", hello(), x_penstock_explain="banana")
    assert (reply.status, reply.code) == (400, "invalid_parameter")
    assert reply.json["error"]["param"] == "x-penstock-explain"
    assert len(gateway.invalid) == 1


async def test_an_invalid_request_is_a_call_that_asks_nothing(gateway: FakeGateway) -> None:
    client = Client(make_app(gateway), peer="192.0.2.7", host="gateway.example")
    reply = await client.post("/chat", {"message": 7}, key=PRO, x_request_id="mine", x_penstock_explain="1")
    (call,) = gateway.invalid
    assert (call.identity.tenant, call.endpoint, call.request_id) == ("tenant_pro", "/chat", "mine")
    assert (call.model, call.task, call.prompt, call.tags) == ("", "", None, {})
    assert reply.headers["traceparent"].split("-")[1] == call.trace_id


@pytest.mark.parametrize(
    ("body", "tenant"),
    [
        (b'{"tenant_id": "tenant_pro", "message": 7}', "tenant_pro"),
        (b'{"tenant_id": "tenant_pro", "message": "Hello"', ""),
        (b'{"tenant_id": "nobody", "message": 7}', ""),
        (b'{"tenant_id": ["tenant_pro"], "message": "Hello"}', ""),
        (b'{"message": "Hello"}', ""),
        (b"[]", ""),
    ],
)
@pytest.mark.parametrize("key", [None, ADMIN])
async def test_an_invalid_request_without_a_tenants_key_is_that_of_the_tenant_it_names(
    client: Client, gateway: FakeGateway, body: bytes, tenant: str, key: str | None
) -> None:
    assert (await client.post("/chat", body, key=key)).status == 400
    assert gateway.invalid[0].identity.tenant == tenant


async def test_a_wrong_header_makes_an_invalid_call(client: Client, gateway: FakeGateway) -> None:
    reply = await client.post("/chat", hello(), x_penstock_tags="no pair")
    assert (reply.code, reply.json["error"]["param"]) == ("invalid_parameter", "x-penstock-tags")
    assert gateway.invalid[0].identity.tenant == "tenant_pro"


@pytest.mark.parametrize("field", ["tenant_id", "user_id", "task", "model", "prompt_id", "prompt_version"])
@pytest.mark.parametrize("bad", ["a\nb", "a\n", "\x1b[2J", "\0", "\x7f", "\x85", "\u2028"])
async def test_a_name_holds_no_control_character(client: Client, gateway: FakeGateway, field: str, bad: str) -> None:
    error = (await client.post("/chat", LAB | {field: bad})).json["error"]
    assert error["param"] == field
    assert error["message"] == f"`{field}` must hold no control characters, such as line ends."
    assert gateway.calls == []


async def test_an_unknown_tenant_is_the_tenant_ids_mistake(client: Client) -> None:
    reply = await client.post("/chat", hello(tenant_id="nobody"))
    assert (reply.status, reply.code, reply.json["error"]["param"]) == (403, "unknown_tenant", "tenant_id")


async def test_only_plain_json_of_bounded_size_is_read(client: Client, gateway: FakeGateway) -> None:
    assert (await client.post("/chat", hello(), content_type="text/plain")).code == "unsupported_media_type"
    assert (await client.post("/chat", hello(), content_encoding="gzip")).code == "unsupported_media_type"
    assert (await client.post("/chat", hello(message="m" * 5_000_000))).code == "body_too_large"
    assert (await client.post("/chat", hello(), content_type="application/json; charset=utf-8")).status == 200
    assert len(gateway.calls) == 1


@pytest.mark.parametrize(
    "code", ["model_not_found", "model_not_allowed", "insufficient_quota", "upstream_timeout", "ledger_unavailable"]
)
async def test_what_the_pipeline_raises_reaches_the_caller(client: Client, gateway: FakeGateway, code: str) -> None:
    gateway.trouble = error = failure(code)
    reply = await client.post("/chat", hello())
    assert (reply.status, reply.code, reply.json["error"]["message"]) == (error.status, code, error.message)
    assert reply.headers["x-request-id"] == gateway.calls[0].request_id


async def test_a_refusal_says_when_to_come_back(client: Client, gateway: FakeGateway) -> None:
    gateway.trouble = RateLimited("Slow down.", retry_after_s=7)
    assert (await client.post("/chat", hello())).headers["retry-after"] == "7"


async def test_an_unexpected_fault_is_a_fixed_text_and_a_log_line(
    client: Client, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.trouble = ValueError("secret prompt text")
    reply = await client.post("/chat", hello())
    assert (reply.status, reply.code) == (500, "internal_error")
    assert b"secret" not in reply.body
    assert "secret" not in caplog.text
    assert "unexpected ValueError" in caplog.text
    assert reply.headers["x-request-id"] in caplog.text


async def test_an_answer_that_cannot_be_read_is_closed_all_the_same(gateway: FakeGateway, client: Client) -> None:
    gateway.text = None  # type: ignore[assignment]
    assert (await client.post("/chat", hello())).json["answer"] == ""
    assert gateway.outcomes == [END]


async def test_a_client_that_hangs_up_cancels_its_call(client: Client, gateway: FakeGateway) -> None:
    gateway.hold = asyncio.Event()
    waiting = asyncio.ensure_future(client.post("/chat", hello()))
    await gateway.asked.wait()
    client.gone.set()
    with pytest.raises(ConnectionError):
        await waiting
    assert gateway.outcomes == [None]


async def test_a_server_that_gives_up_cancels_the_call(client: Client, gateway: FakeGateway) -> None:
    gateway.hold = asyncio.Event()
    waiting = asyncio.ensure_future(client.post("/chat", hello()))
    await gateway.asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert gateway.outcomes == [None]


async def test_an_answer_that_comes_as_the_client_goes_is_closed(client: Client, gateway: FakeGateway) -> None:
    gateway.hold = asyncio.Event()
    gateway.stubborn = True
    waiting = asyncio.ensure_future(client.post("/chat", hello()))
    await gateway.asked.wait()
    client.gone.set()
    with pytest.raises(ConnectionError):
        await waiting
    await asyncio.sleep(0)
    assert gateway.outcomes == [DISCONNECT]


async def test_a_key_of_the_tenant_is_all_that_is_needed_elsewhere(gateway: FakeGateway) -> None:
    client = Client(make_app(gateway), peer="192.0.2.7", host="gateway.example")
    assert (await client.post("/chat", {"message": "Hello"}, key=PRO)).status == 200
