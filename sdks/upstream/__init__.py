"""Providers that are played on a real socket, each in the public shapes of its own API. The standard library alone."""

from upstream.server import LIMITED_KEY, WRONG_KEY, Upstream, playing

__all__ = ["LIMITED_KEY", "WRONG_KEY", "Upstream", "playing"]
