"""Azure OpenAI's older addresses, which name the deployment in the path.

The newer ones end in `/openai/v1` and need nothing but their row in ``table``.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from penstock.core.ports import Origin


def deployment_address(base_url: str, *, api_version: str, model_id: str) -> tuple[Origin, bytes]:
    """Origin, and path with query, of chat completions of the deployment ``model_id``.

    ``base_url`` is the resource's (`https://RESOURCE.openai.azure.com`), with or without the `/openai` that follows.
    ``api_version`` is as in `2024-10-21` (learn.microsoft.com/azure/ai-services/openai/reference; the path is that of
    openai-python 3.3.1, ``lib/azure.py``; 2026-11-21). Raises ``ValueError`` for what makes no address.
    """
    if not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        msg = "base_url must look like https://RESOURCE.openai.azure.com"
        raise ValueError(msg)
    origin = Origin.of(base_url)
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
    path = f"{root}/openai/deployments/{quote(model_id, safe='')}/chat/completions"
    query = "&".join(part for part in (f"api-version={api_version}", url.query) if part)
    return origin, f"{path}?{query}".encode()
