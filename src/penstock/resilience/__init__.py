"""Handlers around handlers: attempts at one target, and the plan over several."""

from penstock.resilience.attempts import Attempts
from penstock.resilience.breaker import Breaker
from penstock.resilience.bulkhead import Bulkhead
from penstock.resilience.dispatch import Choices, Dispatch
from penstock.resilience.isolate import Isolate
from penstock.resilience.mirror import Shadows
from penstock.resilience.retry_budget import RetryBudget
from penstock.resilience.schedule import retry_delay_s
from penstock.resilience.signals import Signal, Tally, figures_of
from penstock.resilience.standing import Standing

__all__ = [
    "Attempts",
    "Breaker",
    "Bulkhead",
    "Choices",
    "Dispatch",
    "Isolate",
    "RetryBudget",
    "Shadows",
    "Signal",
    "Standing",
    "Tally",
    "figures_of",
    "retry_delay_s",
]
