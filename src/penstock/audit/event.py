"""``Completed``: the audit event of a call, field by field as it stands in the log (feature C13)."""

from __future__ import annotations

from msgspec import Struct

from penstock.core.call import Attempt
from penstock.core.plan import Decision


class Completed(Struct, tag_field="event_type", tag="llm_request_completed"):
    """One call that is over: facts, never text. Ids and names are cut to a length; money is also in integer nano-USD.

    ``time`` is Unix seconds. ``attempts`` is empty where the one good attempt says no more than target and latency do.
    ``estimated_cost_usd`` is ``None`` where nobody knows the price of a model that was asked; ``cost_nano_usd`` is then
    what the others cost.
    """

    time: float
    call_id: str
    request_id: str
    trace_id: str
    tenant_id: str
    tier: str
    user_id_hash: str
    endpoint: str
    task: str
    alias: str
    target: str
    provider: str
    model: str
    prompt_id: str
    prompt_version: str
    schema_version: str
    stream: bool
    cache_hit: bool
    retry_count: int
    fallback_used: bool
    degraded: bool
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    usage_estimated: bool
    estimated_cost_usd: float | None
    cost_nano_usd: int
    latency_ms: float
    first_content_ms: float | None
    policy_decision: str
    status: str
    error_code: str | None
    tool_names: list[str]
    dropped: list[str]
    tags: dict[str, str]
    decision: Decision | None
    attempts: list[Attempt]
