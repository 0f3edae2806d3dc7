from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import app

RUN = CliRunner()
CONFIG = """
providers:
  hosted: {kind: anthropic, api_key: $KEY}
  sim: {kind: simulated}
models:
  typed: {provider: hosted, model_id: claude-x, cost_per_1k_input_tokens_usd: 0.003, cost_per_1k_output_tokens_usd: 0.015}
  listed: {provider: hosted, model_id: claude-sonnet-4-5}
  strange: {provider: hosted, model_id: no-such-model}
  toy: {provider: sim, model_id: toy-1}
routing:
  chat: {first: [listed, toy]}
tenant_tiers:
  paying: {allowed_models: [typed, listed, strange, toy], daily_budget_usd: 5}
  open: {allowed_models: [strange]}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", "k" * 20)
    path = tmp_path / "penstock.yaml"
    path.write_text(CONFIG)
    return str(path)


def test_prices_show_what_each_kind_of_token_costs_and_who_says_so(config: str) -> None:
    rows = [line.split("\t") for line in RUN.invoke(app, ["models", "-c", config, "--prices"]).output.splitlines()]
    listed = rows[2][-1]
    assert listed.startswith("genai-prices ")
    assert rows == [
        [
            *("alias", "provider", "model", "above tokens"),
            *("input USD/1M", "cached read", "cache write", "write 1h", "output", "price from"),
        ],
        ["typed", "hosted", "claude-x", "-", "3", "3", "3", "3", "15", "config"],
        ["listed", "hosted", "claude-sonnet-4-5", "-", "3", "0.3", "3.75", "6", "15", listed],
        ["listed", "hosted", "claude-sonnet-4-5", "200000", "6", "0.6", "7.5", "12", "22.5", listed],
        ["strange", "hosted", "no-such-model", "-", *["unknown"] * 6],
        ["toy", "sim", "toy-1", "-", *["0"] * 5, "free"],
    ]


def test_the_list_names_who_may_use_a_model_prices_considered(config: str) -> None:
    output = RUN.invoke(app, ["models", "-c", config]).output.splitlines()
    assert output[0].split("\t") == ["alias", "provider", "model", "USD/1M in", "USD/1M out", "tiers", "routes"]
    assert output[2].split("\t") == ["listed", "hosted", "claude-sonnet-4-5", "3", "15", "paying", "chat"]
    assert output[3].split("\t") == ["strange", "hosted", "no-such-model", "unknown", "unknown", "open", "-"]


def test_json_says_all_of_it(config: str) -> None:
    told = {each["alias"]: each for each in json.loads(RUN.invoke(app, ["models", "-c", config, "--json"]).output)}
    assert told["listed"]["usd_per_1m_tokens"][1] == {
        "above_input_tokens": 200_000,
        "input": 6.0,
        "cached": 0.6,
        "cache_write": 7.5,
        "cache_write_1h": 12.0,
        "output": 22.5,
    }
    assert told["strange"]["usd_per_1m_tokens"] is None
    assert {alias: each["price_from"].split()[0] for alias, each in told.items()} == {
        "typed": "config",
        "listed": "genai-prices",
        "strange": "unknown",
        "toy": "free",
    }


def test_check_warns_of_the_model_whose_price_nobody_knows(config: str) -> None:
    output = RUN.invoke(app, ["check", config]).output
    assert "models.strange: nobody knows its price: calls of tier paying are refused it" in output
    assert "models.toy" not in output
    assert "models.listed" not in output
