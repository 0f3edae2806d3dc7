"""The adapter of every service that speaks OpenAI chat completions."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.answer import Answer
from penstock.core.call import Call, Dialect, Usage
from penstock.core.plan import Target
from penstock.core.ports import Transport
from penstock.dialects.openai.body import ChatWriter
from penstock.dialects.openai.response import estimate_output_tokens, read_completion, rename_model
from penstock.dialects.openai.sides import ChatProvider
from penstock.providers.account import Account
from penstock.providers.embeddings import EmbeddingsWay
from penstock.providers.hosted import Hosted
from penstock.providers.legacy import LegacyWay
from penstock.providers.openai_reader import ChunkReader
from penstock.providers.responses import ResponsesWay
from penstock.providers.table import Row
from penstock.providers.translated import translations
from penstock.providers.way import Way


class OpenAICompatible(Hosted):
    """One account at one service. ``base_url`` overrides the row's. Raises ``ValueError`` as ``Account`` does."""

    def __init__(self, name: str, row: Row, *, base_url: str | None, api_key: str | None, transport: Transport) -> None:
        account = Account(
            name,
            base_url or row.base_url,
            transport,
            auth=row.auth,
            api_key=api_key,
            headers=row.headers,
        )
        super().__init__(account)
        self._row = row

    def ways(self, target: Target) -> Mapping[Dialect, Way]:
        """What the service has passes as it is; the rest is translated into chat completions."""
        row = self._row
        provider = ChatProvider(
            target.model_id,
            provider=self.name,
            max_output_tokens=target.max_output_tokens,
            max_tokens_field=row.max_tokens_field,
            asks_usage=row.asks_usage,
        )
        ways: dict[Dialect, Way] = {
            **translations(provider, path=ChatWay.path, stream_path=ChatWay.path),
            "openai": ChatWay(target, row),
            "embeddings": EmbeddingsWay(target, withhold=row.withheld),
            "completions": LegacyWay(target, ask_usage=row.asks_usage, withhold=row.withheld),
        }
        if row.responses:
            ways["responses"] = ResponsesWay(target, withhold=row.withheld)
        return ways


class ChatWay:
    """Chat completions of one deployment, for callers who speak them too. See ``Way``."""

    path = stream_path = "/chat/completions"
    passes_lines = True

    def __init__(self, target: Target, row: Row) -> None:
        self._alias = target.alias
        self.encode = ChatWriter(
            target.model_id,
            max_output_tokens=target.max_output_tokens,
            max_tokens_field=row.max_tokens_field,
            ask_usage=row.asks_usage,
            withhold=row.withheld,
        ).write

    def decode(self, body: bytes, call: Call) -> Answer:
        """The provider's completion under the name that the caller used."""
        completion = read_completion(body)
        usage = completion.usage or Usage(call.input_tokens, estimate_output_tokens(body), estimated=True)
        answer = Answer("openai", body=rename_model(body, call.model or self._alias, completion.model), usage=usage)
        answer.finish_reason = completion.finish_reason
        return answer

    def reader(self, call: Call) -> ChunkReader:
        """The provider's chunks under the name that the caller used."""
        return ChunkReader(call, call.model or self._alias)
