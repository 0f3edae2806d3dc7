"""The adapter over a transport that a test plays by hand."""

from __future__ import annotations

import msgspec
import pytest

from penstock.core.call import Usage
from penstock.core.errors import UpstreamMalformed, UpstreamMisconfigured, UpstreamUnavailable
from penstock.core.ports import Origin
from penstock.providers import ROWS, OpenAICompatible
from penstock.providers.openai_compatible import ChatWay
from support.calls import make_call
from support.streams import TARGET, adapter, ask
from support.upstreams import ScriptedResponse, ScriptedTransport

# --- requests ---


async def test_the_request_is_the_callers_under_the_providers_name_and_key() -> None:
    response = ScriptedResponse(body=b'{"model":"m-1","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}')
    provider, transport = adapter(response)
    await provider.bind(TARGET)(make_call(max_output_tokens=500))
    endpoint, body = transport.requests[0]
    assert endpoint.origin == Origin("https", "llm.example.com", 443)
    assert (endpoint.method, endpoint.path) == (b"POST", b"/v1/chat/completions")
    assert (b"authorization", b"Bearer sk-secret") in endpoint.headers
    assert msgspec.json.decode(body) == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 100,
    }


def test_a_caller_cannot_choose_other_models_behind_the_one_it_was_allowed() -> None:
    call = make_call({"model": "fast", "messages": [], "models": ["dear-1"], "route": "fallback", "kept": 1})
    sent = msgspec.json.decode(ChatWay(TARGET, ROWS["openrouter"]).encode(call))
    assert (sent["kept"], "models" in sent, "route" in sent) == (1, False, False)
    assert "models" in msgspec.json.decode(ChatWay(TARGET, ROWS["openai_compatible"]).encode(call))


@pytest.mark.parametrize(("service", "field"), [("xai", "deferred"), ("vllm", "kv_transfer_params")])
def test_a_caller_cannot_lead_the_service_past_the_gateway(service: str, field: str) -> None:
    call = make_call({"model": "fast", "messages": [], field: True})
    assert field not in msgspec.json.decode(ChatWay(TARGET, ROWS[service]).encode(call))


@pytest.mark.parametrize("choices", [1, 3])
async def test_an_answer_without_usage_is_estimated_over_all_that_it_says(choices: int) -> None:
    message = {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "x" * 800}}]}
    body = msgspec.json.encode({"model": "m", "choices": [{"message": message}] * choices})
    answer = await ask(ScriptedResponse(body=body), make_call())
    assert answer.usage is not None
    assert answer.usage.estimated
    assert answer.usage.output_tokens > 80 * choices


async def test_azure_takes_its_key_in_a_header_of_its_own() -> None:
    transport = ScriptedTransport([ScriptedResponse(status=500)])
    base_url = "https://res.openai.azure.com/openai/v1?api-version=preview"
    provider = OpenAICompatible("az", ROWS["azure"], base_url=base_url, api_key="k\n", transport=transport)
    with pytest.raises(UpstreamUnavailable):
        await provider.bind(TARGET)(make_call())
    endpoint, body = transport.requests[0]
    assert (b"api-key", b"k") in endpoint.headers
    assert endpoint.path == b"/openai/v1/chat/completions?api-version=preview"
    assert msgspec.json.decode(body)["max_completion_tokens"] == 100


@pytest.mark.parametrize(
    ("base_url", "api_key"),
    [
        (None, None),
        ("llm.example.com/v1", None),
        ("ftp://llm.example.com", None),
        ("https://user:pw@llm.example.com", None),
        ("https://llm.example.com:port", None),
        ("https://llm.example.com/a b", None),
        ("https://[::1/v1", None),
        ("https://llm.example.com", "sk-\r\nx"),
        ("https://llm.example.com", "schlüssel"),
    ],
)
async def test_an_unusable_address_or_key_is_refused_at_once_without_showing_the_key(
    base_url: str | None, api_key: str | None
) -> None:
    with pytest.raises(ValueError, match="acme-llm") as caught:
        adapter(ScriptedResponse(), base_url=base_url, api_key=api_key)
    assert api_key is None or api_key not in str(caught.value)


# --- whole answers ---


async def test_a_whole_answer_comes_under_the_alias_with_its_usage() -> None:
    body = b'{"id":"1","model":"m-1","choices":[{"message":{"content":"Hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4},"x":1}'
    response = ScriptedResponse(body=body)
    answer = await ask(response, make_call())
    assert answer.body == body.replace(b"m-1", b"fast")
    assert (answer.usage, answer.finish_reason, response.closed) == (Usage(3, 4), "length", True)


async def test_without_a_model_in_the_call_the_targets_alias_is_told() -> None:
    body = b'{"model":"m-1","choices":[{"message":{"content":"Hello there"}}]}'
    answer = await ask(ScriptedResponse(body=body), make_call(model="", input_tokens=9))
    assert msgspec.json.decode(answer.body or b"")["model"] == "alias"
    assert answer.usage == Usage(9, 3, estimated=True)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_is_explained_and_the_connection_freed(stream: bool) -> None:  # noqa: FBT001 - both ways
    response = ScriptedResponse(status=401, body=b'{"error":{"message":"Incorrect API key: sk-secret"}}')
    with pytest.raises(UpstreamMisconfigured) as caught:
        await ask(response, make_call(stream=stream))
    assert "sk-secret" not in caught.value.message
    assert response.closed


async def test_a_refusal_that_cannot_be_read_keeps_its_status() -> None:
    response = ScriptedResponse(status=404)
    response.unreadable = UpstreamMalformed("too large")
    with pytest.raises(UpstreamMisconfigured):
        await ask(response, make_call())


async def test_html_in_a_200_is_malformed() -> None:
    response = ScriptedResponse(body=b"<html>")
    with pytest.raises(UpstreamMalformed):
        await ask(response, make_call())
    assert response.closed
