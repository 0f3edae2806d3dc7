"""Azure's addresses with the deployment in the path."""

from __future__ import annotations

import pytest

from penstock.core.plan import Target
from penstock.core.ports import Origin
from penstock.providers import connect
from penstock.providers.azure import deployment_url
from support.calls import make_call
from support.upstreams import ScriptedResponse, ScriptedTransport

RESOURCE = "https://acme.openai.azure.com"


@pytest.mark.parametrize("base_url", [RESOURCE, f"{RESOURCE}/", f"{RESOURCE}/openai", f"{RESOURCE}/openai/"])
def test_the_deployment_stands_in_the_path_and_the_version_in_the_query(base_url: str) -> None:
    # learn.microsoft.com/answers/questions/2225315, 2026-11-21
    url = deployment_url(base_url, api_version="2024-10-21", model_id="gpt-4o")
    assert url == f"{RESOURCE}/openai/deployments/gpt-4o?api-version=2024-10-21"


async def test_its_models_are_asked_there() -> None:
    whole = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}'
    transport = ScriptedTransport([ScriptedResponse(body=whole)])
    azure = connect(
        "azure", "az", base_url=RESOURCE, api_key="k", transport=transport, api_version="2025-01-01-preview"
    )
    await azure.bind(Target("alias", "az", "gpt-4o"))(make_call())
    ((endpoint, _),) = transport.requests
    assert endpoint.origin == Origin("https", "acme.openai.azure.com", 443)
    assert endpoint.path == b"/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview"
    assert (b"api-key", b"k") in endpoint.headers


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (
            "https://apim.example.com/llm",
            "https://apim.example.com/llm/openai/deployments/d?api-version=2025-01-01-preview",
        ),
        (
            f"{RESOURCE}?subscription=7",
            f"{RESOURCE}/openai/deployments/d?api-version=2025-01-01-preview&subscription=7",
        ),
    ],
)
def test_a_path_in_front_and_further_questions_stay(base_url: str, url: str) -> None:
    assert deployment_url(base_url, api_version="2025-01-01-preview", model_id="d") == url


def test_a_deployments_name_cannot_leave_its_place() -> None:
    url = deployment_url(RESOURCE, api_version="2024-10-21", model_id="a/../b?c#d é")
    assert url == f"{RESOURCE}/openai/deployments/a%2F..%2Fb%3Fc%23d%20%C3%A9?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("base_url", "api_version", "model_id", "told"),
    [
        ("acme.openai.azure.com", "2024-10-21", "d", "https://"),
        ("https://user:word@acme.openai.azure.com", "2024-10-21", "d", "without a user"),
        ("https://acme.openai.azure.com/a b", "2024-10-21", "d", "base_url"),
        (f"{RESOURCE}/openai/v1", "2024-10-21", "d", "base_url"),
        (f"{RESOURCE}/openai/deployments/d", "2024-10-21", "d", "base_url"),
        (RESOURCE, "", "d", "api_version"),
        (RESOURCE, "2024-10-21&x=y", "d", "api_version"),
        (RESOURCE, "2024-10-21", "", "model_id"),
        (RESOURCE, "2024-10-21", "..", "model_id"),
    ],
)
def test_what_makes_no_address_is_refused(base_url: str, api_version: str, model_id: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        deployment_url(base_url, api_version=api_version, model_id=model_id)
