"""``/v1/embeddings``: what a call asks, and a provider's answer in the form that was asked.

Shapes are those of openai 3.54 (``types/embedding_create_params.py``, ``types/create_embedding_response.py``,
2026-11-21).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from penstock.core.call import Call, Usage
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.json_body import malformed, read_object
from penstock.dialects.openai.response import MAX_TOKENS, rename_model
from penstock.dialects.openai.token_input import count_input, explain_plain

Encoding: TypeAlias = Literal["float", "base64"]

_FLOAT_BYTES = 4
_MUST_BE = {
    "model": "a non-empty string: the name of a model or route",
    "input": "a string, an array of strings, or token ids",
    "encoding_format": "`float` or `base64`",
    "dimensions": "an integer of at least 1",
    "user": "a string",
}


class _Asked(Struct):
    model: Annotated[str, Meta(min_length=1)]
    input: Raw
    encoding_format: Encoding | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


class EmbeddingsRequest(Struct, frozen=True, kw_only=True):
    """What one request asks for: ``inputs`` vectors, each of ``dimensions`` where the caller says how many.

    ``fields`` is the body one level deep; ``input_tokens`` is an estimate, but for token ids.
    """

    fields: dict[str, Raw]
    model: str
    inputs: int
    input_tokens: int
    encoding_format: Encoding
    dimensions: int | None
    user: str


class Embeddings(Struct, gc=False):
    """A provider's answer, its vectors still raw."""

    data: list[dict[str, Raw]]
    model: Any = None
    wire_usage: dict[str, Any] | None = msgspec.field(default=None, name="usage")
    error: Raw = Raw()

    @property
    def usage(self) -> Usage | None:
        """Tokens of the input, where the provider says."""
        usage = self.wire_usage or {}
        tokens = usage.get("prompt_tokens", usage.get("total_tokens"))
        if not isinstance(tokens, int | float) or not 0 <= tokens <= MAX_TOKENS:
            return None
        return Usage(int(tokens))


_read_typed = msgspec.json.Decoder(_Asked).decode
_read_embeddings = msgspec.json.Decoder(Embeddings).decode
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_read_floats = msgspec.json.Decoder(list[float]).decode
_read_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode


def read_embeddings(body: bytes) -> EmbeddingsRequest:
    """Decode and check a request body. Raises ``MalformedJson``, ``JsonTooDeep``, ``InvalidParameter``."""
    fields = read_object(body)
    try:
        asked = _read_typed(body)
    except msgspec.ValidationError as error:
        raise explain_plain(str(error), _MUST_BE) from None
    except msgspec.DecodeError as error:
        raise malformed(body, error) from None
    inputs, input_tokens = count_input(asked.input, "input")
    return EmbeddingsRequest(
        fields=fields,
        model=asked.model,
        inputs=inputs,
        input_tokens=input_tokens,
        encoding_format=asked.encoding_format or "float",
        dimensions=asked.dimensions,
        user=asked.user or "",
    )


def embeddings_body(call: Call, model_id: str, withhold: Sequence[str] = ()) -> bytes:
    """``call.fields`` for a provider, with its model and without the fields in ``withhold``."""
    fields = {name: raw for name, raw in call.fields.items() if name not in withhold}
    fields["model"] = Raw(_encode(model_id))
    return _encode(fields)


def asked_encoding(fields: Mapping[str, Raw]) -> Encoding:
    """The form that the caller of checked ``fields`` reads."""
    return "base64" if bytes(fields.get("encoding_format", Raw())) == b'"base64"' else "float"


def read_embeddings_answer(body: bytes) -> Embeddings:
    """A provider's answer. Raises ``UpstreamMalformed`` for anything else, an error in a 200 too."""
    try:
        answer = _read_embeddings(body)
        if not body.isascii():
            body.decode()  # what no field of ours holds was not looked at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamMalformed("The provider's answer is not a list of embeddings.") from None
    if bytes(answer.error) not in (b"", b"null"):
        raise UpstreamMalformed("The provider reported an error inside an answer that began as a success.")
    if not answer.data or any("embedding" not in item for item in answer.data):
        raise UpstreamMalformed("The provider's answer holds no embeddings.")
    return answer


def write_embeddings_answer(body: bytes, answer: Embeddings, alias: str, encoding: Encoding) -> bytes:
    """``body``, of which ``answer`` was read, with ``alias`` as its model and its vectors in ``encoding``.

    A vector that is so already stays byte for byte. Raises ``UpstreamMalformed`` for one that is none.
    """
    named = rename_model(body, alias, answer.model)
    if all(_is_encoded(item["embedding"], encoding) for item in answer.data):
        return named
    fields = _read_fields(named)
    converted = [{**item, "embedding": _convert(item["embedding"], encoding)} for item in answer.data]
    fields["data"] = Raw(_encode(converted))
    return _encode(fields)


def _is_encoded(vector: Raw, encoding: Encoding) -> bool:
    return bytes(vector).startswith(b'"' if encoding == "base64" else b"[")


def _convert(vector: Raw, encoding: Encoding) -> Raw | str | list[float]:
    if _is_encoded(vector, encoding):
        return vector
    try:
        if encoding == "base64":
            floats = _read_floats(vector)
            return base64.b64encode(struct.pack(f"<{len(floats)}f", *floats)).decode()
        data = base64.b64decode(_read_text(vector), validate=True)
        return list(struct.unpack(f"<{len(data) // _FLOAT_BYTES}f", data))
    except (msgspec.DecodeError, struct.error, OverflowError, ValueError):
        raise UpstreamMalformed("The provider's answer holds an embedding that is none.") from None
