"""Azure OpenAI's older addresses, which name the deployment in the path.

The newer ones end in `/openai/v1` and need nothing but their row in ``table``.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from penstock.core.chain import Handler
from penstock.core.plan import Target
from penstock.core.ports import Origin, Transport
from penstock.providers.openai_compatible import OpenAICompatible
from penstock.providers.table import ROWS

_ROW = replace(ROWS["azure"], responses=False)


class AzureDeployments(OpenAICompatible):
    """One Azure resource whose deployments are asked under an ``api_version``. Raises ``ValueError`` as ``Account`` does."""

    def __init__(
        self, name: str, *, base_url: str | None, api_key: str | None, transport: Transport, api_version: str
    ) -> None:
        super().__init__(name, _ROW, base_url=base_url, api_key=api_key, transport=transport)
        self._deployment = partial(deployment_url, base_url or "", api_version=api_version)
        self._at = partial(OpenAICompatible, name, _ROW, api_key=api_key, transport=transport)

    def bind(self, target: Target) -> Handler:
        """The handler that answers calls with ``target``. Raises ``ValueError`` for a deployment that makes no address."""
        return self._at(base_url=self._deployment(model_id=target.model_id)).bind(target)


def deployment_url(base_url: str, *, api_version: str, model_id: str) -> str:
    """The address below which the API of the deployment ``model_id`` lies, with its query.

    ``base_url`` is the resource's (`https://RESOURCE.openai.azure.com`), with or without the `/openai` that follows.
    ``api_version`` is as in `2024-10-21` (learn.microsoft.com/azure/ai-services/openai/reference; the path is that of
    openai-python 3.3.1, ``lib/azure.py``; 2026-11-21). Raises ``ValueError`` for what makes no address.
    """
    if not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        msg = "base_url must look like https://RESOURCE.openai.azure.com"
        raise ValueError(msg)
    Origin.of(base_url)
    if not api_version.isascii() or not api_version.replace("-", "").isalnum():
        msg = "api_version must look like 2024-10-21 or 2025-01-01-preview"
        raise ValueError(msg)
    if model_id.strip(".") == "":
        msg = "model_id must name the deployment"
        raise ValueError(msg)
    url = urlsplit(base_url)
    root = url.path.rstrip("/").removesuffix("/openai")
    if root.endswith("/v1") or "/deployments" in root:
        msg = "base_url must end where the resource does: with api_version, path and deployment are added to it"
        raise ValueError(msg)
    query = "&".join(part for part in (f"api-version={api_version}", url.query) if part)
    return f"{url.scheme}://{url.netloc}{root}/openai/deployments/{quote(model_id, safe='')}?{query}"
