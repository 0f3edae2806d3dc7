"""What is kept of a call, and how later calls go on from it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.call import Call, Usage
from penstock.core.conversation import Begun, Ended, Message, Reply, Text, TextGrown, ToolUse
from penstock.core.errors import InvalidParameter, UpstreamMalformed
from penstock.dialects.responses.caller import ResponsesCaller
from penstock.dialects.responses.turns import (
    go_on,
    is_kept,
    item_ids,
    items_of,
    previous_id,
    references,
    resolve,
    response_of,
    turn_id,
    turn_of,
)
from support.calls import make_call, make_fields

USAGE = Usage(3, 2)


def call(**fields: Any) -> Call:
    return make_call({"model": "fast", "input": "My name is Ada."} | fields, dialect="responses", call_id="req_01")


def answered(asked: Call, *parts: Any) -> bytes:
    return ResponsesCaller(lambda: 0).reply(Reply(parts=parts, finish="stop"), asked, USAGE)


def test_a_later_call_goes_on_from_all_that_was_said() -> None:
    first = call()
    kept = turn_of(first, answered(first, Text(text="Hello Ada.")))
    fields = go_on(make_fields({"input": "Who am I?", "previous_response_id": turn_id(kept)}), kept)
    second = call(**msgspec.json.decode(msgspec.json.encode(fields)))
    assert ResponsesCaller().conversation(second).messages == (
        Message(role="user", parts=(Text(text="My name is Ada."),)),
        Message(role="assistant", parts=(Text(text="Hello Ada."),)),
        Message(role="user", parts=(Text(text="Who am I?"),)),
    )
    third = go_on(make_fields({"input": []}), turn_of(second, answered(second, Text(text="Ada."))))
    assert len(msgspec.json.decode(third["input"])) == 4


def test_instructions_are_not_carried_on() -> None:
    first = call(instructions="Be brief")
    kept = turn_of(first, answered(first, Text(text="Hi")))
    assert b"Be brief" not in kept


def test_a_result_finds_the_tool_that_an_earlier_answer_called() -> None:
    first = call()
    kept = turn_of(first, answered(first, ToolUse(id="call_1", name="f", arguments="{}")))
    result = {"type": "function_call_output", "call_id": "call_1", "output": "4"}
    fields = go_on(make_fields({"input": [result]}), kept)
    *_, last = ResponsesCaller().conversation(call(input=msgspec.json.decode(fields["input"]))).messages
    assert last.parts[0].name == "f"  # type: ignore[union-attr]


def test_a_stream_ends_with_what_a_whole_answer_would_be() -> None:
    asked = call()
    writer = ResponsesCaller(lambda: 0).writer(asked)
    events = [writer.write(item) for item in (Begun(), TextGrown("Hi"), Ended(finish="stop"))]
    assert [response_of(event) for event in events] == [None, None, None]
    assert response_of(writer.end(USAGE)) == answered(asked, Text(text="Hi"))


@pytest.mark.parametrize(("said", "kept"), [({}, True), ({"store": True}, True), ({"store": None}, True)])
def test_a_turn_is_kept_unless_the_caller_says_not_to(said: dict[str, Any], kept: bool) -> None:  # noqa: FBT001
    assert is_kept(make_fields(said)) is kept
    assert is_kept(make_fields(said | {"store": False})) is False


def test_the_answer_gone_on_from_is_named_in_the_fields() -> None:
    assert previous_id(make_fields({"previous_response_id": "resp_1"})) == "resp_1"
    assert (previous_id({}), previous_id(make_fields({"previous_response_id": None}))) == ("", "")


def test_items_may_be_named_in_place_of_being_sent() -> None:
    # As the Vercel AI SDK sends earlier answers where `store` is not false (github.com/vercel/ai, 2026-11-21).
    first = call()
    answer = answered(first, Text(text="Hello Ada."))
    kept = turn_of(first, answer)
    assert item_ids(answer) == ("msg_01_0",)
    fields = make_fields({"input": [{"type": "item_reference", "id": "msg_01_0"}, {"role": "user", "content": "Who?"}]})
    assert references(fields) == ("msg_01_0",)
    said, asked = msgspec.json.decode(resolve(fields, items_of(kept))["input"])
    assert (said["content"][0]["text"], asked["content"]) == ("Hello Ada.", "Who?")


def test_an_item_that_is_not_kept_is_named() -> None:
    fields = make_fields({"input": [{"role": "user", "content": "Hi"}, {"id": "msg_9"}]})
    with pytest.raises(InvalidParameter, match="not kept here") as caught:
        resolve(fields, {})
    assert caught.value.param == "input[1].id"


def test_naming_one_item_again_and_again_does_not_fill_the_memory() -> None:
    items = {"msg_1": msgspec.Raw(b'"%b"' % (b"a" * 1_000_000))}
    with pytest.raises(InvalidParameter, match="16 MiB") as caught:
        resolve(make_fields({"input": [{"id": "msg_1"}] * 300}), items)
    assert caught.value.param == "input"
    assert len(resolve(make_fields({"input": [{"id": "msg_1"}] * 16}), items)["input"]) > 16_000_000


def test_more_than_a_thousand_names_are_refused() -> None:
    assert len(references(make_fields({"input": [{"id": "msg_1"}] * 1000}))) == 1000
    with pytest.raises(InvalidParameter, match="names 1001 items"):
        references(make_fields({"input": [{"id": "msg_1"}] * 1001}))


def test_an_answer_gives_names_to_its_own_items_and_to_a_hundred_at_most() -> None:
    output = [{"type": "message", "id": f"msg_{index}"} for index in range(101)]
    body = msgspec.json.encode({"id": "resp_1", "output": output})
    assert item_ids(body) == tuple(f"msg_{index}" for index in range(100))
    assert len(items_of(turn_of(call(input=[{"role": "user", "content": "Hi", "id": "mine"}]), body))) == 102


@pytest.mark.parametrize("item", [{"id": 7}, {"id": "a", "type": 7}, {"id": "a", "role": {}}, 5, None, ["a"]])
def test_what_no_name_can_be_read_of_is_kept_without_one(item: Any) -> None:
    said = {"type": "message", "id": "msg_1"}
    kept = turn_of(call(), msgspec.json.encode({"id": "resp_1", "output": [item, said]}))
    assert list(items_of(kept)) == ["msg_1"]


@pytest.mark.parametrize("asked", [5, [5], {"a": 1}])
def test_an_input_that_is_none_is_refused(asked: Any) -> None:
    with pytest.raises(InvalidParameter):
        references(make_fields({"input": asked}))


def test_an_answer_without_output_is_not_kept() -> None:
    with pytest.raises(UpstreamMalformed):
        turn_of(call(), b'{"id":"resp_1"}')
