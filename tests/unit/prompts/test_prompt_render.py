from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from penstock.core.answer import Answer
from penstock.core.call import Call, PromptRef
from penstock.core.errors import InputTooLong, InvalidParameter, MissingVariable, PromptNotFound
from penstock.core.plan import Decision, Degrade, Exclusion, First, Use
from penstock.core.tokens import estimate_tokens
from penstock.prompts import Prompt, Registry, Render
from penstock.prompts.file import Message, Variable
from support.calls import complete_answer, make_call

PROMPT = Prompt(
    prompt_id="greet",
    version="v1",
    owner="team",
    task="chat",
    messages=(Message("system", "Speak {{ language }}."), Message("user", "{{ message }}")),
    variables=(Variable("message"), Variable("language", required=False, default="English")),
    compatible_models=("fast", "strong"),
    schema_version="greeting.v1",
    rollout="stable",
)
BIG = Prompt(
    prompt_id="big",
    version="v1",
    owner="team",
    task="chat",
    messages=(Message("user", "{{ message }}" * 50),),
    variables=(Variable("message"),),
)


class Kept:
    """An end of the pipeline that keeps what it is given."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> Answer:
        self.calls.append(call)
        return complete_answer()


async def render(call: Call) -> Call:
    kept = Kept()
    answer = await Render(Registry([PROMPT, BIG]))(call, kept)
    assert answer.body is not None
    return kept.calls[0]


def asking(version: str = "v1", body: dict[str, Any] | None = None, **variables: str) -> Call:
    return make_call(body or {}, prompt=PromptRef("greet", version, variables), input_tokens=0)


def messages(call: Call) -> Any:
    return msgspec.json.decode(call.fields["messages"])


async def test_a_call_without_prompt_passes_untouched() -> None:
    call = make_call()
    assert await render(call) is call


async def test_the_template_becomes_messages() -> None:
    rendered = await render(asking(message="Xin chào {{ language }}"))
    assert messages(rendered) == [
        {"role": "system", "content": "Speak English."},
        {"role": "user", "content": "Xin chào {{ language }}"},
    ]


@pytest.mark.parametrize("system", [None, "Be brief.", [{"type": "text", "text": "Be brief."}]])
async def test_messages_calls_have_what_the_system_says_in_its_own_place(system: Any) -> None:
    body = {"messages": [{"role": "user", "content": "More."}]} | ({} if system is None else {"system": system})
    asked = replace(asking(body=body, message="Hi"), dialect="anthropic")
    rendered = await render(asked)
    assert messages(rendered) == [{"role": "user", "content": "Hi"}, {"role": "user", "content": "More."}]
    blocks = [{"type": "text", "text": text} for text in ("Speak English.", "Be brief.")]
    assert msgspec.json.decode(rendered.fields["system"]) == (blocks[:1] if system is None else blocks)


async def test_messages_of_the_call_follow_unchanged() -> None:
    own = {"role": "user", "content": [{"type": "text", "text": "more"}], "x-unknown": 1}
    rendered = await render(asking(body={"messages": [own], "top_k": 5}, message="Hi", language="Welsh"))
    assert messages(rendered)[0]["content"] == "Speak Welsh."
    assert messages(rendered)[2] == own
    assert bytes(rendered.fields["top_k"]) == b"5"


async def test_the_trail_names_prompt_version_and_schema() -> None:
    rendered = await render(asking(version="", message="Hi"))
    trail = rendered.trail
    assert (trail.prompt_id, trail.prompt_version, trail.schema_version) == ("greet", "v1", "greeting.v1")


async def test_input_tokens_count_what_was_rendered() -> None:
    rendered = await render(asking(message="Hello"))
    assert rendered.input_tokens == estimate_tokens("Speak English.") + estimate_tokens("Hello")


async def test_every_missing_variable_is_named() -> None:
    with pytest.raises(MissingVariable, match="message"):
        await render(asking(language="Welsh"))


async def test_a_variable_that_the_prompt_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"no variables: mesage.*takes: language, message"):
        await render(asking(message="x", mesage="y"))


async def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(PromptNotFound):
        await render(asking(version="v7", message="x"))


async def test_a_plan_without_a_compatible_model_is_refused() -> None:
    call = msgspec.structs.replace(asking(message="x"), plan=First((Use("a"), Use("b"))))
    with pytest.raises(InvalidParameter, match=r"made for fast, strong.*go to a, b"):
        await render(call)
    rendered = await render(msgspec.structs.replace(call, plan=First((Use("a"), Use("fast")))))
    assert rendered.trail.prompt_id == "greet"


async def test_what_a_template_multiplies_is_bounded() -> None:
    call = make_call({}, prompt=PromptRef("big", "v1", {"message": "x" * 100_000}))
    with pytest.raises(InputTooLong):
        await render(call)


async def test_messages_that_are_no_list_are_refused() -> None:
    with pytest.raises(InvalidParameter):
        await render(asking(body={"messages": "text"}, message="x"))


async def test_a_plan_loses_the_models_that_the_prompt_is_not_made_for() -> None:
    plan = First((Use("other"), Use("strong"), Degrade("later"), Use("fast")))
    call = replace(asking(message="Hi"), plan=plan)
    call.trail.decision = Decision("chat", "task", ("other", "strong", "fast"))
    rendered = await render(call)
    assert rendered.plan == First((Use("strong"), Degrade("later"), Use("fast")))
    assert call.trail.decision == Decision(
        "chat", "task", ("strong", "fast"), (Exclusion("other", "prompt", "prompt 'greet' is not made for it"),)
    )


async def test_a_fixed_text_alone_is_no_answer_to_a_prompt_made_for_other_models() -> None:
    call = replace(asking(message="Hi"), plan=First((Use("other"), Degrade("later"))))
    with pytest.raises(InvalidParameter, match="made for fast, strong; this call would go to other"):
        await render(call)
