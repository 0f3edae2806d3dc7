"""What models cost: as the file says, as a list knows it, or not known at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from penstock.config import Problem, Settings, load_settings
from penstock.core.plan import Price, Sold
from penstock.core.ports import PriceList, PricesUnknown
from penstock.providers import KINDS
from support.configs import problems_of

PROVIDERS = "providers:\n  acme: {kind: openai_compatible, base_url: 'https://llm.acme.example/v1', api_key: $KEY}\n"
SPLIT = ", cost_per_1k_input_tokens_usd: 0.003, cost_per_1k_output_tokens_usd: 0.015"
LISTED = Price(5, 7, cached=1, source="list")


def model(prices: str = "") -> str:
    return f"{PROVIDERS}models:\n  fast: {{provider: acme, model_id: acme-1{prices}}}\n"


def load(folder: Path, text: str, price_list: PriceList) -> Settings:
    path = folder / "penstock.yaml"
    path.write_text(text)
    return load_settings(path, {"KEY": "k" * 20}, kinds=KINDS, price_list=price_list)


def warnings(settings: Settings) -> list[Problem]:
    return [each for each in settings.warnings if each.path.startswith("models")]


class ShortList:
    """Knows one model; ``asked`` is what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Sold]] = []

    def __call__(self, models: Mapping[str, Sold], database: Path) -> Mapping[str, Price]:
        assert database.name == "penstock.db"
        self.asked.append(models)
        return {name: LISTED for name, sold in models.items() if sold.model_id == "acme-1"}


def test_a_model_without_a_price_gets_that_of_the_list(tmp_path: Path) -> None:
    price_list = ShortList()
    settings = load(tmp_path, model(), price_list)
    assert price_list.asked == [{"fast": Sold("openai_compatible", "https://llm.acme.example/v1", "acme-1")}]
    assert settings.policy().targets["fast"].price == LISTED
    assert settings.prices == {"fast": LISTED}
    assert warnings(settings) == []


@pytest.mark.parametrize(
    ("given", "price"),
    [
        (", cost_per_1k_tokens_usd: 0", Price(0, 0)),
        (", cost_per_1k_tokens_usd: 0.001, cost_per_1k_cached_tokens_usd: 0", Price(10**6, 10**6, cached=0)),
        (
            f"{SPLIT}, cost_per_1k_cached_tokens_usd: 0.0003, cost_per_1k_cache_write_tokens_usd: 0.006",
            Price(3_000_000, 15_000_000, cached=300_000, cache_write=6_000_000),
        ),
    ],
)
def test_the_file_wins_and_nobody_is_asked(tmp_path: Path, given: str, price: Price) -> None:
    price_list = ShortList()
    assert load(tmp_path, model(given), price_list).policy().targets["fast"].price == price
    assert price_list.asked == []


def test_prices_that_were_looked_up_before_make_the_same_settings(tmp_path: Path) -> None:
    first = load(tmp_path, model(), ShortList())
    again = load(tmp_path, model(), lambda *_: first.prices)
    assert again.policy() == first.policy()


def test_what_nobody_knows_is_no_price_and_the_check_says_what_comes_of_it(tmp_path: Path) -> None:
    tiers = (
        "tenant_tiers:\n  paying: {allowed_models: [fast], daily_budget_usd: 1}\n  other: {allowed_models: [fast]}\n"
    )
    text = model().replace("acme-1", "acme-2")
    for more, said in (("", "cost reports leave it out"), (tiers, "calls of tier paying are refused it")):
        settings = load(tmp_path, text + more, ShortList())
        assert settings.policy().targets["fast"].price is None
        (warning,) = warnings(settings)
        assert (warning.path, warning.message) == ("models.fast", f"nobody knows its price: {said}")
        assert "cost_per_1k_tokens_usd" in warning.suggestion


def test_a_list_that_cannot_be_read_is_told_and_no_reason_not_to_serve(tmp_path: Path) -> None:
    def broken(_models: Mapping[str, Sold], _database: Path) -> Mapping[str, Price]:
        raise PricesUnknown("the list is gone", "put it back")

    settings = load(tmp_path, model(), broken)
    assert "the list is gone" in [each.message for each in warnings(settings)]
    assert settings.policy().targets["fast"].price is None


@pytest.mark.parametrize("field", ["cost_per_1k_cached_tokens_usd", "cost_per_1k_cache_write_tokens_usd"])
def test_a_price_of_the_cache_alone_is_no_price(tmp_path: Path, field: str) -> None:
    (problem,) = problems_of(tmp_path, model(f", {field}: 0.1"), {"KEY": "k" * 20})
    assert (problem.path, problem.severity) == (f"models.fast.{field}", "error")
