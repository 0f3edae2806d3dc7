"""The adapter of Gemini's native API."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.call import Dialect
from penstock.core.errors import PenstockError
from penstock.core.plan import Target
from penstock.core.ports import Headers, Transport
from penstock.dialects.gemini import GenerateContent
from penstock.providers.account import Account
from penstock.providers.gemini.explain import explain_gemini
from penstock.providers.hosted import Hosted
from penstock.providers.translated import translations
from penstock.providers.way import Way


class Gemini(Hosted):
    """One account at the Gemini API. Raises ``ValueError`` as ``Account`` does."""

    def __init__(self, name: str, *, base_url: str | None, api_key: str | None, transport: Transport) -> None:
        super().__init__(Account(name, base_url, transport, auth="x-goog-api-key", api_key=api_key))

    def ways(self, target: Target) -> Mapping[Dialect, Way]:
        """Nobody calls in Gemini's dialect: all is translated."""
        provider = GenerateContent(target.model_id, provider=self.name, max_output_tokens=target.max_output_tokens)
        # ai.google.dev/api/generate-content, 2026-11-21
        model = f"/models/{target.model_id.removeprefix('models/')}"
        return translations(
            provider, path=f"{model}:generateContent", stream_path=f"{model}:streamGenerateContent?alt=sse"
        )

    def explain(self, status: int, headers: Headers, body: bytes) -> PenstockError:
        """What a refusal means; Gemini says more of it in the body than in the status."""
        return explain_gemini(status, headers, body, secret=self._account.secret)
