"""``Wiring``: what every router of this part is given."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from penstock.core.policy import TimeLimits
from penstock.core.ports import Clock, Counters, Gateway

# Section "Settled" of the requirements: the whole call 10 s, one attempt 4 s.
NATIVE_LIMITS = TimeLimits(total_s=10.0, attempt_s=4.0, first_content_s=4.0, idle_gap_s=4.0)


class Wiring(Struct, frozen=True, kw_only=True):
    """The gateway and what surrounds it. ``clock`` is monotonic; ``new_id`` makes request ids."""

    gateway: Gateway
    counters: Counters
    clock: Clock
    new_id: Callable[[], str]
    limits: TimeLimits
