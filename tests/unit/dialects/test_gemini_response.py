"""Gemini's answers, whole and streamed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.call import Usage
from penstock.core.conversation import (
    Begun,
    Ended,
    Finish,
    Item,
    Text,
    TextGrown,
    Thought,
    ThoughtGrown,
    ThoughtSealed,
    ToolBegun,
    ToolGrown,
    ToolUse,
    Used,
)
from penstock.core.errors import ContentBlocked, UpstreamMalformed
from penstock.dialects.gemini import GenerateContent
from penstock.dialects.translation import ProviderSide

SIDE: ProviderSide = GenerateContent("gemini-3-flash-preview", provider="google", max_output_tokens=None)


def response(*parts: dict[str, Any], finish: str | None = "STOP", **fields: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return msgspec.json.encode({"candidates": [candidate]} | fields)


def items_of(*payloads: bytes) -> list[Item]:
    reader = SIDE.reader()
    items = [item for payload in payloads for item in reader.read(payload)]
    assert not reader.done
    return items


# --- recorded shapes -------------------------------------------------------------------------------------------------

# ai.google.dev/gemini-api/docs/thinking and /thought-signatures, 2026-11-21
ANSWER = b"""{
  "candidates": [
    {
      "content": {
        "parts": [
          {"text": "The user asks for ", "thought": true},
          {"text": "the time.", "thought": true},
          {"text": "Let me look."},
          {
            "functionCall": {"name": "get_time", "args": {"city": "Paris",
              "zones": ["CET"]}, "id": "8f2b1a3c"},
            "thoughtSignature": "c2ln"
          },
          {"functionCall": {"name": "get_weather", "args": {}}}
        ],
        "role": "model"
      },
      "finishReason": "STOP",
      "index": 0,
      "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}]
    }
  ],
  "usageMetadata": {
    "promptTokenCount": 30,
    "candidatesTokenCount": 12,
    "totalTokenCount": 142,
    "cachedContentTokenCount": 16,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 30}],
    "toolUsePromptTokenCount": 5,
    "thoughtsTokenCount": 95
  },
  "modelVersion": "gemini-3-flash-preview",
  "responseId": "Z7FeaNDZNqOKnsEPvLSr0AU"
}"""


def test_a_whole_answer_is_read() -> None:
    reply = SIDE.reply(ANSWER)
    thought, text, first, second = reply.parts
    assert thought == Thought(text="The user asks for the time.")
    assert text == Text(text="Let me look.")
    assert first == ToolUse(
        id="8f2b1a3c", name="get_time", arguments='{"city":"Paris","zones":["CET"]}', signature="c2ln", signer="gemini"
    )
    assert isinstance(second, ToolUse)
    assert (second.name, second.arguments, second.signature) == ("get_weather", "{}", "")
    assert (reply.finish, reply.id, reply.model) == ("tools", "Z7FeaNDZNqOKnsEPvLSr0AU", "gemini-3-flash-preview")
    assert reply.usage == Usage(input_tokens=35, output_tokens=107, cached_tokens=16, reasoning_tokens=95)


# The shape of github.com/googleapis/python-genai, tests/client/test_async_stream.py, and of
# github.com/pydantic/pydantic-ai/pull/2631 for the end; usage grows: github.com/ankit373/hydra/pull/855. 2026-11-21
STREAM = [
    msgspec.json.encode(event | {"modelVersion": "gemini-3-flash-preview", "responseId": "r1"})
    for event in (
        {
            "candidates": [{"content": {"parts": [{"text": "Hmm.", "thought": True}], "role": "model"}, "index": 0}],
            "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 14, "thoughtsTokenCount": 5},
        },
        {
            "candidates": [{"content": {"parts": [{"text": "Hel"}], "role": "model"}, "index": 0}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1, "thoughtsTokenCount": 5},
        },
        {
            "candidates": [
                {"content": {"parts": [{"text": "lo"}, {"text": "", "thoughtSignature": "c2ln"}], "role": "model"}}
            ],
        },
        {
            "candidates": [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 5},
        },
    )
]


def test_a_stream_is_read() -> None:
    early = Usage(input_tokens=9, output_tokens=5, reasoning_tokens=5)
    assert items_of(*STREAM) == [
        Begun(id="r1", model="gemini-3-flash-preview", usage=early),
        ThoughtGrown("Hmm."),
        Used(early),
        TextGrown("Hel"),
        Used(Usage(input_tokens=9, output_tokens=6, reasoning_tokens=5)),
        TextGrown("lo"),
        ThoughtSealed("c2ln", "gemini"),
        Used(Usage(input_tokens=9, output_tokens=7, reasoning_tokens=5)),
        Ended(finish="stop"),
    ]


def test_tools_of_a_stream_come_whole_each_in_its_slot() -> None:
    calls = [{"functionCall": {"name": name, "args": {"n": 1}, "id": name}} for name in "ab"]
    items = items_of(
        response(calls[0] | {"thoughtSignature": "c2ln"}, finish=None), response(calls[1], finish=None), response()
    )
    assert items[1:] == [
        ToolBegun(slot=0, id="a", name="a", signature="c2ln", signer="gemini"),
        ToolGrown(0, '{"n":1}'),
        ToolBegun(slot=1, id="b", name="b"),
        ToolGrown(1, '{"n":1}'),
        Ended(finish="tools"),
    ]


# --- finish reasons --------------------------------------------------------------------------------------------------

# All of google-genai 2.19, types.FinishReason, 2026-11-21.
FINISHES: dict[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "filtered",
    "RECITATION": "filtered",
    "LANGUAGE": "filtered",
    "OTHER": "filtered",
    "BLOCKLIST": "filtered",
    "PROHIBITED_CONTENT": "filtered",
    "SPII": "filtered",
    "IMAGE_SAFETY": "filtered",
    "IMAGE_PROHIBITED_CONTENT": "filtered",
    "NO_IMAGE": "filtered",
    "IMAGE_RECITATION": "filtered",
    "IMAGE_OTHER": "filtered",
    "ONE_THAT_IS_NOT_KNOWN_YET": "filtered",
}


@pytest.mark.parametrize(("reason", "finish"), FINISHES.items())
def test_each_finish_reason_has_its_meaning(reason: str, finish: Finish) -> None:
    for parts in ((), ({"text": "Hi"},)):
        body = response(*parts, finish=reason)
        assert SIDE.reply(body).finish == finish
        assert items_of(body)[-1] == Ended(finish=finish)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"])
def test_an_answer_of_no_use_is_an_error_that_another_attempt_may_cure(reason: str) -> None:
    for parts in ((), ({"text": "Hi"},)):
        body = response(*parts, finish=reason)
        with pytest.raises(UpstreamMalformed, match=reason):
            SIDE.reply(body)
        with pytest.raises(UpstreamMalformed, match=reason):
            SIDE.reader().read(body)


@pytest.mark.parametrize("reason", [None, "", "FINISH_REASON_UNSPECIFIED"])
def test_no_reason_ends_no_stream(reason: str | None) -> None:
    assert items_of(response({"text": "Hi"}, finish=reason)) == [Begun(), TextGrown("Hi")]
    assert SIDE.reply(response({"text": "Hi"}, finish=reason)).finish == "stop"


def test_a_prompt_that_was_blocked_is_the_callers_error() -> None:
    # ai.google.dev/api/generate-content, PromptFeedback; github.com/ankit373/hydra/pull/855, 2026-11-21
    body = msgspec.json.encode(
        {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8},
            "modelVersion": "gemini-2.5-flash",
        }
    )
    with pytest.raises(ContentBlocked):
        SIDE.reply(body)
    with pytest.raises(ContentBlocked):
        SIDE.reader().read(body)


# --- ids -------------------------------------------------------------------------------------------------------------


def test_calls_without_an_id_get_one_that_is_their_own_and_stays() -> None:
    call = {"functionCall": {"name": "look_up", "args": {"q": "x"}}}
    body = response(call, call, responseId="r1")
    ids = [part.id for part in SIDE.reply(body).parts if isinstance(part, ToolUse)]
    streamed = items_of(response(call, finish=None, responseId="r1"), response(call, responseId="r1"))
    assert ids == [item.id for item in streamed if isinstance(item, ToolBegun)]
    other = [part.id for part in SIDE.reply(response(call, responseId="r2")).parts if isinstance(part, ToolUse)]
    assert len({*ids, *other}) == 3
    # OpenAI takes 40 characters, Anthropic these (their API references, 2026-11-21).
    assert all(len(tool_id) <= 40 and tool_id.replace("_", "").isalnum() for tool_id in ids)


def test_an_id_that_is_given_twice_names_one_call() -> None:
    call = {"functionCall": {"name": "look_up", "id": "1"}}
    ids = [part.id for part in SIDE.reply(response(call, call)).parts if isinstance(part, ToolUse)]
    assert ids[0] == "1"
    assert len(set(ids)) == 2


# --- what is no answer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html>",
        b"[]",
        b"{}",
        b'{"candidates":[]}',
        b'{"candidates":[{"content":{"role":"model"}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":7}]}}]}',
        b'{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}',
        b"\xff",
        response({"inlineData": {"mimeType": "image/png", "data": "AA=="}}),
        response({"functionCall": {"args": {}}}),
        response({"functionCall": {"name": "f", "args": [1]}}),
    ],
)
def test_anything_else_in_a_200_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        SIDE.reply(body)


def test_an_error_in_a_stream_that_began_well_is_told() -> None:
    reader = SIDE.reader()
    reader.read(response({"text": "Hi"}, finish=None))
    with pytest.raises(UpstreamMalformed):
        reader.read(b'{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}')


def test_after_its_end_a_stream_may_count_but_not_go_on() -> None:
    reader = SIDE.reader()
    reader.read(response({"text": "Hi"}))
    assert reader.read(response()) == []
    assert reader.read(b'{"usageMetadata":{"promptTokenCount":3}}') == [Used(Usage(3, 0))]
    with pytest.raises(UpstreamMalformed):
        reader.read(response({"text": "and"}))


@pytest.mark.parametrize("counts", [{}, {"candidatesTokenCount": 3}, {"promptTokenCount": None}])
def test_usage_that_does_not_say_its_input_is_none(counts: dict[str, Any]) -> None:
    assert SIDE.reply(response({"text": "Hi"}, usageMetadata=counts)).usage is None


def test_counts_that_cannot_be_are_none() -> None:
    counts = {"promptTokenCount": 3.0, "candidatesTokenCount": 1e300, "thoughtsTokenCount": -4}
    assert SIDE.reply(response({"text": "Hi"}, usageMetadata=counts)).usage == Usage(3, 0)
