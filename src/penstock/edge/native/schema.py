"""The OpenAPI document: FastAPI's own, completed by what FastAPI cannot see."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from penstock.edge.native import data_plane, openai_schemas
from penstock.edge.native.errors import MEANINGS
from penstock.edge.native.shapes import ChatRequest, FaultRequest

DESCRIPTION = """One gateway in front of every model: resilience, tenancy, money, audit.

Give your key as `authorization: Bearer YOUR_KEY`. Errors are `{"error": {"message", "type", "param", "code"}}`:
`message` says what to do, `param` names the field or header that is wrong, `code` is for programs.

Every answer carries `x-request-id`: yours, if you sent one of at most 128 letters, digits and `-_.:/+=@~`, and a new
one otherwise, as where a request could not be read to its end."""

# Bodies that the routers read themselves, so that no bad byte ever becomes a 500.
READ_BY_ROUTERS: tuple[type[BaseModel], ...] = (ChatRequest, FaultRequest)

OPEN_PATHS = frozenset({"/health/liveness", "/health/readiness"})
KEY_ALWAYS = frozenset({"/v1/models", "/v1/models/{model_id}", *data_plane.PATHS})
KEY_NEVER_NEEDED = frozenset({"/health"})


def describe_app(app: FastAPI, *, keyless: bool) -> dict[str, Any]:
    """The document; ``keyless`` says that loopback callers of the native paths need no key."""
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    schemas = document["components"]["schemas"]
    for model in READ_BY_ROUTERS:
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= openai_schemas.SCHEMAS
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    errors = {str(status): _error(status) for status in data_plane.ERRORS}
    of_data_plane = {path: {"post": operation} for path, operation in data_plane.operations(errors).items()}
    document["paths"] = {**of_data_plane, **document["paths"]}
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # FastAPI's; this part answers 400
            operation["security"] = _security(path, keyless=keyless)
    return document


def _security(path: str, *, keyless: bool) -> list[dict[str, list[str]]]:
    if path in OPEN_PATHS:
        return []
    if path in KEY_NEVER_NEEDED or (keyless and path not in KEY_ALWAYS):
        return [{"key": []}, {}]
    return [{"key": []}]


def _error(status: int) -> dict[str, Any]:
    return {
        "description": MEANINGS[status],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    }
