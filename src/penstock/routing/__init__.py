"""Which targets may answer a call, in which order, and why."""

from penstock.routing.decide import Choice, decide
from penstock.routing.route import Route

__all__ = ["Choice", "Route", "decide"]
