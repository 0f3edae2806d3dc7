"""``/v1/responses/{id}``: answers of the Responses API that were kept, each for its own tenant."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from penstock.core.errors import InvalidRequest, NotFound
from penstock.dialects.responses.turns import input_of, item_ids
from penstock.edge.faces.responses_face import answer_key, item_key, turn_key
from penstock.edge.native.access import given_key
from penstock.edge.native.errors import failures
from penstock.edge.native.shapes import KeptAnswer, KeptItems, Removed
from penstock.edge.native.wiring import Wiring

ResponseId = Annotated[str, Path(description="The id of an answer.", examples=["resp_1f0c"])]


def responses_routes(wiring: Wiring) -> APIRouter:
    """Read and remove kept answers, in OpenAI's shapes."""
    router = APIRouter(prefix="/v1/responses/{response_id}", tags=["OpenAI"])
    gateway = wiring.gateway

    async def found(tenant: str, key: str, response_id: str) -> bytes:
        value = await gateway.shelf.find(tenant, key)
        if value is None:
            raise NotFound(f"No response with id '{response_id[:100]}' is kept for you: it may be too old.")
        return value

    @router.get("", response_model=KeptAnswer, responses=failures(401, 404, 500, 503), summary="A kept answer")
    async def retrieve(request: Request, response_id: ResponseId) -> Response:
        """The answer as it was given; 404 where it is another tenant's, too old, or was asked with `store: false`."""
        tenant = gateway.authenticate(given_key(request)).tenant
        return Response(await found(tenant, answer_key(response_id), response_id), media_type="application/json")

    @router.delete("", response_model=Removed, responses=failures(401, 404, 500, 503), summary="Remove a kept answer")
    async def delete(request: Request, response_id: ResponseId) -> Response:
        """Nobody can read it or go on from it any more."""
        tenant = gateway.authenticate(given_key(request)).tenant
        shelf = gateway.shelf
        await found(tenant, turn_key(response_id), response_id)
        answer = await shelf.find(tenant, answer_key(response_id))
        for item in map(item_key, item_ids(answer) if answer else ()):
            if await shelf.find(tenant, item) == response_id.encode():  # another answer may have an item of that id
                await shelf.forget(tenant, item)
        await shelf.forget(tenant, answer_key(response_id))
        await shelf.forget(tenant, turn_key(response_id))
        return JSONResponse({"id": response_id, "object": "response", "deleted": True})

    @router.get(
        "/input_items", response_model=KeptItems, responses=failures(400, 401, 404, 500, 503), summary="Its input"
    )
    async def input_items(
        request: Request,
        response_id: ResponseId,
        order: Annotated[Literal["asc", "desc"], Query(description="Oldest or newest first.")] = "desc",
        limit: Annotated[int, Query(ge=1, le=100, description="How many.")] = 20,
        after: Annotated[str, Query(description="Those behind the item of this id.")] = "",
    ) -> Response:
        """What the model read before it gave this answer, earlier turns included."""
        tenant = gateway.authenticate(given_key(request)).tenant
        turn = await found(tenant, turn_key(response_id), response_id)
        answer = await found(tenant, answer_key(response_id), response_id)
        items = input_of(turn, answer)
        page = _page(items if order == "asc" else items[::-1], limit, after)
        return Response(msgspec.json.encode(page), media_type="application/json")

    @router.post("/cancel", responses=failures(400, 401, 500), summary="Cancel", include_in_schema=False)
    async def cancel(request: Request, response_id: ResponseId) -> Response:
        gateway.authenticate(given_key(request))
        raise InvalidRequest(
            f"Response '{response_id[:100]}' is not in the background: close its connection to cancel it."
        )

    return router


def _page(items: list[dict[str, Raw]], limit: int, after: str) -> dict[str, Any]:
    # The items stay as they were sent: they may hold numbers that no decoder takes.
    ids = [msgspec.json.decode(item["id"]) for item in items]
    start = ids.index(after) + 1 if after in ids else 0
    page, named = items[start : start + limit], ids[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": named[0] if named else None,
        "last_id": named[-1] if named else None,
        "has_more": start + limit < len(items),
    }
