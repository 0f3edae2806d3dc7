"""The availability signal: what every call at a target leaves behind, worked out when somebody asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from math import inf

from msgspec import Struct

from penstock.core.health import Figures, Gate, Health, Quantiles

WINDOW_S = 60
# Times that are kept of a target.
KEPT = 128
# So many count however old they are: a target that is seldom asked is still known.
FEW = 8
# From so many calls in the window on, figures are worked out once a second: that takes 12 us, remembering them 0.15.
MANY = 16


class Tally(Struct, frozen=True, array_like=True):
    """What one process remembers of a target's calls: counts of the last minute, and times, newest first.

    Of each kind of time those of that minute are there, 128 at most, or the newest 8 where fewer have come. Seconds.
    """

    begun: int
    answered: int
    ended: int
    failed: int
    first_content_s: list[float]
    whole_s: list[float]


def figures_of(tallies: Sequence[Tally]) -> Figures:
    """What calls say that several processes have made, or one alone.

    Where fewer than 8 times of the last minute are known in all, each process' newest 8 stand for them.
    """
    ended, failed = sum(each.ended for each in tallies), sum(each.failed for each in tallies)
    return Figures(
        calls=sum(each.begun for each in tallies),
        error_rate=failed / (ended + failed) if ended + failed else None,
        first_content=_quantiles([(each.first_content_s, each.answered) for each in tallies]),
        whole=_quantiles([(each.whole_s, each.ended) for each in tallies]),
    )


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
            figures = self._figures = figures_of([self._tally(now.second - WINDOW_S)])
        return Health(self._gate(now_s), figures)

    def tally(self, now_s: float) -> Tally:
        """What is remembered now."""
        return self._tally(int(now_s) - WINDOW_S)

    def _at(self, now_s: float) -> Bucket:
        """What is counted in this second, which may have just begun."""
        if now_s >= self._ends_at_s:
            self._bucket = Bucket(int(now_s))
            self._buckets.append(self._bucket)
            self._ends_at_s = self._bucket.second + 1
            self._figures = None
        return self._bucket

    def _tally(self, oldest: int) -> Tally:
        """Of the buckets after second ``oldest``."""
        begun = answered = ended = failed = 0
        for bucket in self._buckets:
            if bucket.second > oldest:
                begun += bucket.begun
                answered += bucket.answered
                ended += bucket.ended
                failed += bucket.failed
        return Tally(
            begun,
            answered,
            ended,
            failed,
            _newest(self._first_content_s, max(answered, FEW)),
            _newest(self._whole_s, max(ended, FEW)),
        )


class Bucket:
    """What happened in one second."""

    __slots__ = ("answered", "begun", "ended", "failed", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.begun = self.answered = self.ended = self.failed = 0


def _newest(times_s: deque[float], most: int) -> list[float]:
    return list(islice(reversed(times_s), most))


def _quantiles(parts: Sequence[tuple[list[float], int]]) -> Quantiles | None:
    """By nearest rank, of each part's times, newest first; the second of a pair says how many of them are recent."""
    times_s: list[float] = []
    for newest_s, recent in parts:
        times_s += newest_s[:recent]
    if len(times_s) < FEW:
        times_s = [time_s for newest_s, _ in parts for time_s in newest_s[:FEW]]
    times_s.sort()
    count = len(times_s)
    return Quantiles(times_s[(count + 1) // 2 - 1], times_s[(19 * count + 19) // 20 - 1]) if times_s else None
