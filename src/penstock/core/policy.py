"""What an operator has decided, as plain values: tiers, tenants, routes and targets. Config becomes these once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from penstock.core.plan import Plan, Target


class TimeLimits(Struct, frozen=True, kw_only=True):
    """How long a call may take, in seconds.

    ``attempt_s`` bounds one non-streaming attempt (``None``: what is left of ``total_s``), ``first_content_s`` one
    streaming attempt up to its first content, ``idle_gap_s`` the silence between two chunks after it. A stream slower
    than ``min_tokens_per_s`` is given up.
    """

    total_s: float
    first_content_s: float
    idle_gap_s: float
    attempt_s: float | None = None
    min_tokens_per_s: float | None = None


class TimeOverrides(Struct, frozen=True, kw_only=True):
    """Where a route differs from its endpoint's ``TimeLimits``; ``None`` keeps the endpoint's."""

    total_s: float | None = None
    first_content_s: float | None = None
    idle_gap_s: float | None = None
    attempt_s: float | None = None
    min_tokens_per_s: float | None = None

    def over(self, limits: TimeLimits) -> TimeLimits:
        """``limits`` with these laid over them."""
        return TimeLimits(
            total_s=limits.total_s if self.total_s is None else self.total_s,
            first_content_s=limits.first_content_s if self.first_content_s is None else self.first_content_s,
            idle_gap_s=limits.idle_gap_s if self.idle_gap_s is None else self.idle_gap_s,
            attempt_s=limits.attempt_s if self.attempt_s is None else self.attempt_s,
            min_tokens_per_s=limits.min_tokens_per_s if self.min_tokens_per_s is None else self.min_tokens_per_s,
        )


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often and how patiently one target is asked again.

    Delay ``i`` is ``delays_s[i]`` plus up to ``jitter_s``, or the provider's Retry-After where that is longer; a wish
    longer than ``max_retry_after_s`` ends the attempts here, so that a fallback can answer sooner.
    """

    name: str
    delays_s: tuple[float, ...]
    jitter_s: float
    max_retry_after_s: float

    @property
    def max_attempts(self) -> int:
        """The first attempt and one for each delay."""
        return len(self.delays_s) + 1


# The presets of the requirements' section "Settled".
FAST_RETRY = RetryPolicy(name="fast", delays_s=(0.1, 0.3), jitter_s=0.2, max_retry_after_s=2.0)
PATIENT_RETRY = RetryPolicy(name="patient", delays_s=(1.0, 2.0, 4.0, 8.0, 16.0), jitter_s=0.5, max_retry_after_s=60.0)
NO_RETRY = RetryPolicy(name="none", delays_s=(), jitter_s=0.0, max_retry_after_s=0.0)
RETRY_PRESETS: Mapping[str, RetryPolicy] = {"fast": FAST_RETRY, "patient": PATIENT_RETRY}


class BreakerPolicy(Struct, frozen=True, kw_only=True):
    """When a target is not asked any more, and how it is tried again.

    The breaker opens after so many ``failures`` in a row, or when of at least ``min_calls`` calls within ``window_s`` a
    share of ``error_rate`` (0 to 1) has failed, or a share of ``slow_rate`` had its first content later than
    ``slow_s``; ``None`` does not judge by that. After ``open_s`` it lets ``probes`` calls through: they tell whether it
    closes.
    """

    failures: int = 5
    open_s: float = 60.0
    probes: int = 1
    error_rate: float | None = None
    slow_rate: float | None = None
    slow_s: float | None = None
    window_s: float = 30.0
    min_calls: int = 20


class BulkheadPolicy(Struct, frozen=True, kw_only=True):
    """How many calls may be in one place at once.

    ``most`` are in, ``waiting`` more stand in line, each for ``wait_s`` seconds and never beyond its own deadline.
    """

    most: int
    waiting: int
    wait_s: float


class Tier(Struct, frozen=True, kw_only=True):
    """What a class of tenants may use. ``None`` means no limit of its own; money is nano-USD per UTC day."""

    name: str
    allowed_models: frozenset[str]
    daily_budget_nano_usd: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    requests_per_minute: int = 100
    user_requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    when_over_budget: Literal["refuse", "degrade"] = "refuse"
    when_not_allowed: Literal["refuse", "degrade"] = "refuse"
    when_unpriced: Literal["refuse", "allow"] = "refuse"
    degrade_to: str | None = None
    degrade_text: str = "This service is at its limit right now. Please try again later."

    def affords(self, target: Target) -> bool:
        """Whether what it costs can be told, where that matters: a budget is none for a model without a price."""
        return target.price is not None or self.daily_budget_nano_usd is None or self.when_unpriced == "allow"

    def usable(self, targets: Mapping[str, Target]) -> frozenset[str]:
        """The aliases that its tenants' calls may go to."""
        return frozenset(alias for alias in self.allowed_models if alias not in targets or self.affords(targets[alias]))


class Care(Struct, frozen=True, kw_only=True):
    """How one target is treated. Retries are at most ``retry_share`` of its calls, or ``retry_floor`` in ten seconds."""

    breaker: BreakerPolicy = BreakerPolicy()
    bulkhead: BulkheadPolicy | None = None
    retry_share: float = 0.2
    retry_floor: int = 3


class Route(Struct, frozen=True, kw_only=True):
    """A task or route name and its plan."""

    name: str
    plan: Plan
    times: TimeOverrides | None = None
    retry: RetryPolicy = FAST_RETRY
    isolate: BulkheadPolicy | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None


class Policy(Struct, frozen=True, kw_only=True):
    """The whole of it, by name. A tenant maps to its tier's name."""

    tiers: Mapping[str, Tier]
    tenants: Mapping[str, str]
    routes: Mapping[str, Route]
    targets: Mapping[str, Target]
    endpoint_requests_per_minute: Mapping[str, int]
    care: Mapping[str, Care] = {}
