"""The OpenAI-compatible services, one row each: add a provider here.

A row says only where a service differs. A quirk carries its source; all were looked up on 2026-11-21. Where a service's
own page could not be read, the row says what was read in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """One service.

    ``base_url`` is ``None`` where only the operator knows it. ``auth`` is the header that carries the key.
    ``max_tokens_field`` is the spelling of the token cap that the service takes. ``asks_usage`` is whether a stream
    must (and may) ask for usage with ``stream_options``; services without it send usage of themselves or never.
    ``responses`` is whether it has OpenAI's Responses API itself; elsewhere that is translated. ``withheld`` are fields of a caller that would lead past the gateway: to another model than the one that was allowed
    and priced, to an answer that is fetched elsewhere, or to an address of the caller's choosing.
    """

    name: str
    base_url: str | None = None
    auth: Literal["bearer", "api-key"] = "bearer"
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    asks_usage: bool = True
    responses: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    withheld: tuple[str, ...] = ()


_ALL = (
    # Any other service that speaks chat completions.
    Row(name="openai_compatible"),
    Row(
        name="openai",
        base_url="https://api.openai.com/v1",
        # Reasoning models refuse max_tokens (openai 3.54, types/chat/completion_create_params.py).
        max_tokens_field="max_completion_tokens",
        responses=True,
    ),
    Row(
        # base_url: https://RESOURCE.openai.azure.com/openai/v1, which needs no api-version
        # (learn.microsoft.com/azure/foundry/openai/api-version-lifecycle); model_id is the deployment's name.
        name="azure",
        auth="api-key",
        max_tokens_field="max_completion_tokens",
        # learn.microsoft.com/azure/foundry/openai/how-to/responses, 2026-11-21
        responses=True,
    ),
    Row(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        # max_tokens is deprecated there (github.com/groq/groq-python/pull/175).
        max_tokens_field="max_completion_tokens",
    ),
    Row(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        # 422 on stream_options (github.com/openai/openai-agents-python/issues/442) and on max_completion_tokens
        # (github.com/editor-code-assistant/eca/issues/231); usage comes in the last chunk unasked.
        asks_usage=False,
    ),
    # docs.together.ai/docs/inference/openai-compatibility
    Row(name="together", base_url="https://api.together.ai/v1"),
    Row(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        # Usage always comes; stream_options is deprecated (openrouter.ai/docs/use-cases/usage-accounting).
        asks_usage=False,
        # `models` and `route` name models to fall back to (openrouter.ai/docs/guides/routing).
        withheld=("models", "route"),
    ),
    Row(
        name="deepseek",
        # The path needs no /v1; usage comes in the last chunk, beside its finish reason (api-docs.deepseek.com,
        # create-chat-completion, as quoted in github.com/moona3k/macparakeet/pull/1087, 2026-11-21). Of the caps
        # max_tokens alone holds (github.com/earendil-works/pi/issues/8018, 2026-11-21).
        base_url="https://api.deepseek.com",
    ),
    Row(
        name="xai",
        base_url="https://api.x.ai/v1",
        # max_tokens is deprecated (a copy of docs.x.ai's API reference at withone.ai, for the page itself could not be
        # read, 2026-11-21); a stream asked for usage ends with it (github.com/brainlid/langchain/pull/626, 2026-11-21).
        max_tokens_field="max_completion_tokens",
        # Answers with an id alone (docs.x.ai/developers/advanced-api-usage/deferred-chat-completions, 2026-11-21).
        withheld=("deferred",),
    ),
    # docs.fireworks.ai/tools-sdks/openai-compatibility
    Row(name="fireworks", base_url="https://api.fireworks.ai/inference/v1"),
    # inference-docs.cerebras.ai/api-reference/chat-completions
    Row(name="cerebras", base_url="https://api.cerebras.ai/v1", max_tokens_field="max_completion_tokens"),
    Row(
        name="perplexity",
        # At the root, not under /v1 (docs.perplexity.ai/docs/sonar/openai-compatibility, 2026-11-21); max_tokens is the
        # one cap of its reference, which knows no stream_options (docs.perplexity.ai/api-reference, 2026-11-21).
        base_url="https://api.perplexity.ai",
        # Usage comes unasked, in the last chunks (docs.perplexity.ai/docs/sonar/features, 2026-11-21).
        asks_usage=False,
    ),
    # docs.api.nvidia.com/nim/reference
    Row(name="nvidia", base_url="https://integrate.api.nvidia.com/v1"),
    Row(
        # The operator's own server, with a key where it was started with --api-key. It takes either cap, max_tokens in
        # every version (github.com/vllm-project/vllm, entrypoints/openai/chat_completion/protocol.py, 2026-11-21).
        name="vllm",
        # Names a host that vLLM connects to (github.com/vllm-project/vllm/pull/47843, 2026-11-21).
        withheld=("kv_transfer_params",),
    ),
    # docs.ollama.com/api/openai-compatibility
    Row(name="ollama", base_url="http://127.0.0.1:11434/v1"),
    # github.com/ggml-org/llama.cpp, tools/server/README.md
    Row(name="llama_cpp", base_url="http://127.0.0.1:8080/v1"),
    # lmstudio.ai/docs, OpenAI compatibility
    Row(name="lm_studio", base_url="http://127.0.0.1:1234/v1"),
)

ROWS: Mapping[str, Row] = {row.name: row for row in _ALL}
