"""When to ask again: a pure function."""

from __future__ import annotations

from penstock.core.errors import PenstockError
from penstock.core.policy import RetryPolicy


def retry_delay_s(policy: RetryPolicy, made: int, error: PenstockError, left_s: float, chance: float) -> float | None:
    """Seconds to wait before asking the same target again, or ``None`` when it should not be asked.

    ``made`` attempts have been made, ``left_s`` is what is left of the call's deadline, ``chance`` in [0, 1) chooses
    the jitter. The jitter is added on top of the delay, so a delay is never shorter than the policy says.
    """
    if not error.retryable or made >= policy.max_attempts:
        return None
    delay_s = policy.delays_s[made - 1] + policy.jitter_s * chance
    if error.retry_after_s is not None:
        if error.retry_after_s > policy.max_retry_after_s:
            return None
        delay_s = max(delay_s, error.retry_after_s)
    return delay_s if delay_s < left_s else None
