"""Answers in the Responses API: events in their order, the whole object, and the two of them alike."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from penstock.core.call import Usage
from penstock.core.conversation import (
    Begun,
    Ended,
    Finish,
    Item,
    PartEnded,
    RefusalGrown,
    Reply,
    Text,
    TextGrown,
    ThoughtGrown,
    ThoughtSigned,
    ToolBegun,
    ToolGrown,
    Used,
)
from penstock.core.errors import RateLimited
from penstock.dialects.responses.errors import error_event
from support.responses import USAGE, caller, responses_call, streamed, whole

# What every answer says: ``schema/responses.tsp`` of github.com/openresponses/openresponses (2026-04-24), 2026-11-21.
REQUIRED = frozenset(
    [
        "id",
        "object",
        "created_at",
        "completed_at",
        "status",
        "incomplete_details",
        "model",
        "previous_response_id",
        "instructions",
        "output",
        "error",
        "tools",
        "tool_choice",
        "truncation",
        "parallel_tool_calls",
        "text",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "top_logprobs",
        "temperature",
        "reasoning",
        "usage",
        "max_output_tokens",
        "max_tool_calls",
        "store",
        "background",
        "service_tier",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "user",
    ]
)


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_text_is_told_as_openai_tells_it() -> None:
    # The order of a recorded stream (github.com/traceloop/openllmetry, commit a005fe0, 2026-11-21).
    events = streamed([Begun(), TextGrown("He"), TextGrown("llo"), Ended(finish="stop"), Used(USAGE)])
    assert names(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    added, part, first = events[2:5]
    assert added["item"] == {
        "id": "msg_0a1b_0",
        "type": "message",
        "role": "assistant",
        "content": [],
        "status": "in_progress",
    }
    assert part["part"] == {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    assert first == {
        "type": "response.output_text.delta",
        "sequence_number": 4,
        "item_id": "msg_0a1b_0",
        "output_index": 0,
        "content_index": 0,
        "delta": "He",
        "logprobs": [],
    }
    assert events[6]["text"] == "Hello"
    assert events[8]["item"] == events[-1]["response"]["output"][0]
    assert (events[0]["response"]["status"], events[0]["response"]["usage"]) == ("in_progress", None)


def test_a_tool_is_told_as_openai_tells_it() -> None:
    tool = ToolBegun(slot=0, id="call_1", name="get_weather")
    events = streamed([Begun(), tool, ToolGrown(0, '{"city":'), ToolGrown(0, '"Paris"}'), Ended(finish="tools")])
    assert names(events)[2:] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert events[5]["arguments"] == '{"city":"Paris"}'
    assert events[6]["item"] == {
        "id": "fc_0a1b_0",
        "type": "function_call",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"city":"Paris"}',
        "status": "completed",
    }


def test_a_thought_is_a_summary_and_its_signature_comes_along() -> None:
    thought: list[Item] = [ThoughtGrown("Hm"), ThoughtSigned("sig.1", "anthropic")]
    events = streamed([Begun(), *thought, TextGrown("Yes"), Ended(finish="stop")])
    assert names(events)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert events[7]["item"] == {
        "id": "rs_0a1b_0",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm"}],
        "encrypted_content": "penstock.signature.anthropic.sig.1",
    }


def test_a_signed_call_comes_after_what_keeps_its_signature() -> None:
    tool = ToolBegun(slot=0, id="call_1", name="f", signature="sig", signer="gemini")
    kept, use = streamed([Begun(), tool, Ended(finish="tools")])[-1]["response"]["output"]
    assert kept == {
        "id": "rs_0a1b_0",
        "type": "reasoning",
        "summary": [],
        "encrypted_content": "penstock.call.gemini.sig",
    }
    assert (use["id"], use["call_id"]) == ("fc_0a1b_1", "call_1")


def test_a_refusal_is_a_part_of_its_own() -> None:
    events = streamed([Begun(), TextGrown("Well"), RefusalGrown("No"), Ended(finish="refused")])
    assert names(events)[6:] == [
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_arguments_of_parallel_tools_may_alternate() -> None:
    events = streamed(
        [
            Begun(),
            ToolBegun(slot=0, id="a", name="f"),
            ToolBegun(slot=1, id="b", name="sql", freeform=True),
            ToolGrown(0, '{"x":'),
            ToolGrown(1, "select "),
            ToolGrown(0, "1}"),
            ToolGrown(1, "1"),
            Ended(finish="tools"),
        ]
    )
    first, second = events[-1]["response"]["output"]
    assert (first["arguments"], second["input"], second["type"]) == ('{"x":1}', "select 1", "custom_tool_call")


def test_a_tool_that_has_ended_is_told_before_the_next_begins() -> None:
    items: list[Item] = [ToolBegun(slot=0, id="a", name="f"), PartEnded(), ToolBegun(slot=1, id="b", name="f")]
    events = streamed([Begun(), *items, Ended(finish="tools")])
    assert names(events)[2:7] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
    ]
    assert events[4]["arguments"] == "{}"  # no argument is JSON too


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tools", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("context", "incomplete", "max_output_tokens"),
        ("filtered", "incomplete", "content_filter"),
        ("refused", "incomplete", "content_filter"),  # for it says no word of refusal
        ("paused", "incomplete", "max_messages"),
    ],
)
def test_an_answer_that_was_cut_is_incomplete_and_says_why(finish: Finish, status: str, reason: str | None) -> None:
    events = streamed([Begun(), TextGrown("Hel"), Ended(finish=finish)])
    response = events[-1]["response"]
    assert names(events)[-1] == response["status"] == status
    assert (response["incomplete_details"] or {}).get("reason") == reason
    assert response["output"][0]["status"] == status
    assert (response["completed_at"] is None) == (status == "incomplete")


def test_usage_says_what_was_cached_and_thought() -> None:
    assert whole(Reply(parts=(Text(text="Hi"),), finish="stop"))["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 14,
    }


def test_every_required_field_is_there_with_what_was_asked() -> None:
    plain = whole(Reply(parts=(), finish="stop"))
    assert set(plain) >= REQUIRED
    assert (plain["id"], plain["model"], plain["created_at"]) == ("resp_0a1b", "fast", 1_741_476_777)
    tool = {"type": "function", "name": "f"}
    schema = {"type": "json_schema", "name": "n", "schema": {}}
    asked = responses_call(
        instructions="Be brief",
        tools=[tool],
        tool_choice="required",
        temperature=0.5,
        max_output_tokens=20,
        metadata={"a": "b"},
        text={"format": schema},
        reasoning={"effort": "low"},
        service_tier="auto",
        store=False,
        previous_response_id="resp_1",
        stream=True,
    )
    said = whole(Reply(parts=(), finish="stop"), asked)
    assert said["tools"] == [tool | {"description": None, "parameters": None, "strict": None}]
    assert said["text"] == {"format": schema | {"description": None, "strict": False}, "verbosity": "medium"}
    assert (said["instructions"], said["tool_choice"], said["temperature"]) == ("Be brief", "required", 0.5)
    assert (said["max_output_tokens"], said["metadata"], said["store"]) == (20, {"a": "b"}, False)
    assert (said["reasoning"], said["service_tier"]) == ({"effort": "low", "summary": None}, "default")
    assert (said["previous_response_id"], "stream" in said) == ("resp_1", False)


def test_a_stream_that_breaks_says_so_to_every_client() -> None:
    framed = error_event(RateLimited("Slow down."), 7).decode()
    assert framed.startswith("event: error\ndata: {")
    assert framed.endswith("}\n\n")
    event = msgspec.json.decode(framed.split("data: ")[1])
    flat = {"code": "rate_limit_exceeded", "message": "Slow down.", "param": None}
    nested = {"type": "rate_limit_error", **flat}
    assert event == {"type": "error", "sequence_number": 7, **flat, "error": nested}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_fields_over_several_lines_are_one_line_of_an_event(line_end: str) -> None:
    fields = {"metadata": b'{\n"a": "b"\n}', "tools": b'[{"type": "function",\n"name": "f", "parameters": {\n}}]'}
    call = responses_call()
    call.fields.update({name: Raw(raw.replace(b"\n", line_end.encode())) for name, raw in fields.items()})
    writer = caller().writer(call)
    written = writer.write(TextGrown("Hi")) + writer.end(Usage())
    assert b"\r" not in written
    for event in written.removesuffix(b"\n\n").split(b"\n\n"):
        name, data = event.split(b"\n")
        assert name.removeprefix(b"event: ").decode() == msgspec.json.decode(data.removeprefix(b"data: "))["type"]
