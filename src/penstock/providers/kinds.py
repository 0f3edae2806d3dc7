"""Which services a config's ``kind`` may name, and how each is connected."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.ports import Transport
from penstock.providers.hosted import Hosted
from penstock.providers.openai_compatible import OpenAICompatible
from penstock.providers.table import ROWS

# With the address that each has by itself: "" needs none, ``None`` wants one given.
KINDS: Mapping[str, str | None] = {
    "simulated": "",
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    **{name: row.base_url for name, row in ROWS.items()},
}


def connect(
    kind: str, name: str, *, base_url: str | None, api_key: str | None, transport: Transport, api_version: str = ""
) -> Hosted:
    """An account at a service of that kind; ``base_url`` overrides its own. ``api_version`` is Azure's alone.

    Raises ``ValueError`` for an address or a key that cannot be used, and ``KeyError`` for a kind that is not hosted.
    """
    base_url = base_url or KINDS[kind]
    if kind == "anthropic":
        from penstock.providers.anthropic.adapter import Anthropic  # noqa: PLC0415 - who has no such provider is spared

        return Anthropic(name, base_url=base_url, api_key=api_key, transport=transport)
    if kind == "gemini":
        from penstock.providers.gemini.adapter import Gemini  # noqa: PLC0415 - who has no such provider is spared

        return Gemini(name, base_url=base_url, api_key=api_key, transport=transport)
    if kind == "azure" and api_version:
        from penstock.providers.azure import AzureDeployments  # noqa: PLC0415 - who has no such provider is spared

        return AzureDeployments(name, base_url=base_url, api_key=api_key, transport=transport, api_version=api_version)
    return OpenAICompatible(name, ROWS[kind], base_url=base_url, api_key=api_key, transport=transport)
