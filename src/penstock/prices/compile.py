"""Asks genai-prices: ``Sold`` as JSON in, ``Quotes`` as JSON out. Run by ``look_up.py`` as a process of its own.

Taken are the prices of a plain call (no batch, no priority). Where they depend on the hour, the dearest of the day
counts; where they change on a day to come, ``until`` names it.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal

import msgspec
from genai_prices import Usage, __version__, calc_price
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

from penstock.core.plan import Price, Sold
from penstock.prices.look_up import Quote, Quotes

# Kinds that it calls by another name.
_PROVIDERS = {"gemini": "google", "xai": "x-ai", "bedrock": "aws", "vertex": "google"}
_KEYS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}
# USD per 1,000,000 tokens in nano-USD per 1,000.
_NANO_PER_1K = 1_000_000
_HALF_HOURS = 48


def quotes(asked: list[Sold], now: datetime) -> Quotes:
    """What the list says of each."""
    models = [_find(sold) for sold in asked]
    starts = [
        each.constraint.start_date
        for model in models
        if model is not None and isinstance(model.prices, list)
        for each in model.prices
        if isinstance(each.constraint, StartDateConstraint) and each.constraint.start_date > now.date()
    ]
    until = datetime.combine(min(starts), time(), UTC).timestamp() if starts else None
    prices = (None if model is None else _price(_in_force(model, now)) for model in models)
    return Quotes([Quote(sold, price) for sold, price in zip(asked, prices, strict=True)], until)


def _find(sold: Sold) -> ModelInfo | None:
    try:
        if sold.base_url:
            return calc_price(Usage(), sold.model_id, provider_api_url=sold.base_url).model
        return calc_price(Usage(), sold.model_id, provider_id=_PROVIDERS.get(sold.kind, sold.kind)).model
    except LookupError:
        return None


def _in_force(model: ModelInfo, now: datetime) -> ModelPrice:
    """The dearest of today."""
    midnight = datetime.combine(now.date(), time(), UTC)
    day = [model.get_prices(midnight + timedelta(minutes=30 * index)) for index in range(_HALF_HOURS)]
    return max(day, key=lambda each: _base(each.input_mtok) + _base(each.output_mtok))


def _base(price: Decimal | TieredPrices | None) -> Decimal:
    return (price.base if isinstance(price, TieredPrices) else price) or Decimal(0)


def _price(listed: ModelPrice) -> Price | None:
    """``None`` for a model that is not sold by its tokens. Without an output price there is none (embeddings)."""
    values = {field: getattr(listed, key) for field, key in _KEYS.items()}
    if values["input"] is None:
        return None
    starts = sorted({tier.start for each in values.values() if isinstance(each, TieredPrices) for tier in each.tiers})
    price, over_tokens = None, None
    for start in (*reversed(starts), -1):
        nano = {field: _nano(each, start) for field, each in values.items()}
        price = Price(
            nano["input"] or 0,
            nano["output"] or 0,
            nano["cached"],
            nano["cache_write"],
            nano["cache_write_1h"],
            over_tokens,
            price,
            f"genai-prices {__version__}",
        )
        over_tokens = start
    return price


def _nano(price: Decimal | TieredPrices | None, over_tokens: int) -> int | None:
    """Of a call with more input than that."""
    if price is None:
        return None
    if isinstance(price, TieredPrices):
        reached = [tier.price for tier in price.tiers if tier.start <= over_tokens]
        price = reached[-1] if reached else price.base
    return int((price * _NANO_PER_1K).to_integral_value(ROUND_CEILING))


def main() -> None:
    """Answer on standard output."""
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Sold])
    sys.stdout.buffer.write(msgspec.json.encode(quotes(asked, datetime.now(UTC))))


if __name__ == "__main__":
    main()
