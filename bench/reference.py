"""A fixed loop of plain Python: how fast this interpreter's build is on this core.

``python -m bench.reference`` prints the best time of several, in milliseconds. Never change the loop: figures of
interpreters that were built differently are read by it.
"""

from __future__ import annotations

import time


def loop() -> int:
    counts: dict[int, int] = {}
    letters = 0
    for number in range(100_000):
        key = number * 7 % 97
        counts[key] = counts.get(key, 0) + number
        letters += len(f"{number}:{key}")
    return letters + sum(counts.values())


def best_ms(times: int) -> float:
    best_s = float("inf")
    for _ in range(times):
        start_s = time.perf_counter()
        loop()
        best_s = min(best_s, time.perf_counter() - start_s)
    return best_s * 1e3


if __name__ == "__main__":
    print(f"{best_ms(9):.3f}")
