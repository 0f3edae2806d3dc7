from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.call import Usage
from penstock.core.plan import Price
from penstock.tenancy.cost import cost, most

# Claude's manner: a read is a tenth of the input, a write 1.25 of it, one for an hour twice; dearer above 200,000.
LONG = Price(6000, 22_500, cached=600, cache_write=7500, cache_write_1h=12_000)
CLAUDE = Price(3000, 15_000, cached=300, cache_write=3750, cache_write_1h=6000, over_tokens=200_000, over=LONG)


def test_cost_is_whole_nano_usd_rounded_up_once() -> None:
    # 0.0002 USD per 1,000 tokens is 200,000 nano-USD.
    assert cost(Price(200_000, 200_000), Usage(128, 64)) == 38_400
    assert cost(Price(37_500, 0), Usage(1, 0)) == 38
    assert cost(Price(500, 500), Usage(1, 1)) == 1


@pytest.mark.parametrize(
    ("usage", "paid"),
    [
        (Usage(1000, 1000), 18_000),
        (Usage(1000, 0, cached_tokens=1000), 300),
        (Usage(1000, 0, cached_tokens=600, cache_write_tokens=300), 100 * 3 + 180 + 1125),
        (Usage(1000, 0, cache_write_tokens=1000, cache_write_1h_tokens=1000), 6000),
        (Usage(1000, 0, cache_write_tokens=1000, cache_write_1h_tokens=400), 600 * 3.75 + 2400),
        (Usage(0, 1000, reasoning_tokens=900), 15_000),
        (Usage(200_000, 0), 600_000),
        (Usage(200_001, 1000), 200_001 * 6 + 22_500),
    ],
)
def test_every_kind_of_token_has_its_price(usage: Usage, paid: float) -> None:
    assert cost(CLAUDE, usage) == paid


def test_a_kind_without_a_price_costs_what_plain_input_costs() -> None:
    usage = Usage(100, 0, cached_tokens=50, cache_write_tokens=20, cache_write_1h_tokens=10)
    assert cost(Price(3000, 0), usage) == 300
    assert cost(Price(3000, 0, cache_write=4000), usage) == 80 * 3 + 20 * 4


def test_nothing_is_charged_by_a_price_that_nobody_knows() -> None:
    assert cost(None, Usage(10**6, 10**6)) == 0
    assert most(None, 10**6, 10**6) == (0, 0)


COUNT = st.integers(0, 10**6)
PER_1K = st.integers(0, 10**8)
PRICE = st.builds(
    Price, PER_1K, PER_1K, cached=st.none() | PER_1K, cache_write=st.none() | PER_1K, cache_write_1h=st.none() | PER_1K
)


@given(PRICE, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_what_is_held_is_never_less_than_what_is_billed(
    price: Price, plain: int, read: int, written: int, kept: int, output: int
) -> None:
    usage = Usage(
        plain + read + written + kept,
        output,
        cached_tokens=read,
        cache_write_tokens=written + kept,
        cache_write_1h_tokens=kept,
    )
    assert sum(most(price, usage.input_tokens, output)) >= cost(price, usage)


@given(PRICE, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_figures_that_do_not_fit_each_other_never_make_money(
    price: Price, inputs: int, cached: int, written: int, kept: int, output: int
) -> None:
    assert (
        cost(price, Usage(inputs, output, cached_tokens=cached, cache_write_tokens=written, cache_write_1h_tokens=kept))
        >= 0
    )
