"""The adapter over a transport that a test plays by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from penstock.core.answer import CANCEL, DISCONNECT, Answer
from penstock.core.call import Call, Usage
from penstock.core.errors import UpstreamCut, UpstreamMalformed, UpstreamMisconfigured, UpstreamUnavailable
from penstock.core.plan import Target
from penstock.core.ports import Origin
from penstock.providers import ROWS, OpenAICompatible
from penstock.providers.openai_compatible import encoder
from support.calls import ListSink, make_call
from support.upstreams import ScriptedResponse, ScriptedTransport

TARGET = Target("alias", "acme-llm", "m-1", max_output_tokens=100)
DONE = b"data: [DONE]\n\n"


def event(delta: dict[str, Any] | None, finish_reason: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return b"data: " + msgspec.json.encode({"id": "c", "model": "m-1", "choices": choices} | fields) + b"\n\n"


ROLE = event({"role": "assistant", "content": ""})
HELLO = event({"content": "Hello"})
STOP = event({}, "stop")
USAGE = event(None, usage={"prompt_tokens": 5, "completion_tokens": 2})


def adapter(response: ScriptedResponse, **changes: Any) -> tuple[OpenAICompatible, ScriptedTransport]:
    transport = ScriptedTransport([response])
    values: dict[str, Any] = {"base_url": "https://llm.example.com/v1/", "api_key": "sk-secret"} | changes
    return OpenAICompatible("acme-llm", ROWS["openai_compatible"], transport=transport, **values), transport


async def ask(response: ScriptedResponse, call: Call) -> Answer:
    provider, _ = adapter(response)
    return await provider.bind(TARGET)(call)


def streaming(**changes: Any) -> Call:
    body = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    return make_call(body, stream=True, **changes)


async def started(response: ScriptedResponse, call: Call, *reads: bytes) -> asyncio.Task[Answer]:
    """An attempt whose upstream has sent ``reads``."""
    task = asyncio.ensure_future(ask(response, call))
    await response.attached.wait()
    response.push(*reads)
    return task


def raw(sink: ListSink) -> bytes:
    return b"".join(item.raw for item in sink.events)


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
    sent = msgspec.json.decode(encoder(TARGET, ROWS["openrouter"])(call))
    assert (sent["kept"], "models" in sent, "route" in sent) == (1, False, False)
    assert "models" in msgspec.json.decode(encoder(TARGET, ROWS["openai_compatible"])(call))


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


# --- streams ---


async def test_the_answer_comes_at_the_first_content_with_all_that_came_before() -> None:
    response = ScriptedResponse()
    task = await started(response, streaming(), ROLE)
    await asyncio.sleep(0)
    assert not task.done()
    response.push(HELLO)
    answer = await task
    sink = ListSink()
    answer.attach(sink)
    assert raw(sink) == (ROLE + HELLO).replace(b"m-1", b"fast")
    assert [item.kind for item in sink.events] == ["started", "delta"]
    answer.close(CANCEL)


async def test_usage_is_withheld_from_who_did_not_ask_and_known_to_the_gateway() -> None:
    response = ScriptedResponse()
    null_usage = event({"content": "Hello"}, usage=None)
    answer = await (await started(response, streaming(), null_usage, STOP + USAGE, DONE))
    sink = ListSink()
    answer.attach(sink)
    response.end()
    assert b"usage" not in raw(sink)
    assert [item.kind for item in sink.events] == ["delta", "finished", "usage"]
    assert (answer.usage, answer.finish_reason) == (Usage(5, 2), "stop")
    assert sink.outcome is not None
    assert sink.outcome.kind == "end"
    assert response.closed


async def test_usage_reaches_who_asked() -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(include_usage=True), HELLO, STOP, USAGE, DONE))
    sink = ListSink()
    answer.attach(sink)
    response.end()
    assert raw(sink) == (HELLO + STOP + USAGE).replace(b"m-1", b"fast")


async def test_usage_in_the_last_chunk_is_cut_out_of_it() -> None:
    response = ScriptedResponse()
    last = event({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2})
    answer = await (await started(response, streaming(), HELLO, last))
    sink = ListSink()
    answer.attach(sink)
    response.end()
    assert b"usage" not in raw(sink)
    assert answer.usage == Usage(5, 2)


async def test_each_read_becomes_one_push() -> None:
    pushes: list[int] = []

    class CountingSink(ListSink):
        def feed(self, events: Any) -> None:
            pushes.append(len(events))

    response = ScriptedResponse()
    answer = await (await started(response, streaming(), HELLO))
    answer.attach(CountingSink())
    response.push(HELLO + HELLO + HELLO, HELLO[:20], HELLO[20:])
    assert pushes == [1, 3, 1]
    answer.close(CANCEL)


@pytest.mark.parametrize(
    "delta",
    [
        {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}}]},
        {"refusal": "No."},
        {"reasoning_content": "Hm"},
    ],
)
async def test_tool_calls_refusals_and_reasoning_are_content(delta: dict[str, Any]) -> None:
    answer = await (await started(ScriptedResponse(), streaming(), event(delta)))
    answer.close(CANCEL)


async def test_an_answer_that_only_finishes_is_an_answer() -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(), ROLE, STOP))
    sink = ListSink()
    answer.attach(sink)
    response.end()
    assert sink.outcome is not None
    assert sink.outcome.kind == "end"


async def test_a_body_may_end_without_done_once_every_choice_has_finished() -> None:
    response = ScriptedResponse()
    second = event({"content": "x"}).replace(b'"index":0', b'"index":1')
    answer = await (await started(response, streaming(choices=2), HELLO + second, STOP))
    sink = ListSink()
    answer.attach(sink)
    response.end()
    assert sink.outcome is not None
    assert isinstance(sink.outcome.error, UpstreamCut)
    assert answer.usage is not None
    assert answer.usage.estimated


async def test_a_stream_without_usage_has_it_estimated() -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(input_tokens=7), event({"content": "a" * 40}), STOP, DONE))
    sink = ListSink()
    answer.attach(sink)
    response.end()
    assert answer.usage == Usage(7, 10, estimated=True)
    assert sink.events[-1].raw == b""


async def test_done_ends_the_answer_even_when_the_body_stays_open() -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(), HELLO, STOP, DONE))
    sink = ListSink()
    answer.attach(sink)
    await asyncio.wait_for(sink.done.wait(), 5)
    assert response.closed


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([b"data: {broken\n\n"], UpstreamMalformed),
        ([ROLE, b'data: {"error":{"message":"overloaded"}}\n\n'], UpstreamMalformed),
        ([b"<html>502</html>"], UpstreamMalformed),
        ([b'{"error":{"message":"overloaded"}}'], UpstreamMalformed),
        ([], UpstreamMalformed),
        ([ROLE], UpstreamCut),
        ([ROLE, DONE], UpstreamCut),
    ],
)
async def test_what_breaks_before_content_is_raised(reads: list[bytes], expected: type[Exception]) -> None:
    response = ScriptedResponse()
    task = await started(response, streaming(), *reads)
    response.end()
    with pytest.raises(expected):
        await task
    assert response.closed


@pytest.mark.parametrize("bad", [b"data: {broken\n\n", b'data: {"error":{"message":"overloaded"}}\n\n'])
async def test_what_breaks_after_content_ends_the_answer(bad: bytes) -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(), HELLO))
    sink = ListSink()
    answer.attach(sink)
    response.push(HELLO + bad, HELLO)
    assert len(sink.events) == 2
    assert sink.outcome is not None
    assert isinstance(sink.outcome.error, UpstreamMalformed)
    assert response.closed


@pytest.mark.parametrize("error", [UpstreamCut("cut"), ConnectionResetError("by peer")])
async def test_a_broken_connection_is_a_cut(error: Exception) -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(), HELLO))
    sink = ListSink()
    answer.attach(sink)
    response.fail(error)
    assert sink.outcome is not None
    assert isinstance(sink.outcome.error, UpstreamCut)
    assert answer.usage is not None


async def test_a_broken_connection_after_the_end_costs_nothing() -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(), HELLO, STOP))
    sink = ListSink()
    answer.attach(sink)
    response.fail(UpstreamCut("cut"))
    assert sink.outcome is not None
    assert sink.outcome.kind == "end"


async def test_cancelling_the_wait_closes_the_response() -> None:
    response = ScriptedResponse()
    task = await started(response, streaming(), ROLE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert response.closed


async def test_a_client_that_leaves_frees_the_upstream_and_pays_what_came() -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(input_tokens=3), HELLO))
    usage: list[Usage | None] = []
    answer.on_close(lambda _: usage.append(answer.usage))
    answer.attach(ListSink())
    answer.close(DISCONNECT)
    assert response.closed
    assert usage == [Usage(3, 2, estimated=True)]


async def test_a_slow_client_pauses_the_upstream() -> None:
    response = ScriptedResponse()
    answer = await (await started(response, streaming(), HELLO))
    answer.pause()
    answer.resume()
    assert response.flow == ["pause", "resume"]
    answer.close(CANCEL)


async def test_many_events_without_content_do_not_stop_the_upstream() -> None:
    response = ScriptedResponse()
    task = await started(response, streaming(), *[ROLE] * 200)
    assert response.flow == []
    response.push(HELLO)
    (await task).close(CANCEL)
