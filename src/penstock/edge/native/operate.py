"""What an operator asks: metrics, audit, and breaking a simulated provider on purpose."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from penstock.core.errors import InvalidParameter, NotFound, PermissionDenied
from penstock.core.ports import AuditQuery, Fault
from penstock.edge.native.access import prove, require_admin
from penstock.edge.native.body import read_body, read_model
from penstock.edge.native.errors import failures
from penstock.edge.native.shapes import LATEST_S, AuditEvents, AuditFilter, FaultRequest, FaultState
from penstock.edge.native.wiring import Wiring

# The text format that every Prometheus since 2.0 reads; https://prometheus.io/docs/instrumenting/exposition_formats/
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

ProviderName = Annotated[str, Path(description="A simulated provider of the config.", examples=["mock-fast"])]


def metrics_routes(wiring: Wiring) -> APIRouter:
    """``GET /metrics``."""
    router = APIRouter(tags=["Operations"])

    @router.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **failures(401, 403, 500),
        },
        summary="Metrics",
    )
    async def metrics(request: Request) -> Response:
        """Counters and gauges of every worker, for Prometheus. Needs an admin key."""
        require_admin(wiring.gateway, request)
        return Response(await wiring.gateway.metrics(), headers={"content-type": METRICS_TYPE})

    return router


def audit_routes(wiring: Wiring) -> APIRouter:
    """``GET /audit``."""
    router = APIRouter(tags=["Operations"])

    async def known(request: Request) -> None:
        prove(wiring.gateway, request)

    @router.get(
        "/audit",
        dependencies=[Depends(known)],  # asked before the query is read, of which a stranger is told nothing
        response_model=AuditEvents,
        response_description="One page.",
        responses=failures(400, 401, 403, 500, 503),
        summary="Audit events",
    )
    async def audit(request: Request, asked: Annotated[AuditFilter, Query()]) -> Response:
        """One event per call, newest first, without any text of prompts or answers.

        An admin key sees every tenant's events, a tenant's key its own. `since` and `until` are RFC 3339 or Unix
        seconds. Give `next_cursor` back as `cursor` for the next page.
        """
        page = await wiring.gateway.audit(
            AuditQuery(
                tenant=_readable_tenant(wiring, request, asked.tenant_id),
                trace_id=asked.trace_id,
                request_id=asked.request_id,
                since_s=read_time(asked.since, "since"),
                until_s=read_time(asked.until, "until"),
                limit=asked.limit,
                cursor=asked.cursor,
            )
        )
        return JSONResponse({"events": page.events, "next_cursor": page.next_cursor})

    return router


def debug_routes(wiring: Wiring) -> APIRouter:
    """``POST /debug/provider/{name}/fail``."""
    router = APIRouter(tags=["Operations"])

    @router.post(
        "/debug/provider/{name}/fail",
        response_model=FaultState,
        response_description="What it does from now on.",
        responses=failures(400, 401, 403, 404, 413, 415, 500),
        summary="Break or mend a simulated provider",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"$ref": "#/components/schemas/FaultRequest"},
                        "example": {"fail": True},
                    }
                },
            }
        },
    )
    async def fail(request: Request, name: ProviderName) -> Response:
        """Make every call to this provider fail in the chosen way, to see retries and fallback at work.

        Exists only while `server.debug` is on. Needs an admin key.
        """
        if not wiring.gateway.debug:
            raise NotFound("Debug paths are off; `server.debug: true` in the config turns them on.")
        require_admin(wiring.gateway, request)
        asked = read_model(await read_body(request), FaultRequest)
        fault = Fault(kind=asked.kind, rate=asked.rate) if asked.fail else None
        await wiring.gateway.set_fault(name, fault)
        return JSONResponse(
            {
                "provider": name,
                "fail": asked.fail,
                "kind": None if fault is None else fault.kind,
                "rate": None if fault is None else fault.rate,
            }
        )

    return router


def read_time(text: str | None, param: str) -> float | None:
    """RFC 3339 or Unix seconds as Unix seconds. Raises ``InvalidParameter``."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = _rfc3339(text)
    if not -LATEST_S <= seconds <= LATEST_S:
        raise InvalidParameter(
            f"`{param}` must be a time such as 2026-11-21T09:30:00Z (write + as %2B) or Unix seconds.", param=param
        )
    return seconds


def _rfc3339(text: str) -> float:
    """Unix seconds, or NaN for what is no time or names no offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return math.nan if moment.tzinfo is None else moment.timestamp()


def _readable_tenant(wiring: Wiring, request: Request, tenant_id: str | None) -> str | None:
    """The partition that the caller may read. Raises ``PermissionDenied``."""
    identity = prove(wiring.gateway, request)
    if identity is None or identity.admin:
        return tenant_id
    if tenant_id not in (None, identity.tenant):
        raise PermissionDenied("A tenant's key reads its own events only; leave `tenant_id` out.", param="tenant_id")
    return identity.tenant
