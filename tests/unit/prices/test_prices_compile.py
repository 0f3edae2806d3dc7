"""What becomes of genai-prices' own figures. They are those of the version that is locked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from penstock.core.plan import Price, Sold
from penstock.prices.compile import quotes

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def price(kind: str, model_id: str, base_url: str = "") -> Price | None:
    (quote,) = quotes([Sold(kind, base_url, model_id)], NOW).quotes
    return quote.price


def test_a_plain_price_is_per_1000_tokens_and_names_its_source() -> None:
    found = price("openai", "gpt-4o-2024-08-06")
    assert found is not None
    assert (found.input, found.output, found.cached) == (2_500_000, 10_000_000, 1_250_000)
    assert found.source.startswith("genai-prices 0.")


def test_cache_writes_and_long_calls_have_their_own() -> None:
    found = price("anthropic", "claude-sonnet-4-5")
    assert found is not None
    assert found.of_input == (3_000_000, 300_000, 3_750_000, 6_000_000)
    assert (found.at(200_000), found.at(200_001).input) == (found, 6_000_000)


def test_where_the_hour_decides_the_dearest_one_counts() -> None:
    found = price("deepseek", "deepseek-flash")
    assert found is not None
    assert (found.input, found.output) == (300_000, 1_200_000)


def test_a_price_that_will_change_is_known_until_then() -> None:
    asked = [Sold("gemini", "", "gemini-4-argon"), Sold("gemini", "", "gemini-3.6-flash")]
    before = quotes(asked, NOW)
    assert before.until == datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    after = quotes(asked[:1], datetime(2026, 12, 1, tzinfo=UTC))
    assert after.until is None
    assert [each.price and each.price.input for each in (before.quotes[0], after.quotes[0])] == [2_000_000, 4_000_000]


def test_an_embedding_costs_its_input() -> None:
    found = price("openai", "text-embedding-3-small")
    assert found is not None
    assert (found.input, found.output) == (20_000, 0)


def test_any_service_is_known_by_its_address() -> None:
    assert price("openai_compatible", "llama-3.3-70b-versatile", "https://api.groq.com/openai/v1") is not None
    assert price("openai_compatible", "llama-3.3-70b-versatile", "http://127.0.0.1:9000/v1") is None


@pytest.mark.parametrize(
    ("kind", "model_id"), [("openai", "no-such-model"), ("nvidia", "gpt-4o"), ("azure", "our-deployment"), ("groq", "")]
)
def test_what_is_not_in_the_list_has_no_price(kind: str, model_id: str) -> None:
    assert price(kind, model_id) is None
