"""What tokens cost, in nano-USD: of an answer, and at most of a call that is still to be made."""

from __future__ import annotations

from penstock.core.call import Usage
from penstock.core.plan import Price


def cost(price: Price | None, usage: Usage) -> int:
    """What an answer costs, rounded up once; nothing where nobody knows the price."""
    if price is None:
        return 0
    if price.over is not None:
        price = price.at(usage.input_tokens)
    thousandfold = usage.output_tokens * price.output
    cached, written = usage.cached_tokens, usage.cache_write_tokens
    if cached or written:
        thousandfold += _of_input(price, usage.input_tokens - cached - written, usage)
    else:
        thousandfold += usage.input_tokens * price.input
    return -(-thousandfold // 1000)


def _of_input(price: Price, plain: int, usage: Usage) -> int:
    """A thousand times what input costs of which a provider's cache gave or took some."""
    plain_price, read_price, write_price, keep_price = price.of_input
    kept = usage.cache_write_1h_tokens
    # A provider whose parts are more than its whole is taken at the parts.
    written = max(0, usage.cache_write_tokens - kept) * write_price + kept * keep_price
    return max(0, plain) * plain_price + usage.cached_tokens * read_price + written


def most(price: Price | None, input_tokens: int, output_tokens: int) -> tuple[int, int]:
    """The most that so much input and output may cost: input is taken at its dearest kind."""
    if price is None:
        return 0, 0
    if price.over is not None:
        price = price.at(input_tokens)
    return -(-input_tokens * price.dearest_input // 1000), -(-output_tokens * price.output // 1000)
