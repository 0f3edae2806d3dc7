"""``GET /health`` and the two probes of an orchestrator."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from penstock.core.errors import RateLimited
from penstock.edge import probes
from penstock.edge.native.access import is_admin
from penstock.edge.native.errors import failures
from penstock.edge.native.shapes import Health, Readiness
from penstock.edge.native.wiring import Wiring

# Requirement A3: per source address; the policy's own value overrides it.
REQUESTS_PER_MINUTE = 300
WINDOW_S = 60.0


def health_routes(wiring: Wiring) -> APIRouter:
    """The three paths that a monitor asks."""
    router = APIRouter(tags=["Health"])
    gateway = wiring.gateway

    @router.get(
        "/health",
        response_model=Health,
        response_description="It is alive.",
        responses=failures(429, 500),
        summary="Is it alive?",
    )
    async def health(request: Request) -> Response:
        """`{"status": "ok"}`; with an admin key, version, uptime, configuration and state beside it."""
        await _limit(wiring, request)
        detail = await gateway.health() if is_admin(gateway, request) else {}
        return JSONResponse(detail | {"status": "ok"})

    @router.get(probes.LIVENESS, response_model=Health, response_description="It is alive.", summary="Liveness probe")
    async def liveness() -> Response:
        """200 while the process runs."""
        return _probed(probes.liveness(gateway))

    @router.get(
        probes.READINESS,
        response_model=Readiness,
        response_description="New calls are taken.",
        responses={503: {"model": Readiness, "description": "Shutting down, or the ledger cannot be written."}},
        summary="Readiness probe",
    )
    async def readiness() -> Response:
        """200 while new calls are taken, 503 otherwise."""
        return _probed(probes.readiness(gateway))

    return router


def _probed(answer: tuple[int, bytes]) -> Response:
    status, body = answer
    return Response(body, status, media_type="application/json")


async def _limit(wiring: Wiring, request: Request) -> None:
    """Count the request against its source address. Raises ``RateLimited``."""
    limit = wiring.gateway.policy.endpoint_requests_per_minute.get("/health", REQUESTS_PER_MINUTE)
    source = "local" if request.client is None else request.client.host
    verdict = await wiring.counters.hit(f"/health:{source}", limit, WINDOW_S)
    if not verdict.admitted:
        raise RateLimited(
            f"More than {limit} health checks a minute from this address; ask less often.",
            retry_after_s=verdict.retry_s,
        )
