"""``deployment_address``: Azure's addresses with the deployment in the path."""

from __future__ import annotations

import pytest

from penstock.core.ports import Origin
from penstock.providers.azure import deployment_address

RESOURCE = "https://acme.openai.azure.com"


@pytest.mark.parametrize("base_url", [RESOURCE, f"{RESOURCE}/", f"{RESOURCE}/openai", f"{RESOURCE}/openai/"])
def test_the_deployment_stands_in_the_path_and_the_version_in_the_query(base_url: str) -> None:
    # learn.microsoft.com/answers/questions/2225315, 2026-11-21
    origin, path = deployment_address(base_url, api_version="2024-10-21", model_id="gpt-4o")
    assert origin == Origin("https", "acme.openai.azure.com", 443)
    assert path == b"/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("https://apim.example.com/llm", b"/llm/openai/deployments/d/chat/completions?api-version=2025-01-01-preview"),
        (
            f"{RESOURCE}?subscription=7",
            b"/openai/deployments/d/chat/completions?api-version=2025-01-01-preview&subscription=7",
        ),
    ],
)
def test_a_path_in_front_and_further_questions_stay(base_url: str, path: bytes) -> None:
    assert deployment_address(base_url, api_version="2025-01-01-preview", model_id="d")[1] == path


def test_a_deployments_name_cannot_leave_its_place() -> None:
    _, path = deployment_address(RESOURCE, api_version="2024-10-21", model_id="a/../b?c#d é")
    assert path == b"/openai/deployments/a%2F..%2Fb%3Fc%23d%20%C3%A9/chat/completions?api-version=2024-10-21"


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
        deployment_address(base_url, api_version=api_version, model_id=model_id)
