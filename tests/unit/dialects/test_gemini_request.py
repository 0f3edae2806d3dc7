"""What is asked of a Gemini model."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from penstock.core.call import Call
from penstock.core.conversation import (
    Conversation,
    Document,
    Image,
    Inline,
    JsonFormat,
    Message,
    OneTool,
    Part,
    Refusal,
    Role,
    Sound,
    Stored,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Url,
)
from penstock.core.errors import InvalidParameter, UnsupportedParameter
from penstock.dialects.gemini import GenerateContent
from support.calls import make_call
from support.gemini_wire import UNSIGNED, read_request

NEWEST = "gemini-3-flash-preview"
HELLO = Message(role="user", parts=(Text(text="Hello"),))
SCHEMA = Raw(b'{"type":"object","properties":{"city":{"type":"string"}}}')
LOOK_UP = Tool(name="look_up", description="Finds it.", parameters=SCHEMA)


def side(model_id: str = NEWEST, most: int | None = None) -> GenerateContent:
    return GenerateContent(model_id, provider="google", max_output_tokens=most)


def ask(*messages: Message, model_id: str = NEWEST, call: Call | None = None, **asked: Any) -> dict[str, Any]:
    conversation = Conversation(messages=messages or (HELLO,), **asked)
    found: dict[str, Any] = msgspec.json.decode(side(model_id).request(conversation, call or make_call()))
    return found


def parts_of(*parts: Part, role: Role = "user", model_id: str = NEWEST) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(Message(role=role, parts=parts), model_id=model_id)["contents"][0]["parts"]
    return found


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_tool_round_trip_as_the_api_shows_it() -> None:
    # ai.google.dev/gemini-api/docs/function-calling and /thought-signatures, 2026-11-21
    use = ToolUse(id="8f2b", name="look_up", arguments='{"city": "Paris"}', signature="c2ln", signer="gemini")
    found = ask(
        Message(role="system", parts=(Text(text="Be brief."),)),
        HELLO,
        Message(role="assistant", parts=(Text(text="I look."), use)),
        Message(role="tool", parts=(ToolResult(id="8f2b", parts=(Text(text="12:00"),)),)),
        tools=(LOOK_UP,),
        tool_choice="auto",
        temperature=0.5,
    )
    assert found == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hello"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "I look."},
                    {
                        "functionCall": {"id": "8f2b", "name": "look_up", "args": {"city": "Paris"}},
                        "thoughtSignature": "c2ln",
                    },
                ],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"id": "8f2b", "name": "look_up", "response": {"output": "12:00"}}}],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "look_up",
                        "description": "Finds it.",
                        "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": {"temperature": 0.5},
    }


def test_the_system_speaks_first_wherever_it_stood() -> None:
    later = Message(role="developer", parts=(Text(text="In French."),))
    found = ask(Message(role="system", parts=(Text(text="Be brief."),)), HELLO, later)
    assert found["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In French."}]}
    assert found["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]


def test_a_system_that_speaks_alone_is_what_is_asked() -> None:
    assert ask(Message(role="system", parts=(Text(text="Greet me."),))) == {
        "contents": [{"role": "user", "parts": [{"text": "Greet me."}]}]
    }


def test_neighbours_of_one_role_are_one_content_and_empty_ones_none() -> None:
    uses = [ToolUse(id=name, name=name, arguments="") for name in "ab"]
    found = ask(
        HELLO,
        Message(role="assistant", parts=()),
        Message(role="user", parts=(Text(text=""), Text(text="there"))),
        Message(role="assistant", parts=(uses[0],)),
        Message(role="assistant", parts=(uses[1],)),
        Message(role="tool", parts=(ToolResult(id="a", parts=()),)),
        Message(role="tool", parts=(ToolResult(id="b", parts=(Text(text="no"),), failed=True),)),
    )
    user, model, answers = found["contents"]
    assert user == {"role": "user", "parts": [{"text": "Hello"}, {"text": "there"}]}
    assert [part["functionCall"]["args"] for part in model["parts"]] == [{}, {}]
    assert [part["functionResponse"]["response"] for part in answers["parts"]] == [{"output": ""}, {"error": "no"}]


def test_media_lie_within_or_are_fetched() -> None:
    assert parts_of(
        Image(place=Inline("image/png", "AA=="), detail="low"),
        Image(place=Inline("", "AA==")),
        Image(place=Url("https://example.com/a.webp?size=2")),
        Image(place=Url("https://example.com/a")),
        Sound(format="wav", data="AA=="),
        Document(place=Inline("", "AA=="), title="Terms", context="Of 2026."),
        Document(text="All of it."),
        Document(place=Stored("https://generativelanguage.googleapis.com/v1beta/files/abc")),
    ) == [
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"inlineData": {"mimeType": "image/jpeg", "data": "AA=="}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.com/a.webp?size=2"}},
        {"fileData": {"fileUri": "https://example.com/a"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
        {"text": "Terms"},
        {"text": "Of 2026."},
        {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        {"text": "All of it."},
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
    ]


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        (NEWEST, [["functionResponse", ["inlineData"]], ["fileData"]]),
        ("gemini-2.5-flash", [["functionResponse", []], ["inlineData"], ["fileData"]]),
    ],
)
def test_a_tools_pictures_go_with_its_answer(model_id: str, expected: list[Any]) -> None:
    pictures = (Image(place=Inline("image/png", "AA==")), Image(place=Url("https://example.com/a.png")))
    result = ToolResult(id="1", name="draw", parts=(Text(text="done"), Document(text="twice"), *pictures))
    found = parts_of(result, role="tool", model_id=model_id)
    assert found[0]["functionResponse"]["response"] == {"output": "done\ntwice"}
    within = [key for part in found[0]["functionResponse"].get("parts", ()) for key in part]
    assert [["functionResponse", within], *[list(part) for part in found[1:]]] == expected


def test_only_its_own_signed_thoughts_go_back() -> None:
    assert parts_of(
        Thought(text="a", signature="c2ln", signer="gemini"),
        Thought(text="b", signature="c2ln", signer="anthropic"),
        Thought(text="c"),
        Thought(text="d", signer="gemini"),
        Thought(sealed="c2ln", signer="gemini"),
        Thought(sealed="c2ln", signer="anthropic"),
        Refusal(text="No."),
        role="assistant",
    ) == [
        {"text": "a", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": "No."},
    ]


@pytest.mark.parametrize(
    ("model_id", "signatures"),
    [
        (NEWEST, [UNSIGNED, None]),
        ("gemini-flash-latest", [UNSIGNED, None]),
        ("models/gemini-2.5-pro", [None, None]),
    ],
)
def test_the_first_of_calls_that_another_model_made_is_passed_off(model_id: str, signatures: list[str | None]) -> None:
    uses = [ToolUse(id=name, name=name, arguments="{}", signature="x", signer="anthropic") for name in "ab"]
    found = parts_of(*uses, role="assistant", model_id=model_id)
    assert [part.get("thoughtSignature") for part in found] == signatures


@pytest.mark.parametrize("arguments", ["look up Paris", '{"city": ', "[1]", "7", "[" * 10_000])
def test_arguments_that_are_no_object_become_the_value_of_one(arguments: str) -> None:
    (found,) = parts_of(ToolUse(id="1", name="f", arguments=arguments), role="assistant")
    assert found["functionCall"]["args"] == {"input": arguments}


@pytest.mark.parametrize(("dialect", "param"), [("openai", "messages"), ("responses", "input")])
def test_an_answer_to_no_call_is_the_callers_mistake(dialect: str, param: str) -> None:
    answer = Message(role="tool", parts=(ToolResult(id="9", parts=()),))
    with pytest.raises(InvalidParameter) as raised:
        ask(HELLO, answer, call=make_call(dialect=dialect))
    assert raised.value.param == param


# --- tools and format ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "strict", "calling"),
    [
        (None, None, None),
        (None, True, {"mode": "VALIDATED"}),
        ("auto", None, {"mode": "AUTO"}),
        ("auto", True, {"mode": "VALIDATED"}),
        ("none", True, {"mode": "NONE"}),
        ("required", None, {"mode": "ANY"}),
        (OneTool("look_up"), None, {"mode": "ANY", "allowedFunctionNames": ["look_up"]}),
    ],
)
def test_each_tool_choice_has_its_mode(choice: Any, strict: bool | None, calling: dict[str, Any] | None) -> None:  # noqa: FBT001
    tool = msgspec.structs.replace(LOOK_UP, strict=strict)
    found = ask(tools=(tool,), tool_choice=choice)
    assert found.get("toolConfig", {}).get("functionCallingConfig") == calling


def test_a_function_without_parameters_is_declared_without_them() -> None:
    found = ask(tools=(Tool(name="now", parameters=Raw(b"{}")),))
    assert found["tools"] == [{"functionDeclarations": [{"name": "now"}]}]


def test_an_answer_in_json_has_its_schema() -> None:
    assert ask(format=JsonFormat())["generationConfig"] == {"responseMimeType": "application/json"}
    assert ask(format=JsonFormat(schema=SCHEMA, name="place", description="Where."))["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"description": "Where.", "type": "object", "properties": {"city": {"type": "string"}}},
    }


# --- limits and thinking ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "most", "cap"), [(None, None, None), (9, None, 9), (None, 7, 7), (9, 7, 7), (5, 7, 5)]
)
def test_the_least_cap_holds(asked: int | None, most: int | None, cap: int | None) -> None:
    body = side(most=most).request(Conversation(messages=(HELLO,)), make_call(max_output_tokens=asked))
    assert read_request(body).max_output_tokens == cap


@pytest.mark.parametrize(("seed", "sent"), [(7, 7), (-7, -7), (2**31, 0), (2**63 - 1, 2**31 - 1)])
def test_a_seed_fits_into_32_bits(seed: int, sent: int) -> None:
    assert ask(seed=seed)["generationConfig"] == {"seed": sent}


# docs.cloud.google.com/vertex-ai/generative-ai/docs/thinking and ai.google.dev/gemini-api/docs/thinking, 2026-11-21
@pytest.mark.parametrize(
    ("model_id", "thinking", "config"),
    [
        (NEWEST, Thinking(), None),
        (NEWEST, Thinking(shown=True), {"includeThoughts": True}),
        (NEWEST, Thinking(effort="minimal"), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-pro-preview", Thinking(effort="minimal"), {"thinkingLevel": "LOW"}),
        ("gemini-3.8-flash", Thinking(effort="minimal"), {"thinkingLevel": "LOW"}),
        (NEWEST, Thinking(effort="low", shown=False), {"thinkingLevel": "LOW", "includeThoughts": False}),
        (NEWEST, Thinking(effort="medium", budget_tokens=2048), {"thinkingLevel": "MEDIUM"}),
        ("gemini-flash-latest", Thinking(effort="max"), {"thinkingLevel": "HIGH"}),
        (NEWEST, Thinking(budget_tokens=2048), {"thinkingBudget": 2048}),
        ("gemini-2.5-flash", Thinking(), {"thinkingBudget": -1}),
        ("gemini-2.5-flash", Thinking(effort="none"), {"thinkingBudget": 0}),
        ("gemini-2.5-flash", Thinking(effort="high"), {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", Thinking(budget_tokens=64_000), {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", Thinking(), {"thinkingBudget": -1}),
        ("gemini-2.5-pro", Thinking(budget_tokens=64), {"thinkingBudget": 128}),
        ("gemini-2.5-pro", Thinking(effort="medium", budget_tokens=64_000), {"thinkingBudget": 32768}),
        ("publishers/google/models/gemini-2.5-pro", Thinking(effort="low"), {"thinkingBudget": 1024}),
        ("gemini-2.0-flash", Thinking(effort="none"), None),
    ],
)
def test_thinking_is_a_level_or_a_budget_by_generation(
    model_id: str, thinking: Thinking, config: dict[str, Any] | None
) -> None:
    found = ask(model_id=model_id, thinking=thinking)
    assert found.get("generationConfig", {}).get("thinkingConfig") == config


# --- what it cannot do -----------------------------------------------------------------------------------------------

FREE_TEXT = Tool(name="grep", description="Takes a pattern.")
CANNOT: list[tuple[str, str, str, dict[str, Any]]] = [
    ("openai", "n", NEWEST, {"choices": 2}),
    ("openai", "logprobs", NEWEST, {"logprobs": True}),
    ("responses", "top_logprobs", NEWEST, {"top_logprobs": 3}),
    ("openai", "tools", NEWEST, {"tools": (LOOK_UP, FREE_TEXT)}),
    ("openai", "parallel_tool_calls", NEWEST, {"tools": (LOOK_UP,), "parallel_tools": False}),
    (
        "anthropic",
        "tool_choice.disable_parallel_tool_use",
        NEWEST,
        {"tools": (LOOK_UP,), "parallel_tools": False},
    ),
    ("openai", "stop", NEWEST, {"stop": tuple("abcdef")}),
    ("anthropic", "stop_sequences", NEWEST, {"stop": tuple("abcdef")}),
    ("openai", "reasoning_effort", NEWEST, {"thinking": Thinking(effort="none")}),
    ("responses", "reasoning.effort", "gemini-2.5-pro", {"thinking": Thinking(effort="none")}),
    ("anthropic", "thinking", "gemini-2.0-flash", {"thinking": Thinking(budget_tokens=1024)}),
    ("openai", "response_format", "gemini-2.5-pro", {"tools": (LOOK_UP,), "format": JsonFormat()}),
    ("responses", "text.format", "gemini-2.5-pro", {"tools": (LOOK_UP,), "format": JsonFormat()}),
    ("openai", "logit_bias", NEWEST, {"unread": {"logit_bias": Raw(b"{}")}}),
]


@pytest.mark.parametrize(("dialect", "param", "model_id", "asked"), CANNOT)
def test_what_it_cannot_do_is_refused_by_its_name_in_the_callers_dialect(
    dialect: str, param: str, model_id: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedParameter, match=f"`{param}` is not supported by 'google'") as raised:
        ask(model_id=model_id, call=make_call(dialect=dialect), **asked)
    assert raised.value.param == param


@pytest.mark.parametrize(("dialect", "param", "model_id", "asked"), CANNOT)
def test_what_it_cannot_do_is_left_out_where_the_caller_allows_it(
    dialect: str, param: str, model_id: str, asked: dict[str, Any]
) -> None:
    call = make_call(dialect=dialect, drop_unsupported=True)
    assert ask(model_id=model_id, call=call, **asked)["contents"]
    assert call.trail.dropped == (param,)


@pytest.mark.parametrize("choice", [OneTool(LOOK_UP.name), "required"])
def test_one_call_of_a_forced_tool_is_a_wish(choice: ToolChoice) -> None:
    call = make_call(dialect="openai")
    found = ask(call=call, tools=(LOOK_UP,), tool_choice=choice, parallel_tools=False)
    assert found["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"
    assert call.trail.dropped == ("parallel_tool_calls",)


def test_pictures_of_the_system_cannot_be_said_and_names_of_users_are_a_hint() -> None:
    call = make_call(drop_unsupported=True)
    picture = Image(place=Url("https://example.com/a.png"))
    system = Message(role="system", parts=(Text(text="Be brief."), picture))
    found = ask(system, Message(role="user", parts=(Text(text="Hello"),), name="ada"), call=call)
    assert found["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert call.trail.dropped == ("messages",)


def test_a_tool_that_was_left_out_is_not_chosen_and_thoughts_are_few_where_they_cannot_be_none() -> None:
    call = make_call(drop_unsupported=True)
    found = ask(call=call, tools=(LOOK_UP, FREE_TEXT), tool_choice=OneTool("grep"))
    assert "toolConfig" not in found
    for model_id, config in ((NEWEST, {"thinkingLevel": "MINIMAL"}), ("gemini-2.5-pro", {"thinkingBudget": 128})):
        found = ask(call=call, model_id=model_id, thinking=Thinking(effort="none"))
        assert found["generationConfig"]["thinkingConfig"] == config
