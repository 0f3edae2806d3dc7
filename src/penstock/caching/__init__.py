"""Answers that were given before."""

from penstock.caching.memory import ExactCache
from penstock.caching.reuse import Reuse

__all__ = ["ExactCache", "Reuse"]
