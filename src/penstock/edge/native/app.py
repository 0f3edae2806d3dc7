"""``create_app``: the native and admin paths as one FastAPI application, which is to say all but the data plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from penstock.core.policy import TimeLimits
from penstock.core.ports import Clock, Counters, Gateway
from penstock.edge.native.chat import chat_routes
from penstock.edge.native.errors import handle_errors
from penstock.edge.native.health import health_routes
from penstock.edge.native.models import models_routes
from penstock.edge.native.operate import audit_routes, debug_routes, metrics_routes
from penstock.edge.native.pages import page_routes
from penstock.edge.native.responses import responses_routes
from penstock.edge.native.schema import describe_app
from penstock.edge.native.wiring import NATIVE_LIMITS, Wiring


def create_app(
    gateway: Gateway,
    counters: Counters,
    *,
    version: str,
    clock: Clock,
    new_id: Callable[[], str],
    limits: TimeLimits = NATIVE_LIMITS,
) -> FastAPI:
    """An application around ``gateway``; ``counters`` limit ``/health``, ``limits`` are those of ``/chat``.

    ``clock`` is monotonic and the same as the pipeline's; ``new_id`` makes request ids.
    """
    wiring = Wiring(gateway=gateway, counters=counters, clock=clock, new_id=new_id, limits=limits)
    app = FastAPI(title="Penstock", version=version, docs_url=None, redoc_url=None, redirect_slashes=False)
    for routes in (
        models_routes,
        responses_routes,
        chat_routes,
        health_routes,
        metrics_routes,
        audit_routes,
        debug_routes,
    ):
        app.include_router(routes(wiring))
    app.include_router(page_routes(app, gateway))
    handle_errors(app, new_id)
    return _documented(app, gateway)


def _documented(app: FastAPI, gateway: Gateway) -> FastAPI:
    """Let ``app`` describe itself: a document for each answer to the question whether keys are needed."""
    documents: dict[bool, dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        keyless = gateway.keyless
        if keyless not in documents:
            documents[keyless] = describe_app(app, keyless=keyless)
        return documents[keyless]

    # The way that FastAPI's own documentation gives: fastapi.tiangolo.com/how-to/extending-openapi, 2026-11-21.
    app.openapi = openapi  # type: ignore[method-assign]
    return app
