"""``GET /v1/models``: what this key may call, in OpenAI's shape or in that of Anthropic's clients."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from penstock.core.errors import ModelNotFound
from penstock.edge.faces.models import visible_models
from penstock.edge.native.access import given_key
from penstock.edge.native.errors import asks_as_anthropic, failures
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
        """Every model alias and route that this key may name in `model`. With an `anthropic-version` in its shape."""
        identity = gateway.authenticate(given_key(request))
        cards = visible_models(gateway.policy, identity)
        if asks_as_anthropic(request):
            return JSONResponse(_page([_anthropic(card) for card in cards]))
        return JSONResponse({"object": "list", "data": cards})

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
                return JSONResponse(_anthropic(card) if asks_as_anthropic(request) else card)
        raise ModelNotFound(
            "Your key may call no model of that name; GET /v1/models lists those it may.", param="model"
        )

    return router


def _anthropic(card: dict[str, Any]) -> dict[str, Any]:
    """platform.claude.com/docs/en/api/models-list, 2026-11-21; nobody knows when an alias was created."""
    return {"type": "model", "id": card["id"], "display_name": card["id"], "created_at": "1970-01-01T00:00:00Z"}


def _page(models: list[dict[str, Any]]) -> dict[str, Any]:
    ends = (models[0]["id"], models[-1]["id"]) if models else (None, None)
    return {"data": models, "first_id": ends[0], "last_id": ends[1], "has_more": False}
