"""``GET /v1/models``: what this key may call."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from penstock.core.errors import ModelNotFound
from penstock.edge.faces.models import visible_models
from penstock.edge.native.access import given_key
from penstock.edge.native.errors import failures
from penstock.edge.native.shapes import ModelCard, ModelCards
from penstock.edge.native.wiring import Wiring

ModelId = Annotated[str, Path(description="A model alias or a route.", examples=["chat"])]


def models_routes(wiring: Wiring) -> APIRouter:
    """The list and one of it, in OpenAI's shapes."""
    router = APIRouter(prefix="/v1/models", tags=["OpenAI"])
    gateway = wiring.gateway

    @router.get(
        "",
        response_model=ModelCards,
        response_description="The models.",
        responses=failures(401, 500),
        summary="Models",
    )
    async def models(request: Request) -> Response:
        """Every model alias and route that this key may name in `model`."""
        identity = gateway.authenticate(given_key(request))
        return JSONResponse({"object": "list", "data": visible_models(gateway.policy, identity)})

    @router.get(
        "/{model_id}",
        response_model=ModelCard,
        response_description="The model.",
        responses=failures(401, 404, 500),
        summary="One model",
    )
    async def model(request: Request, model_id: ModelId) -> Response:
        """One model alias or route; 404 where this key may not name it."""
        identity = gateway.authenticate(given_key(request))
        for card in visible_models(gateway.policy, identity):
            if card["id"] == model_id:
                return JSONResponse(card)
        raise ModelNotFound(
            "Your key may call no model of that name; GET /v1/models lists those it may.", param="model"
        )

    return router
