"""Reading a JSON body: bounded, parsed once, and every mistake told in plain words with the field's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from penstock.core.errors import (
    BodyTooLarge,
    InvalidParameter,
    InvalidRequest,
    JsonTooDeep,
    MalformedJson,
    UnsupportedMediaType,
)

Model = TypeVar("Model", bound=BaseModel)

# About a million tokens of plain text.
MOST_BODY_BYTES = 4 * 1024 * 1024

# A field name is the caller's text too: told back, but no more of it than a person wants to read.
SHOWN_NAME_CHARS = 64


async def read_model(request: Request, model: type[Model]) -> Model:
    """The request's body as a ``model``.

    Raises ``UnsupportedMediaType``, ``BodyTooLarge``, ``MalformedJson``, ``JsonTooDeep``, ``InvalidParameter``.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("Send the body as JSON, with `content-type: application/json`.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, without a `content-encoding` header.")
    body = await _read(request)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise explain(error.errors(include_url=False, include_input=False)) from None


def explain(mistakes: Sequence[Any]) -> InvalidRequest:
    """The first of pydantic's ``mistakes`` as an error for the caller."""
    mistake = mistakes[0]
    kind, reason = str(mistake["type"]), str(mistake["msg"])
    if kind == "json_invalid":
        if "recursion limit" in reason:
            return JsonTooDeep("The body nests arrays or objects too deeply; flatten it.")
        return MalformedJson(f"The body is not valid JSON: {reason.removeprefix('Invalid JSON: ')}.")
    name = ".".join(str(part) for part in mistake["loc"] if part not in ("query", "path"))[:SHOWN_NAME_CHARS]
    if name:
        return InvalidParameter(_field_mistake(name, kind, reason), param=name)
    if kind == "value_error":
        return InvalidParameter(str(mistake["ctx"]["error"]))
    return MalformedJson("The body must be a JSON object.")


def _field_mistake(name: str, kind: str, reason: str) -> str:
    if kind == "missing":
        return f"`{name}` is missing."
    if kind == "extra_forbidden":
        return f"There is no field `{name}` here; /docs lists those there are."
    return f"`{name}` is not valid: {reason[0].lower()}{reason[1:]}."


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            raise BodyTooLarge(f"The body is larger than {MOST_BODY_BYTES} bytes; send less text.")
    return bytes(body)
