"""``Call``: one frozen request, whatever edge it came through; and its ``Trail``, the one mutable value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Raw, Struct, field
from msgspec.structs import replace

from penstock.core.errors import PenstockError
from penstock.core.plan import Decision, Exclusion, Plan, Ranked
from penstock.core.policy import FAST_RETRY, RetryPolicy, TimeLimits

Dialect: TypeAlias = Literal["openai", "responses", "anthropic", "embeddings", "completions", "count_tokens"]
# The dialects of chats, in which a text can stand for a model's.
CHATS: frozenset[Dialect] = frozenset({"openai", "responses", "anthropic"})
CacheUse: TypeAlias = Literal["auto", "on", "off"]


class Identity(Struct, frozen=True):
    """Who asks: proved by a key, or by keyless loopback in the demo."""

    tenant: str
    key_name: str
    admin: bool = False


class PromptRef(Struct, frozen=True):
    """A registered prompt and the values of its variables."""

    prompt_id: str
    version: str
    variables: dict[str, str]


class Usage(Struct, frozen=True):
    """Tokens of one answer; ``estimated`` when the provider gave none.

    ``input_tokens`` are all of the input: ``cached_tokens`` of them were read from the provider's cache, and
    ``cache_write_tokens`` written to it, ``cache_write_1h_tokens`` of these to be kept for an hour.
    ``output_tokens`` are all of the output, ``reasoning_tokens`` of them thoughts.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_1h_tokens: int = 0


# The ``error_code`` of an attempt that nobody waited for any more.
CANCELLED = "cancelled"


class Attempt(Struct, frozen=True):
    """One request to one target, as it ended at first content or before.

    While it runs it stands as ``CANCELLED``: if nobody waits for it any more, that is what it was. ``usage`` is that of
    an answer which came, and which nobody took.
    """

    target: str
    provider: str
    model: str
    latency_ms: float
    error_code: str | None = None
    usage: Usage | None = None


class RateState(Struct, frozen=True, array_like=True):
    """What is left in the window that binds the caller most tightly; in ``reset_s`` all of it, if nobody hits."""

    limit: int
    remaining: int
    reset_s: float


class Outcome(Struct, frozen=True):
    """How an answer, or a call without one, ended. ``error`` is set for ``error`` alone."""

    kind: Literal["end", "error", "cancel", "disconnect"]
    error: PenstockError | None = None


class Trail(Struct, kw_only=True):
    """Facts that stages leave behind: read by ``record`` and ``trace``, and by edges for headers.

    Times named ``*_at_s`` are monotonic seconds; ``marks`` are the times (``perf_counter`` seconds) at which the first
    so many of ``stages`` were entered, and one more when a stage answered without going on. Money is integer nano-USD (1e-9 USD), which adds without rounding.
    ``task`` is the route's name, or a known task: safe as a metric's label, unlike what the caller wrote.
    ``skipped`` are targets that were not asked when their turn came, and why: breaker, bulkhead, a provider's rest.
    ``ranked`` are equals in the order of a choice among them. ``unpriced`` is set where a target was asked whose price
    nobody knows: ``cost_nano_usd`` is then what the others cost.
    ``endings`` are told once how the call ended; then ``answered`` says whether an answer came, and ``reported`` what
    that said of its own tokens, where ``usage`` is what is billed. ``dropped`` are parameters that the provider could not
    honour and that the caller was ready to do without.
    """

    received_at_s: float
    tier: str = ""
    user_hash: str = ""
    decision: Decision | None = None
    attempts: list[Attempt] = field(default_factory=list)
    skipped: list[Exclusion] = field(default_factory=list)
    ranked: list[Ranked] = field(default_factory=list)
    task: str = ""
    target: str = ""
    provider: str = ""
    model: str = ""
    fallback_used: bool = False
    degraded: bool = False
    race_won_by: Literal["", "main", "fallback"] = ""
    cache: Literal["", "hit", "miss"] = ""
    prompt_id: str = ""
    prompt_version: str = ""
    schema_version: str = ""
    policy_decision: str = "allow"
    usage: Usage | None = None
    cost_nano_usd: int = 0
    unpriced: bool = False
    rate: RateState | None = None
    tool_names: tuple[str, ...] = ()
    first_content_at_s: float = 0.0
    stages: tuple[str, ...] = ()
    marks: list[float] = field(default_factory=list)
    endings: list[Callable[[Call, Outcome], None]] = field(default_factory=list)
    answered: bool = False
    reported: Usage | None = None
    dropped: tuple[str, ...] = ()

    @property
    def why(self) -> Decision | None:
        """The decision, and what was passed over when its turn came."""
        decision = self.decision
        if decision is None or not (self.skipped or self.ranked):
            return decision
        return replace(decision, excluded=(*decision.excluded, *self.skipped), ranked=tuple(self.ranked))

    @property
    def retry_count(self) -> int:
        """Attempts beyond the first on each target, summed: a fallback's first attempt is no retry."""
        return len(self.attempts) - len({attempt.target for attempt in self.attempts})


class Call(Struct, frozen=True, kw_only=True):
    """One model call.

    ``fields`` is the request body decoded one level deep in its own dialect: values that nobody here knows stay raw
    bytes and reach the upstream unchanged, and a key given twice has one value. What stages decide by stands beside
    it, decoded once by the edge. ``model`` is the alias or route that was asked for, ``""`` when ``task`` alone names
    the route. ``drop_unsupported`` is whether the caller would rather do without a parameter than be refused for it.
    ``lines`` are header lines of the caller that belong to the body (betas of its dialect), as they go on the wire.
    ``choices`` is how many answers were asked for (``n``). ``call_id`` is ours and unlike any other's, for
    money hangs on it; ``request_id`` is what the client calls the request, or the same. ``invalid`` is set when the
    request could not be understood or asks for what its key may not have: such a call is counted and recorded, and goes
    no further than ``route``.
    """

    call_id: str
    request_id: str
    trace_id: str
    endpoint: str
    dialect: Dialect
    identity: Identity
    model: str
    task: str
    fields: dict[str, Raw]
    limits: TimeLimits
    trail: Trail
    user: str = ""
    stream: bool = False
    include_usage: bool = False
    temperature: float | None = None
    max_output_tokens: int | None = None
    input_tokens: int = 0
    choices: int = 1
    prompt: PromptRef | None = None
    plan: Plan | None = None
    retry: RetryPolicy = FAST_RETRY
    cache: CacheUse = "auto"
    explain: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    drop_unsupported: bool = False
    lines: bytes = b""
    invalid: PenstockError | None = None

    @property
    def deadline_s(self) -> float:
        """Monotonic seconds after which nobody waits for the answer."""
        return self.trail.received_at_s + self.limits.total_s
