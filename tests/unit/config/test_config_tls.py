from __future__ import annotations

from pathlib import Path

import pytest

from support.configs import MODELS, problems_of

UNVERIFIED = MODELS + "providers: {sim: {kind: openai_compatible, base_url: 'https://%s/v1', tls_verify: false}}\n"
VARIABLE = {"PENSTOCK_SERVER_ENVIRONMENT": "development"}
PLACE = "providers.sim.tls_verify"


@pytest.mark.parametrize("host", ["llm.test", "10.0.0.1", "127.0.0.1", "localhost"])
def test_tls_is_unverified_in_a_declared_development_environment_alone(tmp_path: Path, host: str) -> None:
    text = UNVERIFIED % host
    for production in (text, text + "server: {environment: production}\n"):
        (problem,) = (each for each in problems_of(tmp_path, production) if each.path == PLACE)
        assert problem.severity == "error"
        assert problem.suggestion == "give its CA as `ca_file`, or declare `server.environment: development`"
    declared = text + "server: {environment: development}\n"
    for development in (problems_of(tmp_path, declared), problems_of(tmp_path, text, VARIABLE)):
        assert [each.severity for each in development if each.path == PLACE] == ["warning"]
        assert all(each.severity == "warning" for each in development)


@pytest.mark.parametrize("environment", ["dev", "Development", "test"])
def test_an_environment_of_another_name_is_none(tmp_path: Path, environment: str) -> None:
    problems = problems_of(tmp_path, UNVERIFIED % "llm.test" + f"server: {{environment: {environment}}}\n")
    errors = {each.path for each in problems if each.severity == "error"}
    assert errors == {"server.environment", PLACE}
