from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.caching.key import MAX_INPUT_BYTES, cache_key
from penstock.core.call import Call, Trail
from penstock.core.plan import First, Target, Use
from support.calls import BODY, make_call, make_fields

TARGETS = {name: Target(name, "provider", f"{name}-1") for name in ("fast", "strong")}
PLAN = First((Use("fast"), Use("strong")))


def key(call: Call, targets: dict[str, Target] | None = None) -> bytes:
    made = cache_key(call, targets or TARGETS)
    assert made is not None
    return made


def plain(body: dict[str, Any] | None = None, **changes: Any) -> Call:
    return make_call(body, **({"plan": PLAN} | changes))


def trail(**changes: Any) -> Trail:
    return Trail(received_at_s=0.0, **({"tier": "pro"} | changes))


@pytest.mark.parametrize(
    "other",
    [
        plain(tenant="other"),
        plain(trail=trail(tier="free")),
        plain(trail=trail(prompt_id="triage")),
        plain(trail=trail(prompt_version="v2")),
        plain(trail=trail(schema_version="v2")),
        plain(plan=Use("fast")),
        plain(plan=First((Use("strong"), Use("fast")))),
        plain(model="chat"),
        plain(task="extract"),
        plain(stream=True),
        plain(stream=True, include_usage=True),
        plain(max_output_tokens=7),
        plain(temperature=0.5),
        plain(BODY | {"messages": [{"role": "user", "content": "Hello "}]}),
        plain(BODY | {"seed": 1}),
        plain(BODY | {"unknown": {"a": [1, None]}}),
    ],
)
def test_another_question_has_another_key(other: Call) -> None:
    assert key(other) != key(plain())


@pytest.mark.parametrize(
    "field", ["metadata", "store", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"]
)
def test_what_an_answer_of_the_responses_api_says_again_is_of_the_question(field: str) -> None:
    body = {"model": "fast", "input": "Hello"}
    assert key(plain(body | {field: "a"}, dialect="responses")) != key(plain(body, dialect="responses"))
    assert key(plain(BODY | {field: "a"})) == key(plain(BODY))


def test_another_model_behind_the_same_alias_is_another_question() -> None:
    moved = TARGETS | {"fast": Target("fast", "provider", "fast-2")}
    assert key(plain(), moved) != key(plain())


@pytest.mark.parametrize(
    "same",
    [
        plain(user="bob", call_id="call-2", trace_id="1" * 32),
        plain(BODY | {"user": "bob", "safety_identifier": "x", "metadata": {"run": "7"}, "stream": False}),
        plain(dict(reversed(BODY.items()))),
        plain(trail=trail(user_hash="0123456789abcdef", first_content_at_s=9.0)),
    ],
)
def test_the_same_question_has_the_same_key(same: Call) -> None:
    assert key(same) == key(plain())


def test_spacing_order_and_escapes_within_a_field_do_not_matter() -> None:
    spelled = {"messages": msgspec.Raw(b'[ {"content" : "H\\u00e9",\n "role":"user"} ]')}
    assert key(plain(fields=spelled)) == key(
        plain(fields=make_fields({"messages": [{"role": "user", "content": "H\u00e9"}]}))
    )


@pytest.mark.parametrize(
    "raw",
    [
        b'[{"role":"user","content":"a","content":"b"}]',
        b"[1e400]",
        b"[" * 100_000 + b"]" * 100_000,
        b"[" + b"1" * 5000 + b"]",
        b'"' + b"x" * MAX_INPUT_BYTES + b'"',
    ],
    ids=["a name twice", "no finite number", "too deep", "too long a number", "too long"],
)
def test_a_body_that_could_be_taken_for_another_has_no_key(raw: bytes) -> None:
    assert cache_key(plain(fields={"messages": msgspec.Raw(raw)}), TARGETS) is None


def test_without_a_plan_there_is_no_key() -> None:
    assert cache_key(make_call(), TARGETS) is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_keys_are_equal_exactly_when_the_values_are(one: object, other: object) -> None:

    spelled = [json.dumps(value, sort_keys=True) for value in (one, other)]
    keys = [key(plain(fields={"x": msgspec.Raw(text.encode())})) for text in spelled]
    assert (keys[0] == keys[1]) is (spelled[0] == spelled[1])
