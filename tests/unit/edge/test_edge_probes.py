"""``Probes`` answers as the native API would, without it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from penstock.edge.probes import LIVENESS, READINESS, Probes
from support.native_gateway import Client, FakeGateway, make_app


async def _never(*_: object) -> None:
    pytest.fail("the app behind was asked")


async def _teapot(_scope: object, _receive: object, send: Any) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def probed(gateway: FakeGateway, app: Any = _never) -> Client:
    return Client(cast("Any", Probes(gateway, app, lambda: "made-here")))


@pytest.mark.parametrize("path", [LIVENESS, READINESS])
@pytest.mark.parametrize("ready", [True, False])
async def test_the_answer_is_that_of_the_native_api(path: str, *, ready: bool) -> None:
    gateway = FakeGateway()
    gateway.ready = ready
    mine, native = await probed(gateway).get(path), await Client(make_app(gateway)).get(path)
    assert (mine.status, mine.body) == (native.status, native.body)
    assert mine.headers | {"x-request-id": ""} == native.headers | {"x-request-id": ""}


async def test_the_request_id_is_the_callers_or_a_new_one() -> None:
    client = probed(FakeGateway())
    assert (await client.get(LIVENESS)).headers["x-request-id"] == "made-here"
    assert (await client.get(LIVENESS, **{"x-request-id": "mine"})).headers["x-request-id"] == "mine"


async def test_everything_else_goes_to_the_app_behind() -> None:
    client = probed(FakeGateway(), _teapot)
    assert (await client.get("/health")).status == 418
    assert (await client.post(LIVENESS, {})).status == 418
