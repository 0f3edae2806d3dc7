"""Handlers around handlers: attempts at one target, and the plan over several."""

from penstock.resilience.attempts import Attempts
from penstock.resilience.dispatch import Dispatch
from penstock.resilience.schedule import retry_delay_s
from penstock.resilience.signals import Signal

__all__ = ["Attempts", "Dispatch", "Signal", "retry_delay_s"]
