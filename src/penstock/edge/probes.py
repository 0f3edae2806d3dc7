"""The two probes of an orchestrator. They are asked every few seconds, and need no API to be made for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.core.ports import Gateway
from penstock.edge.asks import read_request_id

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

LIVENESS = "/health/liveness"
READINESS = "/health/readiness"


def liveness(_gateway: Gateway) -> tuple[int, bytes]:
    """Status and JSON: 200 while the process runs."""
    return 200, b'{"status":"ok"}'


def readiness(gateway: Gateway) -> tuple[int, bytes]:
    """Status and JSON: 200 while new calls are taken, 503 otherwise."""
    return (200, b'{"status":"ready"}') if gateway.ready else (503, b'{"status":"not_ready"}')


_ANSWERS = {LIVENESS: liveness, READINESS: readiness}


class Probes:
    """Answers both in front of ``app``, which gets every other request. ``new_id`` makes request ids."""

    def __init__(self, gateway: Gateway, app: ASGI3Application, new_id: Callable[[], str]) -> None:
        self._gateway = gateway
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer a probe, or hand the request on."""
        if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and scope["path"] in _ANSWERS:
            status, body = _ANSWERS[scope["path"]](self._gateway)
            request_id = read_request_id(dict(scope["headers"])) or self._new_id()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", request_id.encode()),
            ]
            await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
            await send({"type": "http.response.body", "body": body, "more_body": False})
        else:
            await self._app(scope, receive, send)
