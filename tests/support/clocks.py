"""A clock that a test moves by hand."""

from __future__ import annotations


class HandClock:
    """Calling it gives ``now_s``; monotonic or wall time, as the test likes."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        """Move on."""
        self.now_s += seconds
