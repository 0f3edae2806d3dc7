from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.prompts import Template

NAMES = st.sampled_from(["a", "b", "message"])
# Values that look like places, or like halves of them, are the interesting ones.
VALUES = st.lists(st.sampled_from(["{{ a }}", "{{", "}}", "{{b}}", "{", "message", "\\1", "é", ""])).map("".join)
LITERALS = st.text(st.characters(exclude_characters="{"), max_size=8)


@given(
    st.lists(st.tuples(LITERALS, NAMES), max_size=6),
    LITERALS,
    st.fixed_dictionaries(dict.fromkeys("ab", VALUES)),
    VALUES,
)
def test_values_stand_as_they_are_and_are_never_filled_again(
    parts: list[tuple[str, str]], tail: str, values: dict[str, str], message: str
) -> None:
    values = values | {"message": message}
    template = Template("".join(f"{text}{{{{ {name} }}}}" for text, name in parts) + tail)
    expected = "".join(text + values[name] for text, name in parts) + tail
    assert template.fill(values) == expected
    assert template.length(values) == len(expected)
    assert template.names == {name for _, name in parts}


@pytest.mark.parametrize("text", ["{{name}}", "{{ name }}", "{{\tname\n}}"])
def test_space_around_a_name_does_not_matter(text: str) -> None:
    assert Template(f"<{text}>").fill({"name": "x"}) == "<x>"


@pytest.mark.parametrize("text", ["{{", "{{ }}", "{{ a.b }}", "{{ a", "{{ 1a }}", "{{ a | upper }}"])
def test_what_only_looks_like_a_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="opens no variable"):
        Template(text)


def test_json_in_a_prompt_is_text() -> None:
    text = '{"a": {"b": [{"c": 1}]}}'
    assert Template(text).fill({}) == text
    assert Template("{{{ a }}}").fill({"a": "x"}) == "{x}"
