from __future__ import annotations

from pathlib import Path

import pytest

from penstock.config import Problem
from support.configs import MODELS, problems_of

PLACE = "providers.sim.api_version"


def told(folder: Path, kind: str, version: str) -> list[Problem]:
    """What is said of ``api_version``."""
    text = MODELS + f"providers: {{sim: {{kind: {kind}, base_url: 'https://a.test', api_version: '{version}'}}}}\n"
    return [each for each in problems_of(folder, text) if each.path == PLACE]


@pytest.mark.parametrize("version", ["2024-10-21", "2025-01-01-preview"])
def test_azure_alone_takes_a_version(tmp_path: Path, version: str) -> None:
    assert told(tmp_path, "azure", version) == []
    (problem,) = told(tmp_path, "openai", version)
    assert (problem.message, problem.suggestion) == ("`api_version` is for `kind: azure` only", "remove it")


@pytest.mark.parametrize("version", ["", "latest", "2024-10-21&x=y"])
def test_a_version_is_a_date(tmp_path: Path, version: str) -> None:
    (problem,) = told(tmp_path, "azure", version)
    assert problem.severity == "error"
