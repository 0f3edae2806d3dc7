"""One arm of several by weight: by chance, or the same one for the same key."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from math import inf, log, nextafter


def pick(weights: Sequence[float], chance: float) -> int:
    """The index of an arm, each as likely as it is heavy; ``chance`` is in [0, 1). The first where none weighs anything."""
    ends = list(accumulate(weights))
    # The product may round up to the whole, which is beyond the last arm.
    return bisect_right(ends, min(chance * ends[-1], nextafter(ends[-1], 0.0))) if ends[-1] > 0 else 0


def pick_for(key: str, arms: Sequence[str], weights: Sequence[float], secret: bytes) -> int:
    """The index of the arm that ``key`` has: each arm by its weight's share of keys. The first where none weighs anything.

    Arms are told apart by name, not by place. Where one changes its weight, comes or goes, keys move to it or from it,
    and none between others. ``secret`` (at most 64 bytes) keeps callers from choosing their arm by their name.

    Weighted rendezvous hashing, https://en.wikipedia.org/wiki/Rendezvous_hashing: each arm's clock rings after a time
    that the hash draws, the heavier the sooner, and the first one wins.
    """
    soonest, chosen = inf, 0
    for index, (arm, weight) in enumerate(zip(arms, weights, strict=True)):
        if weight > 0:
            rings_at = -log(_drawn(arm, key, secret)) / weight
            if rings_at < soonest:
                soonest, chosen = rings_at, index
    return chosen


def _drawn(arm: str, key: str, secret: bytes) -> float:
    """A number in (0, 1], spread evenly over keys."""
    digest = blake2b(f"{arm}\0{key}".encode(errors="surrogatepass"), key=secret, digest_size=8).digest()
    return (int.from_bytes(digest) + 1) / 2**64
