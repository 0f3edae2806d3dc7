"""Memory of a process that serves: what the collector may skip, and which blocks the allocator keeps."""

from __future__ import annotations

import gc

# Containers more than before for a pass over the youngest; such passes for one over the middle-aged; these for a full one.
# A call in flight holds some sixty: with CPython's 700 every wave of calls was looked at again, 7 % of each call's time.
# Its full passes made 1,000 streams that began together wait 47 ms: first bytes p99 210 ms, so 150 ms.
# Calls and connections leave no cycles behind, so nothing piles up until then.
_THRESHOLDS = 10_000, 2, 100

# A prompt of 1 MB is copied some eight times on its way.
_KEPT_BYTES = 4 * 1024 * 1024


def settle_memory() -> None:
    """To be called once all is loaded and nothing is served."""
    _settle_collector()
    # glibc maps a block of 128 KiB anew each time, pages and all, until it has seen a larger one freed (mallopt(3),
    # M_MMAP_THRESHOLD): a 1 MB prompt took 5.3 ms then, and 3.4 so.
    bytes(_KEPT_BYTES)


def _settle_collector() -> None:
    """What is here now stays and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def spare_what_is_here() -> None:
    """To be called after more was loaded: it stays too."""
    gc.freeze()
