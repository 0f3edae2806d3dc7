"""``SlidingCount``: how often something has happened lately, at the price of a comparison and an addition."""

from __future__ import annotations

from collections import deque


class SlidingCount:
    """Counts what happens within the newest ``buckets`` of ``bucket_s`` seconds each.

    The newest bucket is still being filled, so the count covers at least ``buckets - 1`` and less than ``buckets`` of
    them. Time is told, and does not run backwards: an event told late is counted in the newest bucket.
    """

    __slots__ = ("_bucket", "_bucket_s", "_ends_at_s", "_full", "_in_full", "_newest")

    def __init__(self, *, buckets: int, bucket_s: float) -> None:
        self._bucket_s = bucket_s
        self._bucket = 0
        self._ends_at_s = bucket_s
        self._newest = 0
        self._full = deque([0] * (buckets - 1), maxlen=buckets - 1)
        self._in_full = 0

    def add(self, now_s: float) -> None:
        """Count one."""
        if now_s >= self._ends_at_s:
            self._move_on(now_s)
        self._newest += 1

    def total(self, now_s: float) -> int:
        """How many there are."""
        if now_s >= self._ends_at_s:
            self._move_on(now_s)
        return self._in_full + self._newest

    def _move_on(self, now_s: float) -> None:
        bucket = int(now_s // self._bucket_s)
        for _ in range(min(bucket - self._bucket, len(self._full) + 1)):
            self._full.append(self._newest)
            self._newest = 0
        self._in_full = sum(self._full)
        self._bucket = bucket
        self._ends_at_s = (bucket + 1) * self._bucket_s
