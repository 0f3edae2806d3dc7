"""What the OpenAPI page promises, asked of a running gateway: Schemathesis, within bounds and always alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.native_gateway import FakeGateway, make_app
from support.server import serving

EXAMPLES = 50
KEY = "sk-acme-" + "a" * 40
CONFIG = """
providers:
  sim: {kind: simulated}
models:
  small: {provider: sim, model_id: one, cost_per_1k_tokens_usd: 1}
routing:
  chat: {primary: small}
tenant_tiers:
  pro: {allowed_models: [small], requests_per_minute: 100000, concurrent_requests: 100, daily_budget_usd: 1000000}
tenants:
  acme: {tier: pro, keys: [{name: app, key: $ACME_KEY}]}
"""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
GENERATION = schemathesis.Config(
    projects=ProjectsConfig(
        default=ProjectConfig(generation=GenerationConfig(deterministic=True, database="none", max_examples=EXAMPLES))
    )
)


schema = schemathesis.openapi.from_dict(make_app(FakeGateway()).openapi(), config=GENERATION)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    config = folder / "penstock.yaml"
    config.write_text(CONFIG)
    with serving(config, folder, ACME_KEY=KEY) as address:
        yield address


@pytest.mark.slow
@schema.include(path="/v1/chat/completions").parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
def test_chat_completions_answer_anything_as_documented(case: schemathesis.Case[Any], address: str) -> None:
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        # Or every call would end at an unknown model or prompt.
        case.body["model"] = "chat"
        case.body.pop("prompt_id", None)
        case.body.pop("prompt_version", None)
    response = case.call(base_url=f"http://{address}", headers={"Authorization": f"Bearer {KEY}"})
    case.validate_response(response, checks=CHECKS)
