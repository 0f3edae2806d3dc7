"""What a chat request asks, read into a conversation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from penstock.core.conversation import (
    Conversation,
    Document,
    Image,
    Inline,
    JsonFormat,
    Message,
    OneTool,
    Refusal,
    Sound,
    Stored,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.core.errors import InvalidParameter, MalformedJson
from penstock.dialects.openai.sides import ChatCaller
from support.calls import make_call

HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def conversation(**fields: Any) -> Conversation:
    return ChatCaller().conversation(make_call({"model": "fast", "messages": HELLO} | fields))


def only(message: dict[str, Any]) -> Message:
    (read,) = conversation(messages=[message]).messages
    return read


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_a_message_of_text(role: Any) -> None:
    said = (Text(text="Hi"),)
    assert only({"role": role, "content": "Hi", "name": "ada"}) == Message(role=role, parts=said, name="ada")
    assert only({"role": role, "content": [{"type": "text", "text": "Hi"}]}) == Message(role=role, parts=said)
    assert only({"role": role, "content": None}) == Message(role=role, parts=())


@pytest.mark.parametrize(
    ("part", "read"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
            Image(place=Inline("image/png", "aGk="), detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://x.example/a.png"}, Image(place=Url("https://x.example/a.png"))),
        (
            {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg%3E"}},
            Image(place=Url("data:image/svg+xml,%3Csvg%3E")),
        ),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}, Sound(data="aGk=", format="wav")),
        ({"type": "file", "file": {"file_id": "file-1"}}, Document(place=Stored("file-1"))),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
            Document(place=Inline("application/pdf", "aGk="), title="a.pdf"),
        ),
        ({"type": "file", "file": {"file_data": "aGk="}}, Document(place=Inline("", "aGk="))),
        ({"type": "file", "file": {"file_data": "https://x.example/a"}}, Document(place=Url("https://x.example/a"))),
        (
            {"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text(text="long", cached_for="1h"),
        ),
    ],
)
def test_a_part_of_a_user(part: dict[str, Any], read: Any) -> None:
    assert only({"role": "user", "content": [part]}).parts == (read,)


def test_what_an_assistant_said_and_did() -> None:
    google = {"google": {"thought_signature": "sig"}}
    message = only(
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Let me see."}, {"type": "refusal", "refusal": "Not that."}],
            "reasoning_content": "hm, well",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "hm", "signature": "abc"},
                {"type": "redacted_thinking", "data": "xyz"},
                {"type": "thinking", "thinking": "well", "signature": "def", "signer": "gemini"},
            ],
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}, "extra_content": google},
                {"id": "2", "type": "custom", "custom": {"name": "b", "input": "SELECT 1"}},
            ],
        }
    )
    assert message.parts == (
        Thought(text="hm", signature="abc", signer="anthropic"),
        Thought(sealed="xyz", signer="anthropic"),
        Thought(text="well", signature="def", signer="gemini"),
        Text(text="Let me see."),
        Refusal(text="Not that."),
        ToolUse(id="1", name="a", arguments="{}", signature="sig", signer="gemini"),
        ToolUse(id="2", name="b", arguments="SELECT 1", freeform=True),
    )


def test_a_refusal_beside_the_content() -> None:
    assert only({"role": "assistant", "content": None, "refusal": "No."}).parts == (Refusal(text="No."),)


def test_a_result_of_a_tool() -> None:
    part = {"type": "text", "text": "9°"}
    read = only({"role": "tool", "tool_call_id": "1", "content": [part], "cache_control": {"type": "ephemeral"}})
    (result,) = read.parts
    assert isinstance(result, ToolResult)
    assert (result.id, [part.text for part in result.parts if isinstance(part, Text)]) == ("1", ["9°"])
    assert result.cached_for == "5m"


def test_functions_of_old_are_tools_and_their_calls_have_ids() -> None:
    read = conversation(
        messages=[
            *HELLO,
            {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
            {"role": "function", "name": "weather", "content": "9°"},
        ],
        functions=[{"name": "weather", "description": "now"}],
        function_call={"name": "weather"},
    )
    _, asked, answered = read.messages
    assert asked.parts == (ToolUse(id="call_1", name="weather", arguments="{}"),)
    assert answered.parts == (ToolResult(id="call_1", parts=(Text(text="9°"),), name="weather"),)
    nothing = Raw(b'{"type":"object","properties":{}}')
    assert read.tools == (Tool(name="weather", description="now", parameters=nothing),)
    assert (read.tool_choice, read.parallel_tools) == (OneTool("weather"), False)


def test_tools_and_the_choice_among_them() -> None:
    custom = {"type": "custom", "custom": {"name": "sql", "description": "runs it"}}
    read = conversation(tools=[WEATHER, custom], tool_choice="any", parallel_tool_calls=False)
    assert read.tools == (
        Tool(name="weather", parameters=Raw(b'{"type":"object"}')),
        Tool(name="sql", description="runs it"),
    )
    assert (read.tool_choice, read.parallel_tools, read.unread) == ("required", False, {})
    one = {"type": "custom", "custom": {"name": "sql"}}
    assert conversation(tools=[custom], tool_choice=one).tool_choice == OneTool("sql")


def test_some_of_the_tools_are_all_there_are() -> None:
    other = {"type": "function", "function": {"name": "time"}}

    def allowing(*tools: dict[str, Any]) -> Conversation:
        allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}}
        return conversation(tools=[WEATHER, other], tool_choice=allowed)

    read = allowing({"type": "function", "function": {"name": "time"}})
    assert ([tool.name for tool in read.tools], read.tool_choice, read.unread) == (["time"], "required", {})
    unknown = allowing({"type": "mcp", "server_label": "x"})
    assert (len(unknown.tools), unknown.tool_choice, list(unknown.unread)) == (2, None, ["tool_choice"])


def test_the_other_parameters() -> None:
    schema = {"name": "city", "schema": {"type": "object"}, "strict": True}
    read = conversation(
        response_format={"type": "json_schema", "json_schema": schema},
        reasoning_effort="low",
        temperature=0.5,
        top_p=1,
        top_k=40,
        stop="END",
        seed=7,
        frequency_penalty=-1,
        presence_penalty=1,
        n=2,
        logprobs=True,
        top_logprobs=3,
        user="ada",
        modalities=["text"],
    )
    assert read == Conversation(
        messages=(Message(role="user", parts=(Text(text="Hello"),)),),
        format=JsonFormat(schema=Raw(b'{"type":"object"}'), name="city", strict=True),
        thinking=Thinking(effort="low"),
        temperature=0.5,
        top_p=1,
        top_k=40,
        stop=("END",),
        seed=7,
        frequency_penalty=-1,
        presence_penalty=1,
        choices=2,
        logprobs=True,
        top_logprobs=3,
        user="ada",
    )
    assert conversation(response_format={"type": "json_object"}).format == JsonFormat()
    assert conversation(response_format={"type": "text"}).format is None


def test_hints_are_not_missed_and_nulls_say_nothing() -> None:
    hints = {"metadata": {"a": "b"}, "store": False, "service_tier": "auto", "prompt_cache_key": "k"}
    nulls = dict.fromkeys(("logit_bias", "tools", "tool_choice", "stop", "n", "audio", "response_format", "top_k"))
    assert conversation(**hints, **nulls, max_tokens=5) == conversation()
    assert conversation(logit_bias={}, documents=[], verbosity="medium") == conversation()


def test_what_has_no_meaning_here_is_unread_under_its_path() -> None:
    video = {"type": "video_url", "video_url": {"url": "https://x.example/v"}}
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}
    read = conversation(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "See"}, video]},
            {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
        ],
        tools=[
            {"type": "web_search"},
            {"type": "custom", "custom": {"name": "sql", "format": grammar}},
        ],
        response_format={"type": "regex", "pattern": "a+"},
        modalities=["text", "audio"],
        min_p=0.1,
        logit_bias={"50256": -100},
    )
    assert sorted(read.unread) == [
        "logit_bias",
        "messages[0].content[1]",
        "messages[1].audio",
        "min_p",
        "modalities",
        "response_format",
        "tools[0]",
        "tools[1].custom.format",
    ]
    assert msgspec.json.decode(read.unread["messages[0].content[1]"]) == video


def called(**call: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "boss", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "tool", "content": "9"}]}, "messages[0].tool_call_id"),
        (
            {
                "messages": [
                    {
                        "role": "tool",
                        "tool_call_id": "1",
                        "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}],
                    }
                ]
            },
            "messages[0].content",
        ),
        (called(function={"name": "f", "arguments": "{}"}), "messages[0].tool_calls[0].id"),
        (called(id="1", function={"arguments": "{}"}), "messages[0].tool_calls[0].function.name"),
        (called(id="1", function={"name": "f", "arguments": 5}), "messages[0].tool_calls[0].function.arguments"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"reasoning_effort": "a lot"}, "reasoning_effort"),
        ({"top_k": "many"}, "top_k"),
        ({"stop": 5}, "stop"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        conversation(**fields)
    assert caught.value.param == param
    assert f"`{param}`" in caught.value.message
    assert "of another type" not in caught.value.message


@pytest.mark.parametrize(
    "messages", [b'[{"role":"user","content":"\\ud800"}]', b'[{"role":"user","content":[{"type":"\\ud800"}]}]']
)
def test_a_text_that_is_none_is_malformed(messages: bytes) -> None:
    call = make_call(fields={"messages": Raw(messages)})
    with pytest.raises(MalformedJson):
        ChatCaller().conversation(call)
