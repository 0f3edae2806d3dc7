"""The OpenAPI page and the application say the same thing: Schemathesis asks, within bounds and always alike."""

from __future__ import annotations

import html
import json
import re
import shlex
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig

from penstock.edge.native.data_plane import PATHS
from penstock.providers.simulated.transport import FAULT_KINDS
from support.native_gateway import ADMIN, PRO, Client, FakeGateway, make_app

DATA_PLANE = "/v1/chat/completions"
CONFIG = schemathesis.Config(
    projects=ProjectsConfig(
        default=ProjectConfig(generation=GenerationConfig(deterministic=True, database="none", max_examples=20))
    )
)
schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(FakeGateway()), config=CONFIG)


@schema.exclude(path=list(PATHS)).parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_the_document_and_the_application_agree(case: schemathesis.Case[Any]) -> None:
    operates = case.path.startswith(("/audit", "/debug", "/metrics", "/health"))
    if isinstance(case.body, dict) and isinstance(case.body.get("tenant_id"), str):
        case.body["tenant_id"] = "tenant_pro"  # or every call would end at the key's tenant
    case.call_and_validate(headers={"Authorization": f"Bearer {ADMIN if operates else PRO}"})


async def document(gateway: FakeGateway) -> dict[str, Any]:
    found: dict[str, Any] = (await Client(make_app(gateway)).get("/openapi.json")).json
    return found


async def test_every_path_is_documented() -> None:
    paths = (await document(FakeGateway()))["paths"]
    assert {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations} == {
        "POST /chat",
        "POST /llm/chat",
        "POST /v1/chat/completions",
        "POST /v1/completions",
        "POST /v1/embeddings",
        "POST /v1/messages",
        "POST /v1/messages/count_tokens",
        "POST /v1/responses",
        "GET /v1/responses/{response_id}",
        "DELETE /v1/responses/{response_id}",
        "GET /v1/responses/{response_id}/input_items",
        "GET /v1/models",
        "GET /v1/models/{model_id}",
        "GET /health",
        "GET /health/liveness",
        "GET /health/readiness",
        "GET /metrics",
        "GET /audit",
        "POST /debug/provider/{name}/fail",
    }


async def test_the_document_says_where_a_key_is_needed() -> None:
    strict, demo = await document(FakeGateway()), await document(FakeGateway(keyless=True))
    security = "security"
    assert strict["paths"]["/chat"]["post"][security] == [{"key": []}]
    assert demo["paths"]["/chat"]["post"][security] == [{"key": []}, {}]
    assert demo["paths"][DATA_PLANE]["post"][security] == [{"key": []}]
    assert strict["paths"]["/health/liveness"]["get"][security] == []


async def test_every_reference_leads_somewhere() -> None:
    found = await document(FakeGateway())
    names = {part.partition('"')[0] for part in json.dumps(found).split("#/components/schemas/")[1:]}
    assert names <= found["components"]["schemas"].keys()


@pytest.mark.parametrize("path", ["/chat", "/llm/chat", "/debug/provider/{name}/fail"])
async def test_the_documents_examples_work(path: str) -> None:
    gateway = FakeGateway(keyless=True)
    content = (await document(gateway))["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    client = Client(make_app(gateway))
    assert (await client.post(path.replace("{name}", "mock-fast"), content["example"])).status == 200


@pytest.fixture
async def page() -> str:
    return (await Client(make_app(FakeGateway())).get("/docs")).body.decode()


async def test_the_reference_page_names_every_path_field_header_and_choice(page: str) -> None:
    found = await document(FakeGateway())
    for path in found["paths"]:
        assert path in page
    for name in ("ChatRequest", "ChatAnswer", "CompletionRequest", "Completion", "FaultRequest", "AuditEvents"):
        for field in found["components"]["schemas"][name]["properties"]:
            assert f"<code>{field}</code>" in page
    for header in ("x-penstock-task", "x-penstock-user", "x-penstock-cache", "x-penstock-tags", "x-penstock-explain"):
        assert f"<code>{header}</code>" in page
    for name in ("messages[].role", "tool_choice.function.name", "choices[].finish_reason", "usage.total_tokens"):
        assert f"<code>{name}</code>" in page
    assert all(f"<code>{kind}</code>" in page for kind in FAULT_KINDS)


async def test_the_reference_page_begins_with_chat_completions_and_links_to_every_section(page: str) -> None:
    links = re.findall(r'<a href="#(\w+)">', page)
    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections[0] == "chat_completions"
    assert links[: len(sections)] == sections
    assert 'The same as <a href="#chat">' in page


async def test_the_reference_page_shows_code_as_code_and_samples_that_run(page: str) -> None:
    assert "`" not in page
    samples = [html.unescape(sample) for sample in re.findall("<pre>(.*?)</pre>", page, re.DOTALL)]
    assert any("/v1/models/chat" in sample for sample in samples)
    assert any("/debug/provider/mock-fast/fail" in sample for sample in samples)
    for words in map(shlex.split, samples):
        assert words[0] == "curl"
        assert "{" not in words[1]
        if "-d" in words:
            assert json.loads(words[words.index("-d") + 1])


async def test_every_field_of_every_schema_says_what_it_means() -> None:
    found = await document(FakeGateway())
    silent = [
        f"{name}.{field}"
        for name, schema in found["components"]["schemas"].items()
        for field, said in schema["properties"].items()
        if not said.get("description")
    ]
    assert silent == []


async def test_the_documents_fault_kinds_are_those_of_the_simulated_provider() -> None:
    kind = (await document(FakeGateway()))["components"]["schemas"]["FaultRequest"]["properties"]["kind"]
    assert set(kind["enum"]) == FAULT_KINDS
