"""What models cost where the operator does not say: free ones, and a list that others keep."""

from penstock.prices.look_up import FREE_KINDS, look_up

__all__ = ["FREE_KINDS", "look_up"]
