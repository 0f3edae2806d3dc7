"""Every failure of this part as ``{"error": ...}``, whoever noticed it: a router, FastAPI, Starlette or nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.core.call import Call
from penstock.core.errors import InvalidRequest, MethodNotAllowed, NotFound, PenstockError
from penstock.dialects.anthropic import error_body as anthropic_error
from penstock.dialects.openai import error_body
from penstock.edge.asks import read_request_id
from penstock.edge.faces.manners import MANNERS
from penstock.edge.faults import fault, log_fault
from penstock.edge.headers import error_lines, header_fields
from penstock.edge.native.body import explain
from penstock.edge.native.shapes import ErrorBody

# Served before ASGI by the data plane's own protocol; what reaches this part came with another method.
DATA_PLANE_PATHS = frozenset(manner.endpoint for manner in MANNERS)

# Where OpenAI's clients go when `base_url` lacks its `/v1`.
CLIENTS_PATHS = frozenset({"/models", *(path.removeprefix("/v1") for path in DATA_PLANE_PATHS)})

MEANINGS = {
    400: "The request cannot be understood; `param` names the field.",
    401: "No key, or a wrong one.",
    403: "A key that may not do this, or a model or tenant that it may not name.",
    404: "No such thing.",
    408: "Head or body did not arrive in time.",
    413: "The body is over the limit.",
    415: "The body is not plain JSON.",
    429: "Too many requests, too many at once, or no budget left; `retry-after` says when to come back.",
    431: "The headers are over the limit.",
    500: "A fault of the gateway; `x-request-id` finds it in the log.",
    502: "The provider failed, and so did every fallback.",
    503: "The gateway cannot take the call now.",
    504: "No answer in time.",
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for these error statuses."""
    return {status: {"model": ErrorBody, "description": MEANINGS[status]} for status in statuses}


def remember(request: Request, call: Call) -> None:
    """Keep the call, so that an error's headers can tell what its stages found out."""
    request.state.call = call


def request_id(request: Request) -> str:
    """The caller's own id of this request, or the one that ``Guard`` gave it."""
    found: str = request.state.request_id
    return found


def handle_errors(app: FastAPI, new_id: Callable[[], str]) -> None:
    """Install the handlers of this module on ``app``."""
    app.add_exception_handler(PenstockError, _told)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(Guard, new_id=new_id)


def asks_as_anthropic(request: Request) -> bool:
    """Whether a client of Anthropic's asks, which reads its shapes alone."""
    return "anthropic-version" in request.headers


def render(request: Request, error: PenstockError) -> Response:
    """The error as a response."""
    call: Call | None = getattr(request.state, "call", None)
    told = anthropic_error(error, request_id(request)) if asks_as_anthropic(request) else error_body(error)
    response = Response(told, error.status, media_type="application/json")
    response.raw_headers.extend(header_fields(error_lines(error, call)))
    return response


class Guard:
    """Sees that every request has an id, tells it in ``x-request-id``, and turns what nobody expected into a fixed 500."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, under guard."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # answered as GET is; the server leaves the body out
            scope = {**scope, "method": "GET"}
        request = Request(scope)
        request.state.request_id = read_request_id(dict(scope["headers"])) or self._new_id()
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).setdefault("x-request-id", request_id(request))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            pass  # nobody is left to be told
        except Exception as error:  # noqa: BLE001 - the last resort: the caller gets a fixed text, the log the place
            log_fault(error, request_id(request))
            if not started:
                await render(request, fault())(scope, receive, send_with_id)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, PenstockError)  # noqa: S101 - Starlette dispatches by class but types every handler alike
    return render(request, error)


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as in _told
    of_data_plane = request.scope["path"] in DATA_PLANE_PATHS and request.method != "POST"
    if error.status_code == MethodNotAllowed.status or of_data_plane:
        allowed = "POST" if of_data_plane else _allowed(request)
        response = render(request, MethodNotAllowed(f"This path takes {allowed}."))
        response.headers["allow"] = allowed
        return response
    if error.status_code == NotFound.status:
        return render(request, _no_such_path(request.scope["path"]))
    return render(request, InvalidRequest("The request cannot be served as it is; /docs shows how it should look."))


def _allowed(request: Request) -> str:
    """The methods of all routes with this path; Starlette names those of the first."""
    methods: set[str] = set()
    for outer in request.app.router.routes:
        included = getattr(outer, "original_router", None)  # FastAPI 0.165 keeps a router that was included whole
        for route in (outer,) if included is None else included.routes:
            if route.matches(request.scope)[0] is not Match.NONE:
                methods |= getattr(route, "methods", None) or set()
    if "GET" in methods:  # ``Guard`` answers HEAD wherever GET is
        methods.add("HEAD")
    return ", ".join(sorted(methods)) or "POST"


def _no_such_path(path: str) -> NotFound:
    hint = f" Did you mean /v1{path}?" if path in CLIENTS_PATHS else ""
    return NotFound(f"There is no such path.{hint} /docs lists all there are.")


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as in _told
    return render(request, explain(error.errors(), within=1))  # each place begins with "query"
