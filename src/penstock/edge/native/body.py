"""Reading a JSON body: bounded, and every mistake told in plain words with the field's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from penstock.core.errors import (
    BodyTooLarge,
    InvalidParameter,
    InvalidRequest,
    MalformedJson,
    UnsupportedMediaType,
)
from penstock.dialects.json_body import read_object
from penstock.edge.native.shapes import CONTRADICTION, whole

Model = TypeVar("Model", bound=BaseModel)

# About a million tokens of plain text.
MOST_BODY_BYTES = 4 * 1024 * 1024

# A field name is the caller's text too: told back, but no more of it than a person wants to read.
SHOWN_NAME_CHARS = 64

# What a field must be, by pydantic's kind of mistake (errors.pydantic.dev, 2.14), in the words of the data plane.
_MUST_BE = {
    "string_type": "be a string",
    "string_too_short": "not be empty",
    "string_too_long": "have at most {max_length} characters",
    "string_pattern_mismatch": "hold no control characters, such as line ends",
    "int_type": "be an integer",
    "int_from_float": "be an integer",
    "int_parsing": "be an integer",
    "int_parsing_size": "be an integer of a sensible size",
    "float_type": "be a number",
    "float_parsing": "be a number",
    "finite_number": "be a finite number",
    "bool_type": "be true or false",
    "dict_type": "be an object",
    "literal_error": "be {expected}",
    "greater_than_equal": "be at least {ge}",
    "less_than_equal": "be at most {le}",
}


async def read_body(request: Request) -> bytes:
    """The request's whole body. Raises ``UnsupportedMediaType``, ``BodyTooLarge``."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("Send the body as JSON, with 'content-type: application/json'.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, without a 'content-encoding'.")
    body = bytearray()
    size_bytes = 0
    async for piece in request.stream():
        size_bytes += len(piece)
        # What is too much is dropped, but read: many clients send all before they look.
        if size_bytes <= MOST_BODY_BYTES:
            body += piece
    if size_bytes > MOST_BODY_BYTES:
        raise BodyTooLarge(f"The body is over the limit of {MOST_BODY_BYTES} bytes: send less.")
    return bytes(body)


def read_model(body: bytes, model: type[Model]) -> Model:
    """A body as a ``model``. Raises ``MalformedJson``, ``JsonTooDeep``, ``InvalidParameter``."""
    read_object(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise explain(error.errors(include_url=False, include_input=False)) from None


def explain(mistakes: Sequence[Any], *, within: int = 0) -> InvalidRequest:
    """The first of pydantic's ``mistakes`` as an error for the caller; ``within`` parts of its place are not the name."""
    mistake = mistakes[0]
    kind, context = str(mistake["type"]), mistake.get("ctx", {})
    if kind == "json_invalid":  # what ``read_object`` takes and pydantic does not
        return MalformedJson("The body holds a number with too many digits.")
    if kind == CONTRADICTION:
        return InvalidParameter(str(mistake["msg"]), param=context["param"])
    name = ".".join(map(str, mistake["loc"][within:]))[:SHOWN_NAME_CHARS]
    return InvalidParameter(_field_mistake(name, kind, context), param=name)


def _field_mistake(name: str, kind: str, context: dict[str, Any]) -> str:
    if kind == "missing":
        return f"`{name}` is missing."
    if kind == "extra_forbidden":
        return f"There is no field `{name}` here; /docs lists those there are."
    bounds = {bound: whole(value) for bound, value in context.items()}
    return f"`{name}` must {_MUST_BE.get(kind, 'be of another type').format(**bounds)}.".replace("'", "`")
