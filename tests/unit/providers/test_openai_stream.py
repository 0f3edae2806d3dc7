"""A provider's stream as an answer, over a response that a test plays by hand."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
import pytest

from penstock.caching import CacheBounds, ExactCache, Reuse
from penstock.core.answer import CANCEL, DISCONNECT, END
from penstock.core.call import Usage
from penstock.core.errors import UpstreamCut, UpstreamMalformed
from penstock.core.plan import Use
from support.calls import ListSink
from support.clocks import HandClock
from support.streams import DONE, HELLO, ROLE, STOP, TARGET, USAGE, ask, event, played, started, streaming
from support.upstreams import ScriptedResponse


def usages(sink: ListSink) -> list[dict[str, Any]]:
    """The usage that the client got, chunk by chunk."""
    chunks = [msgspec.json.decode(item.raw[6:]) for item in sink.events if item.raw]
    return [chunk["usage"] for chunk in chunks if chunk.get("usage")]


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
    assert sink.raw == (ROLE + HELLO).replace(b"m-1", b"fast")
    assert [item.kind for item in sink.events] == ["started", "delta"]
    answer.close(CANCEL)


async def test_usage_is_withheld_from_who_did_not_ask_and_known_to_the_gateway() -> None:
    response = ScriptedResponse()
    null_usage = event({"content": "Hello"}, usage=None)
    answer = await (await started(response, streaming(), null_usage, STOP + USAGE, DONE))
    sink = ListSink()
    answer.attach(sink)
    response.end()
    assert b"usage" not in sink.raw
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
    assert sink.raw == (HELLO + STOP + USAGE).replace(b"m-1", b"fast")


async def test_usage_in_the_last_chunk_is_cut_out_of_it() -> None:
    response = ScriptedResponse()
    last = event({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2})
    answer = await (await started(response, streaming(), HELLO, last))
    sink = ListSink()
    answer.attach(sink)
    response.end()
    assert b"usage" not in sink.raw
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


async def test_the_end_of_a_connection_is_no_word_for_done() -> None:
    response = ScriptedResponse(headers=())
    _, sink = await played(response, streaming(), HELLO, STOP)
    response.end()
    assert isinstance(sink.outcome and sink.outcome.error, UpstreamCut)


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


async def test_done_ends_the_answer_at_once_though_the_body_stays_open_and_is_waited_for_a_moment() -> None:
    response = ScriptedResponse()
    _, sink = await played(response, streaming(), HELLO)
    response.push(STOP, DONE)
    assert sink.outcome is not None
    assert sink.outcome.kind == "end"
    assert not response.closed
    await asyncio.wait_for(response.gone.wait(), 5)


@pytest.mark.parametrize("what", ["end", "failure", "bytes"])
async def test_what_comes_after_done_frees_the_connection(what: str) -> None:
    response = ScriptedResponse()
    answer, sink = await played(response, streaming(), HELLO, STOP, DONE)
    delivered = list(sink.events)
    if what == "end":
        response.end()
    elif what == "failure":
        response.fail(UpstreamCut("cut"))
    else:
        response.push(HELLO)
    assert response.closed
    assert sink.events == delivered
    assert answer.outcome is not None
    assert answer.outcome.kind == "end"


async def test_a_client_that_was_slow_at_the_end_does_not_keep_the_body_from_ending() -> None:
    response = ScriptedResponse()
    answer, _ = await played(response, streaming(), HELLO)
    answer.pause()
    response.push(STOP + DONE)
    assert response.flow == ["pause", "resume"]
    response.end()
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


@pytest.mark.parametrize(("last", "kind"), [([STOP], "error"), ([STOP, DONE], "end")])
async def test_a_connection_that_breaks_has_cut_the_stream_unless_its_last_word_has_come(
    last: list[bytes], kind: str
) -> None:
    response = ScriptedResponse()
    _, sink = await played(response, streaming(), HELLO, *last)
    response.fail(UpstreamCut("cut"))
    assert sink.outcome is not None
    assert sink.outcome.kind == kind


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


# --- usage that the provider does not give ---

ASKED = {"include_usage": True, "input_tokens": 7}
ESTIMATE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


@pytest.mark.parametrize("ending", ["done", "end"])
async def test_a_client_that_asked_gets_the_estimate_that_is_billed(ending: str) -> None:
    response = ScriptedResponse()
    head: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 5, "system_fingerprint": "fp"}
    hello, stop = event({"content": "Hello"}, **head), event({}, "stop", **head)
    answer, sink = await played(response, streaming(**ASKED), hello, stop)
    if ending == "done":
        response.push(DONE)
    else:
        response.end()
    assert msgspec.json.decode(sink.events[-1].raw[6:]) == head | {"model": "fast", "choices": [], "usage": ESTIMATE}
    assert usages(sink) == [ESTIMATE]
    assert answer.usage == Usage(7, 2, estimated=True)


async def test_a_stream_that_breaks_tells_no_usage_and_is_billed() -> None:
    response = ScriptedResponse()
    answer, sink = await played(response, streaming(**ASKED), HELLO)
    response.end()
    assert usages(sink) == []
    assert answer.usage == Usage(7, 2, estimated=True)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([USAGE], [(5, 2)]),
        ([USAGE, USAGE.replace(b":2", b":3")], [(5, 3)]),
        ([event({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2})], [(5, 2)]),
        ([event({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2}), USAGE], [(5, 2)]),
        ([event({"content": "!"}, usage={"prompt_tokens": 5, "completion_tokens": 1}), STOP, USAGE], [(5, 2)]),
        ([event(None, usage={"prompt_tokens": 5, "completion_tokens": 0})], [(5, 2)]),
        ([event({}, "stop", usage={"prompt_tokens": 0, "completion_tokens": 0})], [(7, 2)]),
        ([event(None, usage={})], [(7, 2)]),
        ([event(None, usage=None)], [(7, 2)]),
    ],
)
async def test_usage_is_told_once_and_as_it_is_billed(said: list[bytes], told: list[tuple[int, int]]) -> None:
    response = ScriptedResponse()
    answer, sink = await played(response, streaming(**ASKED), HELLO, STOP, *said, DONE)
    assert [(usage["prompt_tokens"], usage["completion_tokens"]) for usage in usages(sink)] == told
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == told[-1]


@pytest.mark.parametrize("asked", [True, False])
async def test_a_kept_stream_is_repeated_with_its_estimate(asked: bool) -> None:  # noqa: FBT001 - both ways
    reuse = Reuse(ExactCache(HandClock(), CacheBounds()), {"alias": TARGET})
    sinks: list[ListSink] = []
    for _ in range(2):
        response, sink = ScriptedResponse(), ListSink()
        call = streaming(include_usage=asked, input_tokens=7, plan=Use("alias"), temperature=0.0)
        task = asyncio.ensure_future(reuse(call, partial(ask, response)))
        if not sinks:
            await response.attached.wait()
            response.push(HELLO, STOP, DONE)
        answer = await task
        answer.attach(sink)
        assert answer.usage == Usage(7, 2, estimated=True)
        sinks.append(sink)
    assert sinks[0].raw == sinks[1].raw
    assert usages(sinks[1]) == ([ESTIMATE] if asked else [])


# --- what providers do ---


async def test_a_finish_reason_given_twice_finishes_one_choice() -> None:
    response = ScriptedResponse()
    answer, sink = await played(response, streaming(choices=2), HELLO, STOP, STOP)
    assert answer.finish_reason == "stop"
    response.end()
    assert sink.outcome is not None
    assert isinstance(sink.outcome.error, UpstreamCut)


async def test_a_finish_reason_given_twice_is_passed_on_and_ends_the_answer_once() -> None:
    response = ScriptedResponse()
    _, sink = await played(response, streaming(), HELLO, STOP, STOP, USAGE, DONE)
    response.end()
    assert sink.raw == (HELLO + STOP + STOP).replace(b"m-1", b"fast")
    assert sink.outcome is not None
    assert sink.outcome.kind == "end"


async def test_an_event_of_several_lines_reaches_the_client_as_one() -> None:
    response = ScriptedResponse()
    spread = b'data: {"model":"m-1",\ndata: "choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    answer, sink = await played(response, streaming(), spread)
    assert sink.raw.count(b"\n") == 2
    assert msgspec.json.decode(sink.raw[6:])["choices"][0]["delta"] == {"content": "Hi"}
    answer.close(CANCEL)


def tool_call(**function: str) -> bytes:
    """A part of a tool call, the first part with its name."""
    opening = {"id": "call_1", "type": "function"} if "name" in function else {}
    return event({"tool_calls": [{"index": 0, **opening, "function": function}]})


async def test_tool_calls_split_at_every_byte_arrive_as_they_were_sent() -> None:
    arguments = '{"city":"Hà Nội \\"\\\\","n":1}'
    parts = [tool_call(name="get_weather", arguments=""), *(tool_call(arguments=letter) for letter in arguments)]
    stream = b"".join([ROLE, *parts, event({}, "tool_calls"), DONE])
    response = ScriptedResponse()
    _, sink = await played(response, streaming(), *(stream[at : at + 1] for at in range(len(stream))))
    assert sink.raw == stream.removesuffix(DONE).replace(b"m-1", b"fast")
    deltas = [msgspec.json.decode(item.raw[6:])["choices"][0]["delta"] for item in sink.events if item.kind == "delta"]
    assert "".join(delta["tool_calls"][0]["function"]["arguments"] for delta in deltas) == arguments


async def test_done_may_be_followed_by_blanks() -> None:
    answer, sink = await played(ScriptedResponse(), streaming(), HELLO, STOP, b"data: [DONE] \n\n")
    assert sink.outcome == END
    assert answer.finish_reason == "stop"
