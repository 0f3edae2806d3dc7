"""Answers to ``/v1/completions`` of providers that still have it, whole and streamed: passed on but for the name."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.answer import Answer
from penstock.core.call import Call, Usage
from penstock.core.errors import UpstreamMalformed
from penstock.core.plan import Target
from penstock.dialects.openai.body import ChatWriter
from penstock.dialects.openai.legacy import read_legacy_chunk
from penstock.dialects.openai.response import rename_model
from penstock.providers.openai_reader import ChunkReader


class LegacyWay:
    """Legacy completions of one deployment that has them, for callers who ask for them. See ``Way``."""

    path = stream_path = "/completions"
    passes_lines = True

    def __init__(self, target: Target, *, ask_usage: bool, withhold: Sequence[str] = ()) -> None:
        self._alias = target.alias
        self.encode = ChatWriter(
            target.model_id,
            max_output_tokens=target.max_output_tokens,
            max_tokens_field="max_tokens",
            ask_usage=ask_usage,
            withhold=withhold,
        ).write

    def decode(self, body: bytes, call: Call) -> Answer:
        """The provider's completion under the name that the caller used."""
        completion = read_legacy_chunk(body)
        choices = completion.choices
        if not choices:
            raise UpstreamMalformed("The provider's answer holds no choices.")
        usage = completion.usage
        if usage is None:
            said = sum(choice.delta.estimated_tokens for choice in choices if choice.delta is not None)
            usage = Usage(call.input_tokens, said, estimated=True)
        answer = Answer(call.dialect, body=rename_model(body, call.model or self._alias, completion.model), usage=usage)
        answer.finish_reason = choices[0].finish_reason
        return answer

    def reader(self, call: Call) -> ChunkReader:
        """The provider's chunks, which are completions too, under the name that the caller used."""
        return ChunkReader(call, call.model or self._alias, read_legacy_chunk)
