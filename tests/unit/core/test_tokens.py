"""What the estimates of tokens promise."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core.tokens import estimate_json_tokens, estimate_tokens


@settings(deadline=None)
@given(st.text(min_size=1))
def test_any_text_is_at_least_one_token_and_at_most_two_per_character(text: str) -> None:
    assert 1 <= estimate_tokens(text) <= 2 * len(text)


def test_no_text_is_no_token() -> None:
    assert estimate_tokens("") == 0


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("Hello", 2), ("a" * 400, 100), ("Привет, мир", 7), ("こんにちは世界", 7), ("😀😀", 3), ("\ud800", 1)],
)
def test_denser_scripts_count_more(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\')))
def test_a_string_in_json_counts_as_its_text(text: str) -> None:
    assert estimate_json_tokens(msgspec.json.encode(text)) == estimate_tokens(text)


@settings(deadline=None)
@example("\\")
@example("\\\n\\\\")
@given(st.text())
def test_however_a_text_is_escaped_it_counts_for_about_as_much(text: str) -> None:
    escaped = estimate_json_tokens(json.dumps(text).encode())
    assert 0 <= escaped <= 3 * len(text) + 1
    assert escaped >= estimate_tokens(text) / 3
