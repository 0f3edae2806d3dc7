"""The pipeline: every stage of one call, in order. Start reading here, then follow a stage to its file.

    trace      counts and times the call                                   telemetry/trace.py
    record     writes one audit event, however the call ends               audit/record.py
    identify   who asks: tenant, tier, user hash                           tenancy/identify.py
    limit      requests per minute, calls in flight                        tenancy/limit.py
    route      which targets may answer, in which order, and why           routing/route.py
    render     a registered prompt becomes messages                        prompts/render.py
    fit        input and output tokens: the least of all limits            tenancy/fit.py
    reuse      the same question, asked before                             caching/reuse.py
    isolate    calls in flight of one tenant's task                        resilience/isolate.py
    gather     calls in flight together go on together                     core/gather.py
    spend      reserves money, records the intent, settles the cost        tenancy/spend.py
    dispatch   follows the plan: attempts, retries, fallback               resilience/dispatch.py

Tools and output validation will stand between ``reuse`` and ``isolate``.
"""

from __future__ import annotations

from penstock.core.chain import Handler, Stage, chain


def build_pipeline(
    *,
    trace: Stage,
    record: Stage,
    identify: Stage,
    limit: Stage,
    route: Stage,
    render: Stage,
    fit: Stage,
    reuse: Stage,
    isolate: Stage,
    gather: Stage,
    spend: Stage,
    dispatch: Handler,
) -> Handler:
    """One handler: a ``Call`` in, an ``Answer`` out at the first content."""
    return chain((trace, record, identify, limit, route, render, fit, reuse, isolate, gather, spend), dispatch)
