"""What tokens cost, in nano-USD: of an answer, and at most of a call that is still to be made."""

from __future__ import annotations

from penstock.core.call import Usage
from penstock.core.plan import Price


def cost(price: Price | None, usage: Usage) -> int:
    """What an answer costs, rounded up once; nothing where nobody knows the price."""
    if price is None:
        return 0
    price = price.at(usage.input_tokens)
    cached, written, kept = usage.cached_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens
    plain_price, read_price, write_price, keep_price = price.of_input
    # A provider whose parts are more than its whole is taken at the parts.
    plain = max(0, usage.input_tokens - cached - written)
    thousandfold = plain * plain_price + usage.output_tokens * price.output + cached * read_price
    thousandfold += max(0, written - kept) * write_price + kept * keep_price
    return -(-thousandfold // 1000)


def most(price: Price | None, input_tokens: int, output_tokens: int) -> tuple[int, int]:
    """The most that so much input and output may cost: input is taken at its dearest kind."""
    if price is None:
        return 0, 0
    price = price.at(input_tokens)
    return -(-input_tokens * max(price.of_input) // 1000), -(-output_tokens * price.output // 1000)
