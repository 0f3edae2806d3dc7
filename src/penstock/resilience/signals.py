"""The availability signal: what every call at a target leaves behind, worked out when somebody asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from math import inf

from penstock.core.health import Figures, Gate, Health, Quantiles

WINDOW_S = 60
# Times that are kept of a target.
KEPT = 128
# So many count however old they are: a target that is seldom asked is still known.
FEW = 8
# From so many calls in the window on, figures are worked out once a second: that takes 12 us, remembering them 0.15.
MANY = 16


class Signal:
    """What one target's calls of the last minute say of it; ``gate`` tells what its breaker does at a moment.

    A call has ``begun``, then ``answered``, then ``ended`` well or ``failed``; it may fail without having answered, and
    one that its caller gave up says no more. Percentiles are of the newest 128 calls of that minute, and of the newest
    8 where fewer have come. All times are monotonic seconds, and durations seconds.
    """

    __slots__ = ("_bucket", "_buckets", "_ends_at_s", "_figures", "_first_content_s", "_gate", "_whole_s")

    def __init__(self, gate: Callable[[float], Gate]) -> None:
        self._gate = gate
        # One a second, of seconds in which something happened.
        self._buckets: deque[Bucket] = deque(maxlen=WINDOW_S)
        self._bucket = Bucket(0)
        self._ends_at_s = -inf
        self._first_content_s: deque[float] = deque(maxlen=KEPT)
        self._whole_s: deque[float] = deque(maxlen=KEPT)
        self._figures: Figures | None = None

    def begun(self, now_s: float) -> None:
        """An attempt starts."""
        self._at(now_s).begun += 1

    def answered(self, now_s: float, first_content_s: float) -> None:
        """The first content has come so long after the start, or a race was lost by then.

        A hedge that did not count the calls it has cut short would take its target for ever quicker.
        """
        self._at(now_s).answered += 1
        self._first_content_s.append(first_content_s)

    def ended(self, now_s: float, whole_s: float) -> None:
        """The answer is complete, so long after the start."""
        self._at(now_s).ended += 1
        self._whole_s.append(whole_s)

    def failed(self, now_s: float) -> None:
        """The attempt has failed, or its stream broke off."""
        self._at(now_s).failed += 1

    def health(self, now_s: float) -> Health:
        """What is known now. The figures of a busy target are up to a second old, the gate never."""
        now = self._at(now_s)
        figures = self._figures
        if figures is None or figures.calls < MANY:
            figures = self._figures = self._work_out(now.second - WINDOW_S)
        return Health(self._gate(now_s), figures)

    def _at(self, now_s: float) -> Bucket:
        """What is counted in this second, which may have just begun."""
        if now_s >= self._ends_at_s:
            self._bucket = Bucket(int(now_s))
            self._buckets.append(self._bucket)
            self._ends_at_s = self._bucket.second + 1
            self._figures = None
        return self._bucket

    def _work_out(self, oldest: int) -> Figures:
        """From the buckets after second ``oldest``."""
        begun = answered = ended = failed = 0
        for bucket in self._buckets:
            if bucket.second > oldest:
                begun += bucket.begun
                answered += bucket.answered
                ended += bucket.ended
                failed += bucket.failed
        return Figures(
            calls=begun,
            error_rate=failed / (ended + failed) if ended + failed else None,
            first_content=_quantiles(self._first_content_s, max(answered, FEW)),
            whole=_quantiles(self._whole_s, max(ended, FEW)),
        )


class Bucket:
    """What happened in one second."""

    __slots__ = ("answered", "begun", "ended", "failed", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.begun = self.answered = self.ended = self.failed = 0


def _quantiles(times_s: deque[float], most: int) -> Quantiles | None:
    """Of the newest ``most``, by nearest rank."""
    newest = sorted(islice(reversed(times_s), most))
    count = len(newest)
    return Quantiles(newest[(count + 1) // 2 - 1], newest[(19 * count + 19) // 20 - 1]) if newest else None
