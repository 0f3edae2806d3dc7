from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from support.configs import CALLERS, DEMO, GOOD, WHOLE

RUN = CliRunner()


def test_the_demo_passes() -> None:
    result = RUN.invoke(app, ["check", str(DEMO)])
    assert (result.exit_code, result.output) == (0, "OK, 0 warnings.\n")


def test_mistakes_are_lines_with_place_and_cure(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + "server:\n  prot: 1\n" + CALLERS)
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert f"{path}:6:3: error: server.prot: `prot` is no setting here (did you mean `port`?)" in result.output
    assert "1 error, 0 warnings: not usable." in result.output


def test_mistakes_are_a_table_on_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + "server:\n  '[red]prot': 1\n")
    result = RUN.invoke(app, ["check", str(path)], env={"FORCE_COLOR": "1", "COLUMNS": "240"})
    assert result.exit_code == 1
    assert "what to do" in result.output
    assert "`[red]prot` is no setting here" in result.output


def test_mistakes_are_json_for_scripts(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + "server:\n  prot: 1\n" + CALLERS)
    result = RUN.invoke(app, ["check", str(path), "--json"])
    found = json.loads(result.output)
    assert (result.exit_code, found["ok"]) == (1, False)
    assert found["problems"][0] | {"message": ""} == {
        "file": str(path),
        "line": 6,
        "column": 3,
        "path": "server.prot",
        "message": "",
        "suggestion": "did you mean `port`?",
        "severity": "error",
    }


def test_the_proxies_of_the_environment_are_checked_too() -> None:
    result = RUN.invoke(app, ["check", str(DEMO)], env={"https_proxy": "socks5://user:hunter2@proxy"})
    assert result.exit_code == 1
    assert "https_proxy: https_proxy is no address of an HTTP proxy (write it like http://user:" in result.output
    assert "hunter2" not in result.output


def test_prompts_are_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD)
    (tmp_path / "prompts" / "p").mkdir(parents=True)
    prompt = tmp_path / "prompts" / "p" / "v1.yaml"
    head = "prompt_id: p\nversion: v1\nowner: o\ntask: t\nmessages: [{role: user, content: Hi}]\n"
    prompt.write_text(head + "compatible_models: [slow]\n")
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 0
    assert "no model here is called slow" in result.output
    prompt.write_text(head + "rollout: live\n")
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert f"{prompt}:6:1: error: rollout: `live` is not known" in result.output


def test_config_prompts_and_database_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"{WHOLE}server: {{prot: 1}}\nstore: {{url: 'sqlite:///{tmp_path}/data/p.db'}}\n")
    prompt = tmp_path / "prompts" / "p" / "v1.yaml"
    prompt.parent.mkdir(parents=True)
    prompt.write_text(
        "prompt_id: p\nversion: v1\ntask: t\nmessages: [{role: user, content: Hi}]\ncompatible_models: [a]\n"
    )
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    for told in ("`prot` is no setting", "there is no folder", "`owner` is missing", "no model here is called a"):
        assert told in result.output
    path.write_text(path.read_text().replace("cost_per_1k_tokens_usd: 0", "cost_per_1k_tokens_usd: none"))
    assert "no model here" not in RUN.invoke(app, ["check", str(path)]).output


def test_models_are_listed_by_tier() -> None:
    everything = RUN.invoke(app, ["models", "--config", str(DEMO)]).output
    assert "strong_reasoner\tmock-strong\tstrong-reason-v1\t3\t3\tenterprise\treasoning, code, agent" in everything
    free = RUN.invoke(app, ["models", "--config", str(DEMO), "--tier", "free"]).output
    assert "fast_extractor" in free
    assert "strong_reasoner" not in free
    assert RUN.invoke(app, ["models", "--config", str(DEMO), "--tier", "gold"]).exit_code == 1


def test_serve_refuses_a_bad_config_before_it_starts_anything(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("models: 3\n")
    result = RUN.invoke(app, ["serve", "--config", str(path)])
    assert result.exit_code == 2
    assert "this must be a mapping" in result.output


def test_serve_judges_the_config_with_its_options() -> None:
    result = RUN.invoke(app, ["serve", "--config", str(DEMO), "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert "demo keys are public" in result.output
    assert "(the value comes from --host)" in result.output
    result = RUN.invoke(app, ["serve", "--config", str(DEMO), "--port", "99999"])
    assert result.exit_code == 2
    assert "--port" in result.output
    assert "PENSTOCK_SERVER_PORT" not in result.output


@pytest.mark.parametrize("words", [["{}"], ["--config", "{}"], ["-c", "{}"], []])
def test_check_takes_the_file_as_argument_option_or_variable(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(WHOLE)
    env = {} if words else {"PENSTOCK_CONFIG": str(path)}
    result = RUN.invoke(app, ["check", *(word.format(path) for word in words)], env=env)
    assert (result.exit_code, result.output) == (0, "OK, 0 warnings.\n")


@pytest.mark.parametrize(
    "command", ["serve", "check", "models", "status", "reload", "forget acme", "audit tail", "audit verify"]
)
def test_a_config_that_is_not_there_is_told_with_a_cure_that_fits(tmp_path: Path, command: str) -> None:
    result = RUN.invoke(app, [*command.split(), "-c", str(tmp_path / "none.yaml")])
    assert result.exit_code in {1, 2}
    assert "give the file with --config FILE, or set PENSTOCK_CONFIG" in result.output


def test_a_database_without_folder_is_told_before_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"{GOOD}store: {{url: 'sqlite:///{tmp_path}/data/p.db'}}\n")
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert f"store.url: there is no folder {tmp_path}/data (make the folder: mkdir -p {tmp_path}/data)" in result.output
    (tmp_path / "data").mkdir()
    assert RUN.invoke(app, ["check", str(path)]).exit_code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_database_in_a_folder_that_is_not_ours_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"{GOOD}store: {{url: 'sqlite:///{tmp_path}/data/p.db'}}\n")
    (tmp_path / "data").mkdir(mode=0o555)
    assert "is not writable" in RUN.invoke(app, ["check", str(path)]).output


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_the_list_of_models_breaks_no_name_on_any_terminal(columns: int) -> None:
    env = {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": f"{columns}", "TERM": "xterm"}
    output = RUN.invoke(app, ["models", "--config", str(DEMO)], env=env).output
    lines = re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines()
    words = {word.rstrip(",") for line in lines for word in line.split()}
    assert {"fallback_balanced", "mock-balanced", "fallback-balanced-v1", "enterprise", "summarization"} <= words
    assert max(map(len, lines)) <= columns


def test_two_files_to_check_are_refused(tmp_path: Path) -> None:
    result = RUN.invoke(app, ["check", "-c", str(tmp_path / "a.yaml"), str(DEMO)])
    assert result.exit_code == 2
    assert "two files" in result.output
    assert RUN.invoke(app, ["check", str(DEMO)], env={"PENSTOCK_CONFIG": "a.yaml"}).exit_code == 0


def test_the_version_is_an_option_too() -> None:
    assert RUN.invoke(app, ["--version"]).output == RUN.invoke(app, ["version"]).output


@pytest.mark.parametrize(
    "command", ["serve", "check", "models", "status", "reload", "forget", "version", "audit tail", "audit verify"]
)
def test_every_command_shows_an_example(command: str) -> None:
    result = RUN.invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"penstock {command}" in result.output.split("Example:")[1]


def test_importing_the_command_line_imports_no_server() -> None:
    code = "import sys, penstock.cli; print([m for m in ('fastapi', 'sqlalchemy', 'uvicorn', 'pydantic', 'yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
