"""Answers that were given before."""

from penstock.caching.memory import CacheBounds, ExactCache
from penstock.caching.reuse import Reuse

__all__ = ["CacheBounds", "ExactCache", "Reuse"]
