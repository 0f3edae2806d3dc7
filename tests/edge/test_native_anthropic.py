"""What clients of Anthropic's meet beside the data plane: models and errors in its shape."""

from __future__ import annotations

import pytest

from support.native_gateway import PRO, Client, FakeGateway, make_app

pytestmark = pytest.mark.asyncio
HEADERS = {"x-api-key": PRO, "anthropic-version": "2023-06-01"}


async def test_models_are_listed_in_the_shape_that_was_asked_for() -> None:
    client = Client(make_app(FakeGateway()))
    listed = (await client.get("/v1/models", **HEADERS)).json
    ids = [model["id"] for model in listed["data"]]
    assert ids == [card["id"] for card in (await client.get("/v1/models", **{"x-api-key": PRO})).json["data"]]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (ids[0], ids[-1], False)
    one = (await client.get(f"/v1/models/{ids[0]}", **HEADERS)).json
    assert one == {"type": "model", "id": ids[0], "display_name": ids[0], "created_at": "1970-01-01T00:00:00Z"}


async def test_errors_are_told_in_the_shape_that_was_asked_for() -> None:
    answer = await Client(make_app(FakeGateway())).get("/v1/models/nobody", **HEADERS)
    assert answer.status == 404
    assert answer.json["type"] == "error"
    assert answer.json["error"]["type"] == "not_found_error"
    assert answer.json["request_id"]
