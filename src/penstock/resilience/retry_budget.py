"""``RetryBudget``: retries stay a small share of the calls, so that an outage is not multiplied by them."""

from __future__ import annotations

from penstock.resilience.sliding import SlidingCount

_BUCKETS = 10


class RetryBudget:
    """Grants extra attempts at one target: within ``window_s`` up to ``share`` of its calls, and ``floor`` in any case.

    Whenever one is granted, those of the last ``window_s``, itself among them, are at most
    ``max(floor, share * calls)`` of the same time. The idea is that of Finagle's retry budget
    (https://finagle.github.io/blog/2016/02/08/retry-budgets); here time is counted in tenths of the window, and in
    doubt the budget is the smaller one.
    """

    __slots__ = ("_calls", "_extra", "_floor", "_share")

    def __init__(self, *, share: float = 0.2, floor: int = 3, window_s: float = 10.0) -> None:
        self._share = share
        self._floor = floor
        # The bucket that the window's edge cuts through: its calls are left out, its extra attempts are not.
        self._calls = SlidingCount(buckets=_BUCKETS, bucket_s=window_s / _BUCKETS)
        self._extra = SlidingCount(buckets=_BUCKETS + 1, bucket_s=window_s / _BUCKETS)

    def count(self, now_s: float) -> None:
        """A call makes its first attempt."""
        self._calls.add(now_s)

    def take(self, now_s: float) -> bool:
        """Whether a call may make one more attempt; it is counted if so."""
        extra = self._extra.total(now_s) + 1
        if extra > self._floor and extra > self._share * self._calls.total(now_s):
            return False
        self._extra.add(now_s)
        return True
