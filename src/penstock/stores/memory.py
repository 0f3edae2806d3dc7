"""Counters and slots in this process's memory: a sliding-window counter per key, bounded in number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from msgspec import Struct

from penstock.core.call import RateState
from penstock.core.ports import Admission, Clock, Hit, Verdict

# Sums of weighted counts carry binary rounding; a window must not refuse its last hit because of it.
_ROUNDING = 1e-9


class Window(Struct, frozen=True):
    """Hits of the bucket that began at ``start_s``, and of the one before it."""

    start_s: float
    current: int = 0
    previous: int = 0


def slide(window: Window | None, limit: int, window_s: float, now_s: float) -> tuple[Window, Verdict]:
    """Count one hit at ``now_s``, or refuse it and leave the counts as they are.

    The sliding-window counter of https://blog.cloudflare.com/counting-things-a-lot-of-different-things/: the previous
    bucket counts by the share of it that the window still covers. Buckets begin with a key's first hit, so the first
    full window is exact; later ones take the previous bucket's hits as evenly spread.
    """
    window = _at(window, window_s, now_s)
    into = max(0.0, now_s - window.start_s) / window_s
    room = limit - window.previous * (1.0 - into) - window.current + _ROUNDING
    if admitted := room >= 1.0:
        window = Window(window.start_s, window.current + 1, window.previous)
        room -= 1.0
    # A hit is forgotten when the bucket after its own ends.
    forgotten = (2.0 if window.current else 1.0) - into
    state = RateState(limit, max(0, int(room)), forgotten * window_s)
    if admitted:
        return window, Verdict(admitted, state)
    wait = _share_until_room(window, limit) - into
    return window, Verdict(admitted, state, max(wait * window_s, _ROUNDING))


def _at(window: Window | None, window_s: float, now_s: float) -> Window:
    """The window as it stands at ``now_s``: buckets that are over have moved on."""
    if window is None:
        return Window(now_s)
    age_s = now_s - window.start_s
    if age_s < window_s:
        return window
    if age_s < 2 * window_s:
        return Window(window.start_s + window_s, 0, window.current)
    return Window(now_s)


def _share_until_room(window: Window, limit: int) -> float:
    """Windows from the bucket's start until one more hit fits, if nobody else hits. A limit below 1 never has room."""
    free = limit - window.current - 1
    if free >= 0:
        return 1.0 - free / window.previous if window.previous > free else 0.0
    return 2.0 - max(0, limit - 1) / window.current if window.current else 1.0


class MemoryCounters:
    """``Counters`` of one process. Beyond ``max_keys`` the key that was hit longest ago is forgotten."""

    def __init__(self, clock: Clock, max_keys: int = 100_000) -> None:
        self._clock = clock
        self._max_keys = max_keys
        # In the order of the last hit. With each window the time from which on it says nothing.
        self._windows: OrderedDict[str, tuple[Window, float]] = OrderedDict()

    async def hit(self, key: str, limit: int, window_s: float) -> Verdict:
        """Count one hit if the window still has room."""
        return self._count_one(key, limit, window_s)

    async def hit_all(self, hits: Sequence[Hit]) -> list[Verdict]:
        """Count one hit in every window, or in none if one of them has no room."""
        return self.count(hits)

    def count(self, hits: Sequence[Hit]) -> list[Verdict]:
        """``hit_all`` for whoever has this process' counters at hand."""
        if len(hits) == 1:  # as most calls have it
            return [self._count_one(hits[0].key, hits[0].limit, hits[0].window_s)]
        now_s = self._clock()
        windows: list[Window] = []
        verdicts: list[Verdict] = []
        admitted = True
        for hit in hits:
            known = self._windows.get(hit.key)
            window, verdict = slide(known and known[0], hit.limit, hit.window_s, now_s)
            windows.append(window)
            verdicts.append(verdict)
            admitted = admitted and verdict.admitted
        if admitted:
            for hit, window in zip(hits, windows, strict=True):
                self._keep(hit.key, window, hit.window_s, now_s)
        return verdicts

    def used(self, hit: Hit) -> float:
        """What of a window is used now; nothing is counted."""
        now_s = self._clock()
        known = self._windows.get(hit.key)
        if known is None:
            return 0.0
        window = _at(known[0], hit.window_s, now_s)
        into = max(0.0, now_s - window.start_s) / hit.window_s
        return window.current + window.previous * (1.0 - into)

    def _count_one(self, key: str, limit: int, window_s: float) -> Verdict:
        now_s = self._clock()
        known = self._windows.get(key)
        window, verdict = slide(known and known[0], limit, window_s, now_s)
        if verdict.admitted:
            self._keep(key, window, window_s, now_s)
        return verdict

    def _keep(self, key: str, window: Window, window_s: float, now_s: float) -> None:
        if key in self._windows:
            self._windows.move_to_end(key)
        else:
            self._make_room(now_s)
        self._windows[key] = (window, window.start_s + 2 * window_s)

    def _make_room(self, now_s: float) -> None:
        """Drop up to two windows that are over, so that their number shrinks without a sweep; and one if full."""
        for _ in range(2):
            if self._windows and next(iter(self._windows.values()))[1] <= now_s:
                self._windows.popitem(last=False)
        if len(self._windows) >= self._max_keys:
            self._windows.popitem(last=False)

    def __len__(self) -> int:
        return len(self._windows)


class MemoryAdmissions:
    """``Admissions`` of one process; ``in_flight`` names only tenants that have calls."""

    def __init__(self, counters: MemoryCounters) -> None:
        self._counters = counters
        self.in_flight: dict[str, int] = {}

    async def admit(self, tenant: str, most: int | None, hits: Sequence[Hit]) -> Admission:
        """Take a slot and count every hit, or do neither."""
        return self.enter(tenant, most, hits)

    def enter(self, tenant: str, most: int | None, hits: Sequence[Hit]) -> Admission:
        """``admit`` for whoever has this process' slots at hand."""
        held = self.in_flight.get(tenant, 0)
        if most is not None and held >= most:
            return Admission(False, held)
        verdicts = self._counters.count(hits)
        for verdict in verdicts:
            if not verdict.admitted:
                return Admission(False, held, verdicts)
        self.in_flight[tenant] = held + 1
        return Admission(True, held + 1, verdicts)

    def leave(self, tenant: str) -> None:
        """Give a slot back."""
        held = self.in_flight[tenant] - 1
        if held:
            self.in_flight[tenant] = held
        else:
            del self.in_flight[tenant]
