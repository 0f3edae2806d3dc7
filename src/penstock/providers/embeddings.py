"""Embeddings of providers that make them in OpenAI's shape: passed on but for the model's name and the vectors' form."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.answer import Answer
from penstock.core.call import Call, Usage
from penstock.core.errors import UnsupportedEndpoint
from penstock.core.plan import Target
from penstock.dialects.openai.embeddings import (
    asked_encoding,
    embeddings_body,
    read_embeddings_answer,
    write_embeddings_answer,
)
from penstock.providers.relay import StreamReader


class EmbeddingsWay:
    """Embeddings of one deployment. See ``Way``."""

    passes_lines = True

    def __init__(self, target: Target, *, path: str = "/embeddings", withhold: Sequence[str] = ()) -> None:
        self.path = self.stream_path = path
        self._target = target
        self._withhold = withhold

    def encode(self, call: Call) -> bytes:
        """The caller's body with the deployment's model."""
        return embeddings_body(call, self._target.model_id, self._withhold)

    def decode(self, body: bytes, call: Call) -> Answer:
        """The provider's vectors, in the form that was asked for."""
        found = read_embeddings_answer(body)
        alias = call.model or self._target.alias
        written = write_embeddings_answer(body, found, alias, asked_encoding(call.fields))
        usage = found.usage or Usage(call.input_tokens, estimated=True)
        answer = Answer("embeddings", body=written, usage=usage)
        answer.finish_reason = "stop"
        return answer

    def reader(self, call: Call) -> StreamReader:
        """Vectors are never streamed: their request has no ``stream``."""
        raise UnsupportedEndpoint(f"{call.endpoint} has no stream.")
