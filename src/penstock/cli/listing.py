"""``penstock models``: what can be asked for, and what it costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.locating import refuse, usable_settings
from penstock.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.core.plan import Price, Target
    from penstock.core.policy import Policy

_COLUMNS = ("alias", "provider", "model", "USD/1M in", "USD/1M out", "tiers", "routes")
_PRICE_COLUMNS = (
    *("alias", "provider", "model", "above tokens"),
    *("input USD/1M", "cached read", "cache write", "write 1h", "output", "price from"),
)
_KINDS = ("input", "cached", "cache_write", "cache_write_1h", "output")
_UNKNOWN = "unknown"


def models(
    config: ConfigOption = DEFAULT_CONFIG,
    tier: Annotated[str, typer.Option(help="Only what this tier may use.")] = "",
    *,
    prices: Annotated[bool, typer.Option("--prices", help="What each kind of token costs, and who says so.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the model aliases: where each is served, what it costs, which tiers may use it, which routes ask it.

    A price is the config's (`cost_per_1k_tokens_usd`), that of the installed `genai-prices`, `free` for models on your
    own machines, or `unknown`: tiers with a budget are refused such a model. All are USD for a million tokens.
    """
    from penstock.cli.showing import show_table  # noqa: PLC0415 - a command imports what it needs

    policy = usable_settings(config).policy()
    if tier and tier not in policy.tiers:
        raise refuse(f"There is no tier '{tier}': {', '.join(policy.tiers)}.")
    targets = [target for alias, target in policy.targets.items() if not tier or alias in _usable(tier, policy)]
    if as_json:
        typer.echo(json.dumps([_described(target, policy) for target in targets], indent=2, ensure_ascii=False))
    else:
        rows = (
            [row for each in targets for row in _price_rows(each)]
            if prices
            else [_row(each, policy) for each in targets]
        )
        show_table(_PRICE_COLUMNS if prices else _COLUMNS, rows, ["yellow" if _UNKNOWN in row else "" for row in rows])


def _usable(tier: str, policy: Policy) -> frozenset[str]:
    return policy.tiers[tier].usable(policy.targets)


def _tiers(target: Target, policy: Policy) -> list[str]:
    return [name for name in policy.tiers if target.alias in _usable(name, policy)]


def _routes(target: Target, policy: Policy) -> list[str]:
    from penstock.core.plan import plan_targets  # noqa: PLC0415 - a command imports what it needs

    return [name for name, route in policy.routes.items() if target.alias in plan_targets(route.plan)]


def _row(target: Target, policy: Policy) -> tuple[str, ...]:
    price = target.price
    costs = (_UNKNOWN, _UNKNOWN) if price is None else (_text(price.input), _text(price.output))
    tiers, routes = ", ".join(_tiers(target, policy)), ", ".join(_routes(target, policy))
    return (target.alias, target.provider, target.model_id, *costs, tiers or "-", routes or "-")


def _price_rows(target: Target) -> Iterator[tuple[str, ...]]:
    """One, and another for every length of input from which on a call costs more."""
    named = (target.alias, target.provider, target.model_id)
    if target.price is None:
        yield (*named, "-", *(_UNKNOWN for _ in (*_KINDS, "price from")))
    for above, price in _steps(target.price):
        costs = map(_text, _charged(price).values())
        yield (*named, str(above or "-"), *costs, price.source)


def _described(target: Target, policy: Policy) -> dict[str, Any]:
    steps = [
        {"above_input_tokens": above, **{kind: nano / 1e6 for kind, nano in _charged(price).items()}}
        for above, price in _steps(target.price)
    ]
    return {
        "alias": target.alias,
        "provider": target.provider,
        "model_id": target.model_id,
        "usd_per_1m_tokens": steps or None,
        "price_from": _UNKNOWN if target.price is None else target.price.source,
        "tiers": _tiers(target, policy),
        "routes": _routes(target, policy),
    }


def _steps(price: Price | None) -> Iterator[tuple[int, Price]]:
    """From how many input tokens on, and what a call costs there."""
    above = 0
    while price is not None:
        yield above, price
        above, price = price.over_tokens or 0, price.over


def _charged(price: Price) -> dict[str, int]:
    """By kind of token, in nano-USD for 1,000."""
    return dict(zip(_KINDS, (*price.of_input, price.output), strict=True))


def _text(nano_per_1k: int) -> str:
    """USD for a million."""
    return f"{nano_per_1k / 1e6:.6f}".rstrip("0").rstrip(".")
